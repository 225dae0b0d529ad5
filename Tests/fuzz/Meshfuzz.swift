import Glibc

/// One way in from outside: takes any bytes, and ends the process if a property of ours does not hold.
struct FuzzTarget: Sendable {
    var name: String
    var run: @Sendable ([UInt8]) -> Void

    static let all = [
        FuzzTarget(name: "datagrams", run: fuzzDatagrams),
        FuzzTarget(name: "membership", run: fuzzMembership),
        FuzzTarget(name: "handshakes", run: fuzzHandshakes),
        FuzzTarget(name: "frames", run: fuzzFrames),
        FuzzTarget(name: "documents", run: fuzzDocuments),
        FuzzTarget(name: "http", run: fuzzHTTP),
        FuzzTarget(name: "commands", run: fuzzCommands),
    ]

    /// libFuzzer starts itself again with its own arguments, so what to try is told by the environment.
    static let chosen: FuzzTarget = {
        let name = unsafe getenv("MESHFUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
        guard let target = all.first(where: { $0.name == name }) else {
            print("meshfuzz: MESHFUZZ_TARGET is one of: \(all.map(\.name).joined(separator: " "))")
            exit(2)
        }
        return target
    }()
}

/// libFuzzer's own loop: reads the command line, mutates the corpus, and calls back.
@_extern(c, "LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// The runtime's `main`, which is not used, wants it.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    FuzzTarget.chosen.run(unsafe Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}

/// Ends the process: libFuzzer keeps the input that did it.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

@main
enum Meshfuzz {
    static func main() {
        _ = FuzzTarget.chosen
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        exit(unsafe runDriver(&count, &arguments) { data, size in unsafe testOneInput(data, size) })
    }
}
