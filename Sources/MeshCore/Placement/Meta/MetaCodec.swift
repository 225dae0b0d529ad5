// An entry: version (1), the proposer's clock, the number of commands, and each command behind its kind.

extension MetaEntry {
    private static let version: UInt8 = 1

    /// The commands are valid: each came from a reader of people's input, or is a plan.
    package func encoded() -> [UInt8] {
        precondition(self.commands.count <= Self.commandsMax, "\(self.commands.count) commands in one entry")
        var writer = WireWriter()
        writer.write(Self.version)
        writer.write(self.at)
        writer.write(UInt8(self.commands.count))
        for command in self.commands { writer.write(command) }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.raw)
        guard try reader.read(UInt8.self) == Self.version else { throw WireError(.unsupportedVersion, at: 0) }
        self.at = try reader.read()
        self.commands = []
        for _ in 0..<(try reader.read(UInt8.self)) { self.commands.append(try reader.metaCommand()) }
        try reader.end()
    }
}

extension WireWriter {
    fileprivate mutating func write(_ command: MetaCommand) {
        switch command {
        case .found(let partitions, let member):
            self.write(1 as UInt8)
            self.write(UInt16(partitions))
            self.write(member)
        case .admit(let member):
            self.write(2 as UInt8)
            self.write(member)
        case .evict(let node, let reason):
            self.write(3 as UInt8)
            self.write(node)
            self.write(shortText: reason)
        case .drain(let node, let reason):
            self.write(4 as UInt8)
            self.write(node)
            self.write(shortText: reason)
        case .cancelDrain(let node):
            self.write(5 as UInt8)
            self.write(node)
        case .place(let changes, let expects):
            self.write(6 as UInt8)
            self.write(expects)
            self.write(UInt16(changes.count))
            for change in changes {
                self.write(change.partition.index)
                self.write(change.reason.rawValue)
                self.write(nodes: change.replicas)
            }
        case .define(let definitions, let origin):
            self.write(7 as UInt8)
            self.write(origin)
            self.write(UInt16(definitions.count))
            for definition in definitions {
                // Which version it becomes is decided when it is applied.
                self.write(AppliedDefinition(name: definition.name, version: 1, origin: origin, definition: definition))
            }
        case .delete(let name, let origin):
            self.write(8 as UInt8)
            self.write(origin)
            self.write(shortText: name)
        case .adopt(let definitions):
            self.write(9 as UInt8)
            self.write(UInt16(definitions.count))
            for definition in definitions { self.write(definition) }
        case .setReplicas(let count):
            self.write(10 as UInt8)
            self.write(UInt8(count))
        case .setReplaceAfter(let duration):
            self.write(11 as UInt8)
            self.write(UInt64(duration.milliseconds))
        case .raiseVersion(let version):
            self.write(12 as UInt8)
            self.write(version)
        case .leave(let node):
            self.write(13 as UInt8)
            self.write(node)
        }
    }

    mutating func write(_ member: AdmittedMember) {
        self.write(member.id)
        self.write(shortText: member.name)
        self.write(member.endpoint)
        self.write(member.supports)
        self.write(member.since)
        self.write(member.standing)
    }

    package mutating func write(_ standing: AdmittedMember.Standing) {
        switch standing {
        case .active: self.write(0 as UInt8)
        case .draining(let reason):
            self.write(1 as UInt8)
            self.write(shortText: reason)
        case .evicted(let reason):
            self.write(2 as UInt8)
            self.write(shortText: reason)
        case .leaving: self.write(3 as UInt8)
        }
    }

    mutating func write(nodes: [NodeID]) {
        self.write(UInt8(nodes.count))
        for node in nodes { self.write(node) }
    }
}

