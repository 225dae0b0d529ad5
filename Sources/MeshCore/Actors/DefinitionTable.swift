/// A definition at a version, or the trace of its deletion.
///
/// Of two with one name the one with the higher (version, origin) holds everywhere, whatever order they arrive in. A
/// deletion is kept, so that a member who was away cannot bring the definition back.
package struct AppliedDefinition: Hashable, Sendable {
    package var name: String
    /// One more than what the origin knew; compared before the origin.
    package var version: UInt64
    /// Where it was applied or deleted.
    package var origin: NodeID
    /// Nil once deleted.
    package var definition: ActorDefinition?

    package init(name: String, version: UInt64, origin: NodeID, definition: ActorDefinition?) {
        self.name = name
        self.version = version
        self.origin = origin
        self.definition = definition
    }

    /// Versions count changes made by people; beyond this, somebody damaged them.
    static let versionMax = UInt64.max / 2

    /// The version of the next change.
    fileprivate func nextVersion() throws(MeshError) -> UInt64 {
        guard self.version < Self.versionMax else {
            throw MeshError(
                .conflict, "the definition \(self.name) has version \(self.version), which leaves no next one",
                hint: "use another name")
        }
        return self.version + 1
    }

    package func supersedes(_ other: AppliedDefinition) -> Bool {
        (self.version, self.origin) > (other.version, other.origin)
    }
}

