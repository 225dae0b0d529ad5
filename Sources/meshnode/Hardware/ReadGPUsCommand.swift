internal import ArgumentParser
internal import FoundationEssentials
internal import Glibc

/// What `GPUReader` runs: answers each byte of standard input with a line, until that ends.
struct ReadGPUsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read-gpus", abstract: "Answer the daemon's questions about GPUs.", shouldDisplay: false)

    /// While the driver reports a failure it is opened anew after so many readings: a GPU that came back is seen only
    /// by whoever begins again.
    private static let failedReadingsMax = 12

    @Option var library: String?

    func run() throws {
        closefrom(STDERR_FILENO + 1)
        var failed = 0
        var driver: NVML?
        while waitForQuestion() {
            // A daemon that was killed cannot end a child that hangs.
            alarm(UInt32(GPUReader.firstAnswerMax / .seconds(1)) + 1)
            do throws(NVML.Failure) {
                if driver == nil { driver = try NVML(path: self.library) }
                guard let reading = try driver?.read() else { return }
                answer(GPUAnswer(reading: reading))
                failed = reading.failures.isEmpty ? 0 : failed + 1
                if failed == Self.failedReadingsMax {
                    driver = nil
                    failed = 0
                }
            } catch {
                // Whoever asks again gets a new process, and with it the library that is installed then.
                answer(GPUAnswer(failure: error.reason))
                return
            }
            alarm(0)
        }
    }
}

private func answer(_ answer: GPUAnswer) {
    if let json = try? jsonBytes(answer) { printRaw(json + [UInt8(ascii: "\n")]) }
}

private func waitForQuestion() -> Bool {
    var byte: UInt8 = 0
    while true {
        let count = unsafe read(STDIN_FILENO, &byte, 1)
        if count < 0, errno == EINTR { continue }
        return count == 1
    }
}
