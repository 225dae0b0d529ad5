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
        // A line without an end was being written when the daemon was killed: its last number is the beginning of another.
        while let line = readLine(strippingNewline: false), line.hasSuffix("\n") {
            guard let groups = OrphanGuard.groups(in: line.dropLast()) else {
                throw CommandFailure("'\(line.prefix(64))' names no process groups", status: .usage)
            }
            last = groups
        }
        for group in last { kill(-group, SIGKILL) }
    }
}