extension WireReader {
    fileprivate mutating func metaCommand() throws(WireError) -> MetaCommand {
        let place = self.offset
        switch try self.read(UInt8.self) {
        case 1:
            let partitions = Int(try self.read(UInt16.self))
            guard partitions > 0 else { throw WireError(.invalidValue, at: place) }
            return .found(partitions: partitions, try self.admittedMember())
        case 2: return .admit(try self.admittedMember())
        case 3: return .evict(try self.nodeID(), reason: try self.shortText())
        case 4: return .drain(try self.nodeID(), reason: try self.shortText())
        case 5: return .cancelDrain(try self.nodeID())
        case 6:
            let expects = try self.read(LogIndex.self)
            var changes: [PlacementChange] = []
            for _ in 0..<(try self.read(UInt16.self)) { changes.append(try self.placementChange()) }
            return .place(changes, expects: expects)
        case 7:
            let origin = try self.nodeID()
            var definitions: [ActorDefinition] = []
            for applied in try self.appliedDefinitions() {
                guard let definition = applied.definition, applied.version == 1, applied.origin == origin else {
                    throw WireError(.invalidValue, at: place)
                }
                definitions.append(definition)
            }
            return .define(definitions, origin: origin)
        case 8:
            let origin = try self.nodeID()
            let name = try self.shortText()
            guard ActorDefinition.isName(name) else { throw WireError(.invalidValue, at: place) }
            return .delete(definition: name, origin: origin)
        case 9: return .adopt(try self.appliedDefinitions())
        case 10:
            let count = Int(try self.read(UInt8.self))
            guard MeshSettings.replicas.contains(count) else { throw WireError(.invalidValue, at: place) }
            return .setReplicas(count)
        case 11: return .setReplaceAfter(try self.replaceAfter())
        case 12:
            let version = try self.read(UInt16.self)
            guard version > 0 else { throw WireError(.invalidValue, at: place) }
            return .raiseVersion(version)
        case 13: return .leave(try self.nodeID())
        default: throw WireError(.unknownKind, at: place)
        }
    }

    private mutating func placementChange() throws(WireError) -> PlacementChange {
        let partition = Partition(index: try self.read())
        let place = self.offset
        guard let reason = PlacementChange.Reason(rawValue: try self.read()) else {
            throw WireError(.invalidValue, at: place)
        }
        return PlacementChange(partition: partition, replicas: try self.replicaNodes(), reason: reason)
    }

    private mutating func appliedDefinitions() throws(WireError) -> [AppliedDefinition] {
        let place = self.offset
        let count = Int(try self.read(UInt16.self))
        guard count <= MetaCommand.definitionsMax else { throw WireError(.tooLong, at: place) }
        var definitions: [AppliedDefinition] = []
        for _ in 0..<count { definitions.append(try self.appliedDefinition()) }
        return definitions
    }

    mutating func replaceAfter() throws(WireError) -> Duration {
        let place = self.offset
        let duration = Duration.milliseconds(Int64(clamping: min(try self.read(UInt64.self), 1 << 40)))
        guard MeshSettings.replaceAfter.contains(duration) else { throw WireError(.invalidValue, at: place) }
        return duration
    }

    mutating func admittedMember() throws(WireError) -> AdmittedMember {
        var member = AdmittedMember(
            id: try self.nodeID(), name: try self.shortText(), endpoint: try self.endpoint(), supports: try self.read(),
            since: try self.read())
        member.standing = try self.standing()
        return member
    }

    package mutating func standing() throws(WireError) -> AdmittedMember.Standing {
        let place = self.offset
        switch try self.read(UInt8.self) {
        case 0: return .active
        case 1: return .draining(reason: try self.shortText())
        case 2: return .evicted(reason: try self.shortText())
        case 3: return .leaving
        default: throw WireError(.invalidValue, at: place)
        }
    }

    /// One or more, in ascending order and each once: one spelling of each set.
    mutating func replicaNodes() throws(WireError) -> [NodeID] {
        let place = self.offset
        let count = Int(try self.read(UInt8.self))
        guard 1...ReplicaSet.replicasMax ~= count else { throw WireError(.invalidValue, at: place) }
        var nodes: [NodeID] = []
        for _ in 0..<count {
            let node = try self.nodeID()
            guard nodes.last.map({ $0 < node }) ?? true else { throw WireError(.invalidValue, at: place) }
            nodes.append(node)
        }
        return nodes
    }
}
