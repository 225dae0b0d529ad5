package import Logging
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// Sees to it that programs end with the daemon, also when it is killed and can say nothing to them any more.
///
/// A process beside the daemon is told which process groups there are, over a pipe. When the pipe ends, the daemon is gone,
/// and it kills them. A death signal (prctl) would be simpler, but reaches only the program and not what it started, and has
/// to be set between fork and exec, where nobody lets us run.
package final class OrphanGuard: Sendable {
    private let executable: String
    private let arguments: [String]
    private let logger: Logger
    private let groups = Mutex<Set<Int32>>([])
    private let changes: AsyncStream<Void>
    private let changed: AsyncStream<Void>.Continuation

    /// The program reads lines from its standard input, each with the process groups that there are now, and kills those of
    /// the last line at the end: `OrphanGuard.groups(in:)` reads them. The first of `arguments` is its name for `ps`.
    package init(executable: String, arguments: [String], logger: Logger) {
        self.executable = executable
        self.arguments = arguments
        self.logger = logger
        (self.changes, self.changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func add(_ group: Int32) {
        self.groups.withLock { _ = $0.insert(group) }
        self.changed.yield()
    }

    func remove(_ group: Int32) {
        self.groups.withLock { _ = $0.remove(group) }
        self.changed.yield()
    }

    /// The process is started with the first program, and again if it ends, until the task is cancelled.
    package func run() async {
        for await _ in self.changes {
            do {
                try await self.keepInformed()
            } catch {
                self.logger.warning(
                    "programs may outlive a killed daemon: their guard does not run",
                    metadata: ["reason": "\(error)"])
            }
            guard !Task.isCancelled else { return }
            try? await Task.sleep(for: .seconds(1))
            self.changed.yield()
        }
    }

    private func keepInformed() async throws {
        var options = PlatformOptions()
        // What is sent to the daemon's terminal is not for it.
        options.createSession = true
        let configuration = Configuration(
            executable: .path(FilePath(self.executable)),
            arguments: Arguments(
                executablePathOverride: self.arguments.first, remainingValues: Array(self.arguments.dropFirst())),
            platformOptions: options)
        _ = try await Subprocess.run(configuration, input: .inputWriter, output: .discarded, error: .discarded) {
            execution in
            repeat {
                let line = self.groups.withLock { $0.map(String.init).joined(separator: " ") }
                _ = try await execution.standardInputWriter.write(line + "\n")
            } while await self.nextChange()
            try await execution.standardInputWriter.finish()
        }
    }

    private func nextChange() async -> Bool {
        for await _ in self.changes { return true }
        return false
    }

    /// The process groups that a line names; nil if it is no such line. 0 and 1 would mean everybody.
    package static func groups(in line: some StringProtocol) -> [Int32]? {
        var groups: [Int32] = []
        for word in line.split(separator: " ") {
            guard let group = Int32(word), group > 1 else { return nil }
            groups.append(group)
        }
        return groups
    }
}
