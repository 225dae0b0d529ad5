internal import ArgumentParser
internal import FoundationEssentials
internal import Logging
internal import MeshCore
internal import MeshRuntime

struct LogsCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print the last log lines of this node, of another member, or of all.",
        discussion: """
            Every node keeps its last 4096 lines, at most 1 MiB, in memory; older ones are where its standard error goes. \
            Lines below the node's --log-level were never written. With --format json, each line is an object.
            """)

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(
        help: "A member, by name, id or unique prefix of the id; default the node that is asked.",
        completion: .members)
    var member: String?
    @Flag(help: "Of all members, in the order of their clocks.") var all = false
    @Flag(name: .shortAndLong, help: "Go on until interrupted, looking every half second.") var follow = false
    @Option(help: ArgumentHelp("Only lines that are no older, such as 30s, 10m or 2h.", valueName: "DURATION"))
    var since: String?
    @Option(help: ArgumentHelp("How many of the last lines, at most 4096; of each member with --all.", valueName: "N"))
    var lines = LogQuery.linesDefault
    @Option(
        help: ArgumentHelp(
            "Only lines at least so severe: trace, debug, info, notice, warning, error.", valueName: "LEVEL"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)))
    var level: String?

    func validate() throws {
        guard !(self.all && self.member != nil) else { throw ValidationError("give a member or --all, not both") }
        guard 0...LogQuery.linesMax ~= self.lines else {
            throw ValidationError("--lines is from 0 to \(LogQuery.linesMax)")
        }
        if let level = self.level, Logger.Level(rawValue: level) == nil {
            throw ValidationError(
                "--level: '\(level)' is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
    }

    func run() async throws {
        var parameters = ["lines=\(self.lines)"]
        if let level = self.level { parameters.append("level=\(level)") }
        if let since = self.since {
            do { parameters.append("age_ms=\(try Duration(parsing: since).nanoseconds / 1_000_000)") } catch {
                throw CommandFailure("--since: \(error)", status: .usage)
            }
        }
        try await self.withNode { [parameters] node in
            var reader = LogReader(node: node, parameters: parameters)
            repeat {
                do {
                    for record in try await reader.read(try await self.members(node)) { try self.show(record) }
                } catch let failure as CommandFailure where self.follow && reader.hasRead && failure.isAbsence {
                    reader.isAway(failure)
                }
                try self.report(&reader)
            } while try await self.shouldRepeat()
        }
    }

    /// Who is asked; nil is the node itself.
    private func members(_ node: NodeClient) async throws -> [String?] {
        guard self.all else { return [self.member] }
        struct Members: Decodable { var members: [MemberView] }
        let view = try await node.decoded(Members.self, "/v1/members").value
        return view.members.filter { $0.state == "alive" || $0.state == "suspect" }.map(\.id)
    }

    private func shouldRepeat() async throws -> Bool {
        guard self.follow else { return false }
        try await Task.sleep(for: .milliseconds(500))
        return true
    }

    private func show(_ record: EventRecord) throws {
        try self.output.showNext(try jsonBytes(record)) {
            let origin = self.all ? "\(record.node ?? "?")  " : ""
            printLine(printable(origin + record.logText))
        }
    }

    /// Who is asked must answer the first time; of all members, or of one that is followed, some may be away later.
    private func report(_ reader: inout LogReader) throws {
        for failure in reader.takeFailures() {
            guard self.all || (self.follow && reader.hasRead && failure.status != .notFound) else { throw failure }
            warn(failure.message)
        }
    }
}

/// Reads the logs of members behind what was read before.
private struct LogReader {
    private struct Answer: Decodable {
        struct Node: Decodable {
            var id: String
            var name: String
        }

        var node: Node
        var logs: [EventRecord]
        var gap: GapRecord?
        var next: String
    }

    private let node: NodeClient
    private let parameters: [String]
    /// Where to go on, by member as it was asked for.
    private var places: [String?: String] = [:]
    private var failing: Set<String?> = []
    private var failures: [CommandFailure] = []

    init(node: NodeClient, parameters: [String]) {
        self.node = node
        self.parameters = parameters
    }

    /// Whether anybody has answered yet.
    var hasRead: Bool { !self.places.isEmpty }

    /// The node that is asked for all the others.
    mutating func isAway(_ failure: CommandFailure) {
        // Said once, not every half second.
        if self.failing.insert(nil).inserted { self.failures.append(failure) }
    }

    /// What came since the last time, oldest first.
    mutating func read(_ members: [String?]) async throws -> [EventRecord] {
        let answers = await withTaskGroup(of: (String?, Result<Answer, any Error>).self) { group in
            for member in members {
                let path = self.path(of: member)
                group.addTask { [node] in
                    do { return (member, .success(try await node.decoded(Answer.self, path).value)) } catch {
                        return (member, .failure(error))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        // Who is asked for others has answered.
        if !members.contains(nil) { self.failing.remove(nil) }
        var records: [EventRecord] = []
        for (member, result) in answers {
            switch result {
            case .success(let answer):
                self.failing.remove(member)
                if let gap = answer.gap { warn("\(answer.node.name): \(gap.text)") }
                self.places[member] = answer.next
                records += answer.logs.map { record in
                    var record = record
                    record.node = answer.node.name
                    return record
                }
            case .failure(let failure as CommandFailure):
                // Said once, not every half second.
                if self.failing.insert(member).inserted { self.failures.append(failure) }
            case .failure(let error): throw error
            }
        }
        return records.sorted { ($0.time, $0.node ?? "") < ($1.time, $1.node ?? "") }
    }

    mutating func takeFailures() -> [CommandFailure] {
        defer { self.failures = [] }
        return self.failures
    }

    private func path(of member: String?) -> String {
        var parameters = self.parameters
        if let member { parameters.append("node=\(percentEncoded(member))") }
        if let place = self.places[member] {
            // Behind what was read, everything counts: neither how many nor how old.
            parameters.removeAll { $0.hasPrefix("lines=") || $0.hasPrefix("age_ms=") }
            parameters += ["after=\(place)", "lines=\(LogQuery.linesMax)"]
        }
        return "/v1/logs?" + parameters.joined(separator: "&")
    }
}
