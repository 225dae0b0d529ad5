internal import ArgumentParser
internal import Glibc
internal import MeshWorkers

/// The process beside the daemon that ends its programs when it is killed; `OrphanGuard` starts it.
struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard", abstract: "Kill the process groups named on standard input, when that ends.",
        shouldDisplay: false)

    func run() throws {
        // It has to outlive whatever ends the daemon.
        for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, SIG_IGN) }
        var last: [Int32] = []
        while let line = readLine() {
            guard let groups = OrphanGuard.groups(in: line) else {
                throw CommandFailure("'\(line.prefix(64))' names no process groups", status: .usage)
            }
            last = groups
        }
        for group in last { kill(-group, SIGKILL) }
    }
}
