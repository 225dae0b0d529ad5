import Foundation
import Synchronization

/// The built `meshnode`, run as its users run it.
///
/// Nothing here blocks: there are as many threads for all tests together as the machine has cores, and those with
/// deadlines would starve behind a process that is waited for.
struct MeshnodeProcess {
    struct Result: Sendable {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Beside the tests, where the build puts it.
    static var binary: URL {
        URL(fileURLWithPath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("meshnode")
    }

    /// Runs to the end; nothing of the test's own environment that begins with MESHNODE_ reaches it.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil
    ) async throws -> Result {
        try await withFolder { path async throws in
            let folder = URL(fileURLWithPath: path)
            let process = try self.process(arguments, environment, logs: folder)
            if let input {
                let file = folder.appending(path: "in")
                try Data(input.utf8).write(to: file)
                process.standardInput = try FileHandle(forReadingFrom: file)
            }
            await self.ended(try self.start(process))
            return Result(
                status: process.terminationStatus, output: self.text(folder.appending(path: "out")),
                errors: self.text(folder.appending(path: "err")))
        }
    }

    /// Runs a process; what comes back ends when the process does.
    static func start(_ process: Process) throws -> AsyncStream<Void> {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        process.terminationHandler = { _ in end.finish() }
        try process.run()
        return ended
    }

    static func ended(_ process: AsyncStream<Void>) async { for await _ in process {} }

    /// A daemon with a data folder of its own for the length of `body`, stopped as an operator stops it.
    static func withNode(_ flags: [String] = [], _ body: (RunningNode) async throws -> Void) async throws {
        // Short: a socket's path has at most 107 bytes.
        let folder = URL(fileURLWithPath: "/tmp/mn-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let data = folder.appending(path: "data").path
        let process = try self.process(
            ["start", "--data", data, "--name", "one", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"] + flags, [:],
            logs: folder)
        let node = RunningNode(data: data, folder: folder, process: process, ended: try self.start(process))
        do {
            let deadline = ContinuousClock.now + .seconds(120)
            while !self.text(folder.appending(path: "out")).contains("\nready ") {
                guard process.isRunning, ContinuousClock.now < deadline else {
                    throw NotReady(log: self.text(folder.appending(path: "err")))
                }
                try await Task.sleep(for: .milliseconds(20))
            }
            try await body(node)
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    struct NotReady: Error { var log: String }

    private static func process(
        _ arguments: [String], _ environment: [String: String], logs: URL
    ) throws -> Process {
        let process = Process()
        process.executableURL = self.binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("MESHNODE_") }.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try self.file(logs.appending(path: "out"))
        process.standardError = try self.file(logs.appending(path: "err"))
        return process
    }

    private static func file(_ url: URL) throws -> FileHandle {
        try Data().write(to: url)
        return try FileHandle(forWritingTo: url)
    }

    static func text(_ url: URL) -> String { (try? String(contentsOf: url, encoding: .utf8)) ?? "" }
}

struct RunningNode {
    let data: String
    let folder: URL
    let process: Process
    let ended: AsyncStream<Void>

    func run(_ arguments: String..., input: String? = nil) async throws -> MeshnodeProcess.Result {
        try await MeshnodeProcess.run(arguments, environment: ["MESHNODE_DATA": self.data], input: input)
    }

    func stop() async {
        if self.process.isRunning { self.process.terminate() }
        await MeshnodeProcess.ended(self.ended)
    }

    /// The HTTP address that it printed.
    var url: String {
        let output = MeshnodeProcess.text(self.folder.appending(path: "out"))
        return output.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("http=") }.map {
            String($0.dropFirst(5))
        }
            ?? ""
    }
}
