/// What group 0, the meta group, replicates: who is a member, where each partition shall be, what is defined and set.
///
/// It stores what was decided and decides nothing: the planner runs on the leader, and its result is an entry like another.
/// It is small, so all of it is in memory, on every replica.
package struct MetaState: ReplicatedState {
    package typealias Outcome = [MetaOutcome]

    package static let resident = MetaRecord.Table.allCases.map { [$0.rawValue] }

    private var mesh = MeshRecord()
    /// Ordered by id; those that were evicted, too.
    package private(set) var members: [AdmittedMember] = []
    /// By partition.
    package private(set) var placement: [PlacedPartition] = []
    /// The last ones, oldest first.
    package private(set) var events: [MetaEvent] = []
    private var table = DefinitionTable()
    /// Read from the disk and not yet in the table, which orders itself anew with each change.
    private var recovered: [AppliedDefinition] = []

    package init() {}

    package var isFounded: Bool { self.mesh.partitions > 0 }
    package var partitions: Int { self.mesh.partitions }
    package var settings: MeshSettings { self.mesh.settings }
    package var entryVersion: UInt16 { self.mesh.entryVersion }
    /// What a plan is made on.
    package var version: LogIndex { self.mesh.version }

    package var definitions: DefinitionTable {
        guard !self.recovered.isEmpty else { return self.table }
        var table = self.table
        table.merge(self.recovered)
        return table
    }

    package func member(_ id: NodeID) -> AdmittedMember? {
        let place = self.place(of: id)
        return place < self.members.count && self.members[place].id == id ? self.members[place] : nil
    }

    // MARK: ReplicatedState

    package func missing(for entries: [LogEntry]) -> [[UInt8]] { [] }
    package mutating func written(through index: LogIndex) {}

    package mutating func learn(_ key: [UInt8], _ value: [UInt8]?) throws(WireError) {
        guard let value else { return }
        guard let table = key.first.flatMap(MetaRecord.Table.init) else { throw WireError(.unknownKind, at: 0) }
        var reader = WireReader(value.raw)
        switch table {
        case .mesh: self.mesh = try reader.meshRecord()
        case .member: self.members.append(try reader.admittedMember())
        case .placement: self.placement.append(try reader.placedPartition())
        case .definition: self.recovered.append(try reader.appliedDefinition())
        case .event: self.events.append(try reader.metaEvent())
        }
        try reader.end()
    }

    package mutating func apply(_ entries: [LogEntry], into batch: inout StateBatch) -> [Outcome] {
        if !self.recovered.isEmpty {
            self.table.merge(self.recovered)
            self.recovered = []
        }
        var changes = Changes()
        let outcomes = entries.map { self.apply($0, &changes) }
        self.write(changes, into: &batch)
        return outcomes
    }

    private mutating func apply(_ entry: LogEntry, _ changes: inout Changes) -> Outcome {
        guard entry.kind == .command else { return [] }
        let decoded: MetaEntry
        do { decoded = try MetaEntry(decoding: entry.payload) } catch {
            // To go on without it would be to differ from the replicas that understand it.
            preconditionFailure("the meta group's entry \(entry.position) is committed and cannot be read: \(error)")
        }
        return decoded.commands.map { command in
            do throws(MeshError) {
                return try self.apply(command, at: decoded.at, index: entry.index, &changes)
            } catch {
                return .refused(error)
            }
        }
    }

    // MARK: Commands

    private mutating func apply(
        _ command: MetaCommand, at time: WallMilliseconds, index: LogIndex, _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        if case .found(let partitions, let member) = command {
            return try self.found(partitions, member, at: time, index: index, &changes)
        }
        guard self.isFounded else { throw MeshError(.unavailable, "the mesh is not founded yet") }
        switch command {
        case .found: return .unchanged
        case .admit(let member): return try self.admit(member, at: time, index: index, &changes)
        case .evict(let id, let reason): return try self.evict(id, reason, at: time, index: index, &changes)
        case .drain(let id, let reason):
            return try self.set(.draining(reason: reason), of: id, .draining, reason, at: time, index: index, &changes)
        case .leave(let id):
            return try self.set(.leaving, of: id, .leaving, "", at: time, index: index, &changes)
        case .cancelDrain(let id):
            return try self.set(.active, of: id, .drainCancelled, "", at: time, index: index, &changes)
        case .place(let moves, let expects): return try self.place(moves, expects, at: time, index: index, &changes)
        case .define(let definitions, let origin):
            let results = try self.table.apply(definitions, origin: origin)
            for (applied, change) in results where change != .unchanged {
                changes.definitions.insert(applied.name)
                self.record(.defined, nil, "\(applied.name) \(applied.version)", at: time, &changes)
            }
            return .defined(results.map { MetaOutcome.Defined(applied: $0.applied, change: $0.change) })
        case .delete(let name, let origin):
            let deleted = try self.table.delete(name, origin: origin)
            changes.definitions.insert(name)
            self.record(.deleted, nil, "\(name) \(deleted.version)", at: time, &changes)
            return .deleted(deleted)
        case .adopt(let definitions):
            let names = self.table.merge(definitions)
            changes.definitions.formUnion(names)
            for name in names { self.record(.defined, nil, name, at: time, &changes) }
            return names.isEmpty ? .unchanged : .done
        case .setReplicas(let count):
            return self.set(\.replicas, to: count, "replicas \(count)", at: time, index: index, &changes)
        case .setReplaceAfter(let duration):
            let text = "replace-after \(Quantity(nanoseconds: duration.nanoseconds))"
            return self.set(\.replaceAfter, to: duration, text, at: time, index: index, &changes)
        case .raiseVersion(let version): return try self.raise(to: version, at: time, &changes)
        }
    }

    private mutating func found(
        _ partitions: Int, _ member: AdmittedMember, at time: WallMilliseconds, index: LogIndex,
        _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard !self.isFounded else {
            throw MeshError(.conflict, "the mesh is founded already, with \(self.partitions) partitions")
        }
        self.mesh.partitions = partitions
        self.placement = Array(repeating: PlacedPartition(replicas: [member.id]), count: partitions)
        changes.partitions = Set(0..<partitions)
        self.record(.founded, member.id, "\(partitions) partitions", at: time, &changes)
        return try self.admit(member, at: time, index: index, &changes)
    }

    private mutating func admit(
        _ member: AdmittedMember, at time: WallMilliseconds, index: LogIndex, _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard member.supports >= self.entryVersion else {
            throw MeshError(
                .conflict,
                "\(member.name) understands log entries up to version \(member.supports), and the mesh writes "
                    + "version \(self.entryVersion)", hint: "install a newer meshnode there")
        }
        guard let known = self.member(member.id) else {
            guard self.members.count < AdmittedMember.countMax else {
                throw MeshError(
                    .overloaded, "the mesh remembers \(AdmittedMember.countMax) members, and that is the most")
            }
            var admitted = member
            (admitted.standing, admitted.since) = (.active, time)
            self.members.insert(admitted, at: self.place(of: member.id))
            changes.members.insert(member.id)
            self.mesh.version = index
            self.record(.admitted, member.id, member.name, at: time, &changes)
            return .done
        }
        if case .evicted(let reason) = known.standing {
            throw MeshError(
                .conflict, "\(known.name) was evicted: \(reason)",
                hint: "remove its data folder, so that it comes back as another node")
        }
        var told = member
        (told.standing, told.since) = (known.standing, known.since)
        guard told != known else { return .unchanged }
        self.members[self.place(of: member.id)] = told
        changes.members.insert(member.id)
        return .done
    }

    private mutating func evict(
        _ id: NodeID, _ reason: String, at time: WallMilliseconds, index: LogIndex, _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard self.members.contains(where: { $0.id != id && !$0.isEvicted }) else {
            throw MeshError(.conflict, "\(id.short) is the last member", hint: "admit another one first")
        }
        return try self.set(.evicted(reason: reason), of: id, .evicted, reason, at: time, index: index, &changes)
    }

    private mutating func set(
        _ standing: AdmittedMember.Standing, of id: NodeID, _ event: MetaEvent.Kind, _ text: String,
        at time: WallMilliseconds, index: LogIndex, _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard let known = self.member(id) else { throw MeshError(.notFound, "\(id) is not a member") }
        guard known.standing != standing else { return .unchanged }
        guard !known.isEvicted else { throw MeshError(.conflict, "\(known.name) was evicted") }
        let place = self.place(of: id)
        self.members[place].standing = standing
        self.members[place].since = time
        changes.members.insert(id)
        self.mesh.version = index
        self.record(event, id, text, at: time, &changes)
        return .done
    }

    private mutating func place(
        _ moves: [PlacementChange], _ expects: LogIndex, at time: WallMilliseconds, index: LogIndex,
        _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard expects == self.version else { return .stale }
        for move in moves {
            let isSound = move.replicas.allSatisfy { self.member($0).map { !$0.isEvicted } ?? false }
            guard Int(move.partition.index) < self.partitions, isSound else {
                throw MeshError(
                    .invalidArgument, "partition \(move.partition.index) cannot be placed on \(move.replicas)")
            }
        }
        for move in moves {
            self.placement[Int(move.partition.index)].move(to: move.replicas, move.reason, at: time)
            changes.partitions.insert(Int(move.partition.index))
            self.mesh.version = index
        }
        changes.mesh = changes.mesh || !moves.isEmpty
        return moves.isEmpty ? .unchanged : .done
    }

    private mutating func set<Value: Equatable>(
        _ setting: WritableKeyPath<MeshSettings, Value>, to value: Value, _ text: String,
        at time: WallMilliseconds, index: LogIndex, _ changes: inout Changes
    ) -> MetaOutcome {
        guard self.mesh.settings[keyPath: setting] != value else { return .unchanged }
        self.mesh.settings[keyPath: setting] = value
        self.mesh.version = index
        self.record(.set, nil, text, at: time, &changes)
        return .done
    }

    /// Only when every member understands it, the dead included: one that comes back must be able to read the log.
    private mutating func raise(
        to version: UInt16, at time: WallMilliseconds, _ changes: inout Changes
    ) throws(MeshError) -> MetaOutcome {
        guard version > self.entryVersion else { return .unchanged }
        if let old = self.members.first(where: { !$0.isEvicted && $0.supports < version }) {
            throw MeshError(
                .conflict, "\(old.name) understands log entries up to version \(old.supports)",
                hint: "upgrade or evict it first")
        }
        self.mesh.entryVersion = version
        self.record(.versionRaised, nil, "\(version)", at: time, &changes)
        return .done
    }

    // MARK: Keeping

    /// What a batch of entries touched; written once, as it is in the end.
    private struct Changes {
        var mesh = false
        var members: Set<NodeID> = []
        var partitions: Set<Int> = []
        var definitions: Set<String> = []
        var firstEvent: UInt64?
    }

    private mutating func record(
        _ kind: MetaEvent.Kind, _ node: NodeID?, _ text: String, at time: WallMilliseconds, _ changes: inout Changes
    ) {
        if self.events.count == MetaEvent.keptMax { self.events.removeFirst() }
        self.events.append(MetaEvent(at: time, kind: kind, node: node, text: text))
        changes.firstEvent = changes.firstEvent ?? self.mesh.events
        self.mesh.events += 1
        changes.mesh = true
    }

    /// Sets are written in order, so that equal states are equal bytes whatever the batches were.
    private func write(_ changes: Changes, into batch: inout StateBatch) {
        func put(_ key: [UInt8], _ write: (inout WireWriter) -> Void) {
            var writer = WireWriter()
            write(&writer)
            batch.put(key, writer.bytes)
        }
        for id in changes.members.sorted() {
            if let member = self.member(id) { put(MetaRecord.key(member: id)) { $0.write(member) } }
        }
        for partition in changes.partitions.sorted() {
            let key = MetaRecord.key(partition: Partition(index: UInt16(partition)))
            put(key) { $0.write(self.placement[partition]) }
        }
        for name in changes.definitions.sorted() {
            if let applied = self.table[name] { put(MetaRecord.key(definition: name)) { $0.write(applied) } }
        }
        if let first = changes.firstEvent {
            let kept = self.mesh.events - UInt64(self.events.count)
            for number in first..<self.mesh.events {
                if number >= kept { put(MetaRecord.key(event: number)) { $0.write(self.events[Int(number - kept)]) } }
                let old = number.subtractingReportingOverflow(UInt64(MetaEvent.keptMax))
                if !old.overflow, old.partialValue < kept { batch.delete(MetaRecord.key(event: old.partialValue)) }
            }
        }
        if changes.mesh { put(MetaRecord.meshKey) { $0.write(self.mesh) } }
    }

    /// Where a member is or belongs.
    private func place(of id: NodeID) -> Int {
        var (low, high) = (0, self.members.count)
        while low < high {
            let middle = (low + high) / 2
            if self.members[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension MetaState {
    /// What the planner works on, with what only gossip and the partitions' leaders know.
    package func placementView(
        at now: Instant, member: (AdmittedMember) -> (zone: String, weight: Int, health: PlacementView.Member.Health),
        group: (Partition) -> PlacementView.Group?
    ) -> PlacementView {
        let members = self.members.filter { !$0.isEvicted }.map { admitted in
            let live = member(admitted)
            return PlacementView.Member(
                id: admitted.id, zone: live.zone, weight: live.weight, health: live.health,
                isDraining: admitted.isDraining, isLeaving: admitted.isLeaving)
        }
        let groups = self.placement.enumerated().map { index, placed in
            let partition = Partition(index: UInt16(index))
            var known = group(partition) ?? PlacementView.Group(partition: partition)
            known.desired = placed.replicas
            return known
        }
        return PlacementView(
            members: members, groups: groups, replicasWanted: self.settings.replicas,
            replaceAfter: self.settings.replaceAfter, now: now)
    }
}
