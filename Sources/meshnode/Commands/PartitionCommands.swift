internal import ArgumentParser
internal import MeshRuntime

struct PartitionsCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "partitions", abstract: "List the partitions, their leaders and replicas.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Flag(help: "Only those that lack replicas or a leader.") var lacking = false
    @Flag(
        help:
            "Compare what the replicas of each have on their disks; reads all of it. Exit status 1 unless all are equal."
    )
    var verify = false

    func run() async throws {
        if self.verify { return try await self.showVerification() }
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(PartitionsView.self, "/v1/partitions")
            try self.output.show(bytes) { self.print(view) }
        }
    }

    private func showVerification() async throws {
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(
                VerificationView.self, "/v1/partitions/verify", timeout: .seconds(600))
            try self.output.show(bytes) { self.print(view) }
            guard view.missing.isEmpty, view.partitions.allSatisfy({ $0.state == "equal" }) else {
                throw ExitCode(ExitStatus.failed.rawValue)
            }
        }
    }

    private func print(_ view: VerificationView) {
        var table = Table([
            .right("PARTITION"), .left("STATE"), .flexible("NODE", min: 8), .right("ENTRY"), .left("DIGEST"),
        ])
        let unequal = view.partitions.filter { $0.state != "equal" }
        for partition in unequal {
            for replica in partition.replicas {
                table.add([
                    String(partition.partition), partition.state, replica.node, String(replica.applied),
                    replica.digest,
                ])
            }
        }
        if !unequal.isEmpty { printLine(table.text(width: Terminal.width, color: Terminal.hasColor)) }
        let replicas = view.partitions.map(\.replicas.count).reduce(0, +)
        let counts = ["equal", "moving", "different"].map { state in
            "\(view.partitions.count { $0.state == state }) \(state)"
        }
        printLine("\(view.partitions.count) partitions, \(replicas) replicas: \(counts.joined(separator: ", "))")
        if !view.missing.isEmpty {
            warn(
                "no answer in time from \(printable(view.missing.joined(separator: ", "))): their replicas are missing")
        }
    }

    private func print(_ view: PartitionsView) {
        var table = Table([
            .right("PARTITION"), .left("STATE"), .flexible("LEADER", min: 8), .flexible("OTHERS", min: 12),
            .right("LAG"),
            .right("MESSAGES"),
        ])
        for partition in view.partitions where !self.lacking || partition.state != "ok" {
            let leader = partition.replicas.first { $0.role == "leader" }?.node ?? ""
            let others = partition.replicas.filter { $0.role != "leader" }.map {
                $0.role == "learner" ? "\($0.node) (learner)" : $0.node
            }
            table.add([
                String(partition.partition), partition.state, leader, others.joined(separator: ", "),
                String(partition.replicas.map(\.lag).max() ?? 0), String(partition.messages),
            ])
        }
        printLine(table.text(width: Terminal.width, color: Terminal.hasColor))
        if !view.missing.isEmpty {
            warn("no answer in time from \(printable(view.missing.joined(separator: ", "))): what they lead is missing")
        }
    }
}

struct ExplainCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tell where an actor is, and why there.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "The actor's path.") var path: String

    func run() async throws {
        try await self.withNode { node in
            let path = self.path.hasPrefix("/") ? String(self.path.dropFirst()) : self.path
            let (view, bytes) = try await node.decoded(ExplainView.self, "/v1/explain/\(path)")
            try self.output.show(bytes) { self.print(view) }
        }
    }

    private func print(_ view: ExplainView) {
        printLine("\(printable(view.path)) is in partition \(view.partition)")
        printLine("leader      \(printable(view.leader ?? "unknown to this node"))")
        printLine(
            "replicas    \(view.wanted.isEmpty ? "unknown to this node" : printable(view.wanted.joined(separator: ", ")))"
        )
        printLine("definition  \(view.definition.isEmpty ? "none" : printable(view.definition))")
        if let host = view.host {
            printLine("runs at     \(printable(host)), token \(printable(view.token ?? "not granted yet"))")
        }
        if let waiting = view.waiting, waiting > 0 { printLine("waiting     \(waiting)") }
        if let obstacle = view.obstacle { printLine("cannot run  \(printable(obstacle))") }
        self.print(view.candidates)
        for move in view.host_moves {
            printLine(
                "host        \(wallTime(move.at)) \(printable(move.from.joined())) to \(printable(move.to.joined()))"
                    + (move.reason.isEmpty ? "" : ": \(printable(move.reason))"))
        }
        for move in view.moves {
            printLine(
                "moved       \(wallTime(move.at)) \(move.reason): \(printable(move.from.joined(separator: ", "))) to "
                    + printable(move.to.joined(separator: ", ")))
        }
    }
}

extension ExplainCommand {
    private func print(_ candidates: [ExplainView.Candidate]) {
        guard candidates.count > 1 || candidates.contains(where: { $0.finding != "fits" }) else { return }
        var table = Table([.left("CANDIDATE"), .right("SCORE"), .flexible("BECAUSE", min: 24)])
        for candidate in candidates {
            let parts = candidate.parts.map { "\($0.criterion) \($0.points) (\($0.because))" }
            let fits = candidate.finding == "fits"
            table.add([
                candidate.node, fits ? String(candidate.score) : "no",
                fits ? parts.joined(separator: ", ") : candidate.reason,
            ])
        }
        printLine(table.text(width: Terminal.width, color: Terminal.hasColor))
    }
}

struct InitCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Begin the partitions of a mesh that no node created, at this node. Once.",
        discussion: """
            A mesh that was made by 'meshnode start' without a token needs no such word, nor does one whose token says \
            how many nodes make it ('meshnode token --new --nodes N'). All members must run, for each gives its word.
            """)

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Flag(help: "Without the word of the others: only if those that cannot be asked are gone for good.") var force =
        false

    func run() async throws {
        try await self.withNode { node in
            let answer = try await node.request(
                "POST", "/v1/init\(self.force ? "?force=true" : "")", timeout: .seconds(60))
            try self.output.show(answer.body) { printLine("the mesh is founded") }
        }
    }
}
