internal import ArgumentParser
internal import MeshRuntime

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "List or rotate the keys that the mesh is sealed with.",
        discussion: """
            A rotation is 'keys install', 'keys use KEY', 'keys remove OLD', each when the one before is everywhere. \
            The mesh goes on meanwhile; a step that was interrupted is repeated.
            """,
        subcommands: [KeysListCommand.self, KeysInstallCommand.self, KeysUseCommand.self, KeysRemoveCommand.self])
}

struct KeysListCommand: FolderCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the keys by their ids, and which member has which.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions

    func run() async throws {
        try await self.withNode { node in
            let (view, bytes) = try await node.decoded(KeysView.self, "/v1/keys")
            try self.output.show(bytes) {
                printLine(KeysText.list(view, width: Terminal.width, color: Terminal.hasColor))
            }
        }
    }
}

struct KeyPatience: ParsableArguments {
    @Option(help: ArgumentHelp("How long to wait for live members; default 30s.", valueName: "DURATION"))
    var timeout: String?

    func checked() throws -> Duration {
        do { return try self.timeout.map { try Duration(parsing: $0) } ?? .seconds(30) } catch {
            throw CommandFailure("--timeout: \(error)", status: .usage)
        }
    }
}

/// A step of a rotation: changes the keys at one node, then waits until every live member has followed.
protocol KeyStepCommand: FolderCommand {
    var patience: KeyPatience { get }
    /// Method and path of the request that takes the step.
    var step: (method: String, path: String) { get }
    /// Whether a member has taken the step; `key` is the one it is about.
    func isDone(_ member: KeyHolderView, _ key: String) -> Bool
    /// In the past tense, such as `installed`.
    var verb: String { get }
}

extension KeyStepCommand {
    func run() async throws {
        try await self.withNode { node in
            let timeout = try self.patience.checked()
            var view = try await node.decoded(KeysView.self, self.step.path, method: self.step.method).value
            guard let key = view.key else { throw CommandFailure("the answer names no such key") }
            let deadline = ContinuousClock.now + timeout
            var told: Set<String> = []
            while true {
                for member in view.members where member.isLive && self.isDone(member, key) {
                    guard told.insert(member.id).inserted, self.output.isText else { continue }
                    printLine(printable("\(member.name): \(key) \(self.verb)"))
                }
                let waiting = view.members.filter { $0.isLive && !self.isDone($0, key) }
                if waiting.isEmpty { break }
                guard ContinuousClock.now < deadline else { throw self.late(waiting, key) }
                try await Task.sleep(for: .milliseconds(500))
                view = try await node.decoded(KeysView.self, "/v1/keys").value
            }
            // A listing is about no key; the command was.
            view.key = key
            try self.output.show(view) { self.conclude(view, key) }
        }
    }

    private func late(_ waiting: [KeyHolderView], _ key: String) -> CommandFailure {
        let names = waiting.map(\.name).joined(separator: ", ")
        return CommandFailure(
            printable("\(key) is not \(self.verb) at \(names) yet"),
            hint: "they follow by themselves when they can; repeat the command to see whether they have",
            status: .timedOut)
    }

    private func conclude(_ view: KeysView, _ key: String) {
        let live = view.members.count(where: \.isLive)
        printLine("\(key) is \(self.verb) at \(live == 1 ? "the one live member" : "all \(live) live members")")
        let away = view.members.filter { !$0.isLive && !self.isDone($0, key) }
        guard !away.isEmpty else { return }
        let names = away.map { "\($0.name) (\($0.state))" }.joined(separator: ", ")
        printLine(printable("away, and told when they are back: \(names)"))
    }
}

struct KeysInstallCommand: KeyStepCommand {
    static let configuration = CommandConfiguration(
        commandName: "install", abstract: "Give every member a new key, which it accepts and does not use yet.",
        discussion: "If a key was installed and not used yet, this goes on with that one.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @OptionGroup var patience: KeyPatience

    var step: (method: String, path: String) { ("POST", "/v1/keys") }
    var verb: String { "installed" }
    func isDone(_ member: KeyHolderView, _ key: String) -> Bool { member.keys?.contains(key) ?? false }
}

struct KeysUseCommand: KeyStepCommand {
    static let configuration = CommandConfiguration(
        commandName: "use", abstract: "Seal with a key from now on, on every member; the others are still accepted.",
        discussion: "Refused while a live member does not have the key.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "The id of the key, or its beginning.") var key: String
    @Flag(help: "Also where live members lack the key: they cannot read what the others send until they get it.")
    var force = false
    @OptionGroup var patience: KeyPatience

    var step: (method: String, path: String) {
        ("POST", "/v1/keys/\(percentEncoded(self.key))/use\(self.force ? "?force=true" : "")")
    }
    var verb: String { "in use" }
    func isDone(_ member: KeyHolderView, _ key: String) -> Bool { member.primary == key }
}

struct KeysRemoveCommand: KeyStepCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Accept a key no more, on every member; tokens that hold no other are void.",
        discussion: "Refused while a member, alive or away, is not known to have another key of the mesh.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var folder: FolderOptions
    @Argument(help: "The id of the key, or its beginning.") var key: String
    @Flag(help: "Also where members have no other key: they are shut out until they are given a new token.")
    var force = false
    @OptionGroup var patience: KeyPatience

    var step: (method: String, path: String) {
        ("DELETE", "/v1/keys/\(percentEncoded(self.key))\(self.force ? "?force=true" : "")")
    }
    var verb: String { "removed" }
    func isDone(_ member: KeyHolderView, _ key: String) -> Bool { !(member.keys?.contains(key) ?? true) }
}

extension KeyHolderView {
    fileprivate var isLive: Bool { self.state == "alive" || self.state == "suspect" }
}
