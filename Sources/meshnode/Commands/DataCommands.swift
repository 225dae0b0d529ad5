internal import ArgumentParser
internal import FoundationEssentials
internal import MeshCore
internal import MeshStorage

/// What lies on the disk of a stopped node.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look into the data folder of a stopped node.",
        discussion: "Nothing is changed. A running node keeps its folder to itself: stop it first.",
        subcommands: [VerifyDataCommand.self, DumpDataCommand.self])
}

/// Where the data are. The lock is held while they are read: a daemon that started meanwhile would change them.
struct DataOptions: ParsableArguments {
    @OptionGroup var folder: FolderOptions
    @Option(name: .customLong("data-dir"), help: ArgumentHelp("The data folder (or MESHNODE_DATA).", valueName: "DIR"))
    var dataFolder: String?

    func inspect<Result>(_ body: (DataInspection) throws -> Result) throws -> Result {
        let environment = ProcessInfo.processInfo.environment
        let path =
            self.folder.dataFolder ?? self.dataFolder ?? environment["MESHNODE_DATA"]
            ?? defaultDataFolder(home: environment["HOME"])
        let folder = try DataFolder(existing: path)
        guard folder.hasDatabase else {
            throw CommandFailure(
                "there is no database in \(path)", hint: "name the data folder of a node with --data", status: .notFound
            )
        }
        let lock = try Self.lock(folder)
        defer { withExtendedLifetime(lock) {} }
        do { return try body(try DataInspection(directory: folder.database)) } catch let error as StorageError {
            throw CommandFailure("\(error)")
        }
    }

    private static func lock(_ folder: DataFolder) throws -> FolderLock {
        do { return try folder.lock() } catch let error as MeshError where error.code == .conflict {
            throw CommandFailure(
                "a daemon runs on \(folder.path)", hint: "stop it first: its files change while they are read")
        }
    }
}

struct VerifyDataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read everything and check every checksum, chain and promise.",
        discussion: """
            Ends with 1 if something is damaged or lost. What the next start mends by itself is a note, and alone ends with \
            0.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let report = try self.data.inspect { $0.verify() }
        try self.output.show(report) { printLine(DataText.verification(report, color: Terminal.hasColor)) }
        guard report.count(.damage) + report.count(.loss) == 0 else { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}

struct DumpDataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "List the groups whose replicas lie there, or the entries of one group's log.")

    private static let limitMax = 100_000

    @OptionGroup var data: DataOptions
    @Option(help: ArgumentHelp("List the entries of this group's log.", valueName: "NUMBER")) var group: UInt32?
    @Option(help: ArgumentHelp("The first entry, for --group.", valueName: "INDEX")) var from: UInt64 = 0
    @Option(help: ArgumentHelp("At most so many entries, for --group.", valueName: "COUNT")) var limit = 1_000
    @Flag(help: "The entries' payloads too, in hexadecimal.") var payload = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard 1...Self.limitMax ~= self.limit else {
            throw ValidationError("--limit \(self.limit) is not between 1 and \(Self.limitMax)")
        }
        guard self.group != .max else { throw ValidationError("--group \(UInt32.max) is no group") }
        guard self.group != nil || (self.from == 0 && !self.payload) else {
            throw ValidationError("--from and --payload are about the entries of one group: name it with --group")
        }
    }

    func run() throws {
        guard let group = self.group else {
            let report = try self.data.inspect { $0.groups() }
            return try self.output.show(report) { printLine(DataText.groups(report, width: Terminal.width)) }
        }
        let entries = try self.data.inspect { data in
            guard try data.holds(GroupID(group)) else {
                throw CommandFailure(
                    "there is no group \(group)", hint: "list those that are there with 'meshnode data dump'",
                    status: .notFound)
            }
            return try data.entries(of: GroupID(group), from: self.from, limit: self.limit, withPayload: self.payload)
        }
        try self.output.show(["entries": entries]) { printLine(DataText.entries(entries)) }
    }
}