/// All definitions of the mesh, as one member knows them.
package struct DefinitionTable: Sendable {
    package enum Change: String, Sendable { case created, updated, unchanged, deleted }

    /// Deletions count: a name once used keeps its place.
    package static let countMax = 4096

    /// By name.
    package private(set) var entries: [AppliedDefinition] = []
    /// Equal tables have equal digests.
    package private(set) var digest: UInt64 = 0
    /// Raised by every change; lets others keep what they resolved.
    package private(set) var generation: UInt64 = 0
    /// Live definitions by number of segments, each list in order of precedence.
    private var candidates: [[AppliedDefinition]] = Array(repeating: [], count: ActorPath.segmentsMax + 1)

    package init() { self.index() }

    package subscript(name: String) -> AppliedDefinition? {
        let index = self.index(of: name)
        return index < self.entries.count && self.entries[index].name == name ? self.entries[index] : nil
    }

    /// Who answers at a path: the longest literal prefix wins, then the most literals, then the first name.
    package func resolve(_ path: ActorPath) -> AppliedDefinition? {
        let segments = path.segments
        return self.candidates[segments.count].first { $0.definition?.path.matches(segments) ?? false }
    }

    /// Takes over what others applied; returns the names that changed.
    @discardableResult
    package mutating func merge(_ others: [AppliedDefinition]) -> [String] {
        let changed = others.filter { self.merge($0) }.map(\.name)
        if !changed.isEmpty { self.index() }
        return changed
    }

    /// Applies definitions at `origin`, all or none.
    package mutating func apply(
        _ definitions: [ActorDefinition], origin: NodeID
    ) throws(MeshError) -> [(applied: AppliedDefinition, change: Change)] {
        var names: Set<String> = []
        for definition in definitions {
            try definition.validate()
            guard names.insert(definition.name).inserted else {
                throw MeshError(.invalidArgument, "the definition \(definition.name) stands twice")
            }
        }
        try self.checkPatterns(of: definitions, named: names)
        let fresh = definitions.count { self[$0.name] == nil }
        guard self.entries.count + fresh <= Self.countMax else {
            throw MeshError(.invalidArgument, "the mesh keeps at most \(Self.countMax) names of definitions")
        }
        var results: [(applied: AppliedDefinition, change: Change)] = []
        for definition in definitions {
            let old = self[definition.name]
            if let old, old.definition == definition {
                results.append((old, .unchanged))
                continue
            }
            let applied = AppliedDefinition(
                name: definition.name, version: try old?.nextVersion() ?? 1, origin: origin, definition: definition)
            results.append((applied, old?.definition == nil ? .created : .updated))
        }
        self.merge(results.filter { $0.change != .unchanged }.map(\.applied))
        return results
    }

    /// Two definitions of one pattern would leave to their names which of them answers. Members that apply at the same time
    /// can still bring them together; then the first name answers, everywhere.
    private func checkPatterns(of definitions: [ActorDefinition], named names: Set<String>) throws(MeshError) {
        var owners: [[String?]: String] = [:]
        for case (let name, let definition?) in self.entries.map({ ($0.name, $0.definition) })
        where !names.contains(name) { owners[definition.path.shape] = name }
        for definition in definitions {
            guard let other = owners.updateValue(definition.name, forKey: definition.path.shape) else { continue }
            throw MeshError(
                .conflict,
                "definition \(definition.name): the path \(definition.path) belongs to the definition \(other)",
                hint: "choose another path, or first 'meshnode delete \(other)'")
        }
    }

    package mutating func delete(_ name: String, origin: NodeID) throws(MeshError) -> AppliedDefinition {
        guard let old = self[name], old.definition != nil else {
            throw MeshError(.notFound, "no definition is named \(name)", hint: "`meshnode get` lists them")
        }
        let deleted = AppliedDefinition(name: name, version: try old.nextVersion(), origin: origin, definition: nil)
        self.merge([deleted])
        return deleted
    }

    @discardableResult
    private mutating func merge(_ other: AppliedDefinition) -> Bool {
        let index = self.index(of: other.name)
        if index < self.entries.count, self.entries[index].name == other.name {
            guard other.supersedes(self.entries[index]) else { return false }
            self.entries[index] = other
        } else {
            guard self.entries.count < Self.countMax else { return false }
            self.entries.insert(other, at: index)
        }
        return true
    }

    /// Where `name` is or belongs.
    private func index(of name: String) -> Int {
        var low = 0
        var high = self.entries.count
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func index() {
        self.generation += 1
        var writer = WireWriter()
        for entry in self.entries {
            writer.write(shortText: entry.name)
            writer.write(entry.version)
            writer.write(entry.origin)
        }
        self.digest = sipHash24(writer.bytes, key: (0x6d65_7368_6e6f_6465, 2))
        for segments in self.candidates.indices {
            self.candidates[segments] = self.entries.filter { $0.definition?.path.segments.count == segments }
                .sorted { $0.precedence < $1.precedence }
        }
    }
}

extension AppliedDefinition {
    /// Smaller comes first.
    fileprivate var precedence: (Int, Int, String) {
        guard let path = self.definition?.path else { return (0, 0, self.name) }
        let literals = path.segments.count { if case .literal = $0 { true } else { false } }
        return (-path.literalPrefix, -literals, self.name)
    }
}

extension ActorDefinition {
    package static let nameBytesMax = 63
    package static let sourceBytesMax = 64 << 10
    package static let mailboxLimits = 1...1_000_000
    package static let timeouts: ClosedRange<Duration> = .milliseconds(1) ... .seconds(24 * 3600)
    package static let argumentsMax = 256
    static let argumentBytesMax = 4096

    /// Throws what is wrong with it, apart from its spelling in YAML.
    package func validate() throws(MeshError) {
        func check(_ condition: Bool, _ complaint: @autoclosure () -> String) throws(MeshError) {
            guard condition else { throw MeshError(.invalidArgument, "definition \(self.name): \(complaint())") }
        }
        try check(
            Self.isName(self.name),
            "the name must be 1 to \(Self.nameBytesMax) of a-z, 0-9 and -, not beginning or ending with -")
        try check(self.path.segments.first != .literal("meshnode"), "paths under /meshnode/ are reserved")
        try check(
            Self.mailboxLimits.contains(self.mailboxLimit),
            "the mailbox limit must be \(Self.mailboxLimits.lowerBound) to \(Self.mailboxLimits.upperBound)")
        try check(self.retry?.complaint == nil, self.retry?.complaint ?? "")
        try check(
            self.placement.prefers.count <= ActorPlacement.preferencesMax,
            "more than \(ActorPlacement.preferencesMax) preferences")
        try check(
            self.placement.prefers.allSatisfy { ActorPlacement.Preference.weights.contains($0.weight) },
            "a preference weighs 1 to \(ActorPlacement.Preference.weights.upperBound)")
        try check(self.source.utf8.count <= Self.sourceBytesMax, "longer than \(Self.sourceBytesMax) bytes")
        switch self.handler {
        case .exec(let exec):
            try check(!(exec.command.first ?? "").isEmpty, "the command is empty")
            try check(Self.timeouts.contains(exec.timeout), "the timeout must be 1 ms to 24 h")
            try check(
                exec.command.count <= Self.argumentsMax && exec.environment.count <= Self.argumentsMax,
                "more than \(Self.argumentsMax) arguments or variables")
            let texts =
                exec.command + exec.environment.flatMap { [$0.key, $0.value] } + [exec.directory ?? ""]
            try check(
                texts.allSatisfy { $0.utf8.count <= Self.argumentBytesMax && !$0.utf8.contains(0) },
                "an argument has more than \(Self.argumentBytesMax) bytes or a zero byte")
            // A definition with its source fits in one frame, several times over.
            try check(
                texts.reduce(0) { $0 + $1.utf8.count } <= Self.sourceBytesMax,
                "command and environment have more than \(Self.sourceBytesMax) bytes together")
            try check(
                exec.environment.allSatisfy { !$0.key.isEmpty && !$0.key.contains("=") },
                "the name of a variable is empty or has a =")
        }
    }

    package static func isName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        func isEnd(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = bytes.first, let last = bytes.last, bytes.count <= Self.nameBytesMax else { return false }
        return isEnd(first) && isEnd(last) && bytes.allSatisfy { isEnd($0) || $0 == UInt8(ascii: "-") }
    }
}
