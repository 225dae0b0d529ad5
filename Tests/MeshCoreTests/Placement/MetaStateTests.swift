import MeshCore
import Testing

private func node(_ number: Int) -> NodeID { NodeID(high: UInt64(number), low: 1) }

private func member(_ number: Int, supports: UInt16 = 1) -> AdmittedMember {
    AdmittedMember(
        id: node(number), name: "n\(number)", endpoint: Endpoint(high: 0, low: UInt64(number), port: 7946),
        supports: supports)
}

private func definition(_ name: String, command: String = "true") -> ActorDefinition {
    guard let path = try? PathPattern("/d/\(name)/{key}") else { preconditionFailure("\(name) is no path") }
    return ActorDefinition(name: name, path: path, handler: .exec(.init(command: [command])), source: "")
}

/// A disk for one group.
private struct Disk: Equatable {
    var values: [[UInt8]: [UInt8]] = [:]

    mutating func write(_ batch: StateBatch) {
        for change in batch.changes {
            switch change {
            case .put(let key, let value): self.values[key] = value
            case .delete(let key): self.values[key] = nil
            case .deletePrefix(let prefix): self.values = self.values.filter { !$0.key.starts(with: prefix) }
            }
        }
    }

    func state() throws -> MetaState {
        var state = MetaState()
        for prefix in MetaState.resident {
            let keys = self.values.keys.filter { $0.starts(with: prefix) }
            for key in keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) { try state.learn(key, self.values[key]) }
        }
        return state
    }
}

private func entry(_ index: LogIndex, _ commands: [MetaCommand]) -> LogEntry {
    LogEntry(index: index, term: 1, kind: .command, payload: MetaEntry(at: 1000 + index, commands).encoded())
}

/// One replica: what it applied lies on its disk.
private struct Replica {
    var state = MetaState()
    var disk = Disk()
    var index: LogIndex = 0

    init(_ commands: MetaCommand...) { for command in commands { _ = self(command) } }

    @discardableResult
    mutating func callAsFunction(_ command: MetaCommand) -> MetaOutcome {
        self.index += 1
        return self.apply([entry(self.index, [command])])[0][0]
    }

    mutating func apply(_ entries: [LogEntry]) -> [[MetaOutcome]] {
        var batch = StateBatch()
        defer { self.disk.write(batch) }
        return self.state.apply(entries, into: &batch)
    }
}

extension MetaOutcome {
    fileprivate var refusal: MeshError.Code? { if case .refused(let error) = self { error.code } else { nil } }
}

@Suite struct MetaStateTests {
    @Test("the first entry says how many partitions there are, for ever, and puts all on the first member")
    func founding() {
        var replica = Replica()
        #expect(replica(.admit(member(1))).refusal == .unavailable)
        #expect(replica(.found(partitions: 8, member(1))) == .done)
        #expect(replica(.found(partitions: 16, member(2))).refusal == .conflict)
        #expect(replica.state.placement == Array(repeating: PlacedPartition(replicas: [node(1)]), count: 8))
        #expect(replica.state.members.map(\.id) == [node(1)])
    }

    @Test("members are admitted once, told anew, and never let in again after an eviction") func members() {
        var replica = Replica(.found(partitions: 1, member(5)))
        #expect(replica(.admit(member(2))) == .done && replica(.admit(member(2))) == .unchanged)
        let version = replica.state.version
        var moved = member(2)
        moved.name = "other"
        moved.since = 99
        #expect(replica(.admit(moved)) == .done && replica.state.member(node(2))?.name == "other")
        #expect(replica.state.version == version, "where a member is does not matter to a plan")
        #expect(replica.state.member(node(2))?.since == 1002)
        #expect(replica.state.members.map(\.id) == [node(2), node(5)])
        #expect(replica(.evict(node(2), reason: "burnt")) == .done && replica.state.version > version)
        #expect(replica(.admit(member(2))).refusal == .conflict)
        #expect(replica(.drain(node(2), reason: "")).refusal == .conflict)
        #expect(replica(.evict(node(5), reason: "")).refusal == .conflict, "the last one")
        #expect(replica(.evict(node(9), reason: "")).refusal == .notFound)
    }

    @Test("a drain is kept with its reason, and can be cancelled") func draining() {
        var replica = Replica(.found(partitions: 1, member(1)))
        #expect(replica(.drain(node(1), reason: "new disk")) == .done)
        #expect(replica(.drain(node(1), reason: "new disk")) == .unchanged)
        #expect(replica.state.member(node(1))?.standing == .draining(reason: "new disk"))
        _ = replica(.admit(member(1)))
        #expect(replica.state.member(node(1))?.isDraining == true, "its own word does not end it")
        #expect(replica(.cancelDrain(node(1))) == .done)
        #expect(replica.state.member(node(1))?.standing == .active)
        #expect(replica.state.events.map(\.kind) == [.founded, .admitted, .draining, .drainCancelled])
    }

    @Test("a member that leaves is one still, gives everything away, and is active when it is back") func leaving() {
        var replica = Replica(.found(partitions: 1, member(1)), .admit(member(2)), .drain(node(2), reason: "disk"))
        let version = replica.state.version
        #expect(replica(.leave(node(2))) == .done && replica.state.version > version)
        #expect(replica(.leave(node(2))) == .unchanged)
        #expect(replica(.leave(node(7))).refusal == .notFound)
        _ = replica(.admit(member(2)))
        #expect(replica.state.member(node(2))?.standing == .leaving, "its own word does not end it")
        #expect(replica.state.member(node(2))?.isDraining == true && replica.state.events.last?.kind == .leaving)
        let view = replica.state.placementView(at: Instant(nanoseconds: 0)) { _ in
            ("", PlacementView.Member.weightDefault, .suspect)
        } group: { _ in
            nil
        }
        #expect(view.members.map(\.isLeaving) == [false, true])
        #expect(replica(.cancelDrain(node(2))) == .done)
        #expect(replica.state.member(node(2))?.standing == .active)
    }

    @Test("a placement is stored as it was planned, unless the state it was planned on is no longer") func placing() {
        var replica = Replica(.found(partitions: 4, member(1)), .admit(member(2)))
        let change = PlacementChange(partition: Partition(index: 3), replicas: [node(2), node(1)], reason: .missing)
        let planned = replica.state.version
        #expect(replica(.place([change], expects: planned)) == .done)
        #expect(replica.state.placement[3].replicas == [node(1), node(2)])
        #expect(
            replica.state.placement[3].moves
                == [.init(at: 1003, reason: .missing, from: [node(1)], to: [node(1), node(2)])])
        #expect(replica(.place([change], expects: planned)) == .stale)
        let nobody = PlacementChange(partition: Partition(index: 0), replicas: [node(7)], reason: .dead)
        #expect(replica(.place([change, nobody], expects: replica.state.version)).refusal == .invalidArgument)
        let nowhere = PlacementChange(partition: Partition(index: 4), replicas: [node(1)], reason: .dead)
        #expect(replica(.place([nowhere], expects: replica.state.version)).refusal == .invalidArgument)
        for _ in 0..<20 { _ = replica(.place([change], expects: replica.state.version)) }
        #expect(replica.state.placement[3].moves.count == PlacedPartition.movesMax)
    }

    @Test("definitions keep their versions, whoever applied them before") func definitions() throws {
        var replica = Replica(.found(partitions: 1, member(1)))
        let old = AppliedDefinition(name: "a", version: 7, origin: node(9), definition: definition("a"))
        #expect(replica(.adopt([old])) == .done && replica(.adopt([old])) == .unchanged)
        guard
            case .defined(let results) = replica(
                .define([definition("a", command: "b"), definition("c")], origin: node(1)))
        else {
            Issue.record("not defined")
            return
        }
        #expect(results.map(\.change) == [.updated, .created] && results.map(\.applied.version) == [8, 1])
        #expect(replica(.define([definition("x"), definition("x")], origin: node(1))).refusal == .invalidArgument)
        #expect(replica.state.definitions["x"] == nil, "all or none")
        guard case .deleted(let gone) = replica(.delete(definition: "a", origin: node(1))) else {
            Issue.record()
            return
        }
        #expect(gone.version == 9 && replica(.delete(definition: "a", origin: node(1))).refusal == .notFound)
        let recovered = try replica.disk.state()
        #expect(recovered.definitions.entries == replica.state.definitions.entries)
        #expect(recovered.definitions.digest == replica.state.definitions.digest)
    }

    @Test("settings change, and the version of entries only when every member understands it, and never back")
    func versions() {
        var replica = Replica(.found(partitions: 1, member(1, supports: 3)), .admit(member(2, supports: 2)))
        #expect(replica(.setReplicas(5)) == .done && replica(.setReplicas(5)) == .unchanged)
        #expect(replica(.setReplaceAfter(.seconds(60))) == .done)
        #expect(replica.state.settings.replicas == 5 && replica.state.settings.replaceAfter == .seconds(60))
        #expect(replica(.raiseVersion(3)).refusal == .conflict)
        #expect(replica(.raiseVersion(2)) == .done && replica(.raiseVersion(1)) == .unchanged)
        #expect(replica.state.entryVersion == 2)
        #expect(replica(.admit(member(3, supports: 1))).refusal == .conflict)
        _ = replica(.evict(node(2), reason: ""))
        #expect(replica(.raiseVersion(3)) == .done)
    }

    @Test("the history has an end") func history() throws {
        var replica = Replica(.found(partitions: 1, member(1)))
        for _ in 0..<700 {
            _ = replica(.drain(node(1), reason: "a"))
            _ = replica(.cancelDrain(node(1)))
        }
        #expect(replica.state.events.count == MetaEvent.keptMax)
        #expect(replica.disk.values.keys.count { $0.first == 5 } == MetaEvent.keptMax)
        #expect(try replica.disk.state().events == replica.state.events)
    }

    @Test(
        "replicas hold the same bytes whatever the batches were, also after a restart",
        arguments: 0..<30 as Range<UInt64>)
    func batches(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var reference = Replica()
        var entries: [LogEntry] = []
        var outcomes: [[MetaOutcome]] = []
        for index in 1...LogIndex(80) {
            let commands = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                draw(index, reference.state, &random)
            }
            for command in commands { try command.validate() }
            let kind: LogEntry.Kind = commands.isEmpty ? .noop : .command
            let next =
                kind == .command ? entry(index, commands) : LogEntry(index: index, term: 1, kind: .noop, payload: [])
            if kind == .command { #expect(try MetaEntry(decoding: next.payload).commands == commands) }
            entries.append(next)
            outcomes += reference.apply([next])
        }
        for _ in 0..<4 {
            var other = Replica()
            var rest = entries[...]
            var seen: [[MetaOutcome]] = []
            while !rest.isEmpty {
                if Int.random(in: 0..<4, using: &random) == 0 { other.state = try other.disk.state() }
                let count = Int.random(in: 1...20, using: &random)
                seen += other.apply(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            #expect(other.disk == reference.disk, "seed \(seed)")
            #expect(seen == outcomes, "seed \(seed)")
        }
    }

    @Test(
        "an entry that is cut, changed or of another version is refused or means something, and never traps",
        arguments: 0..<20 as Range<UInt64>)
    func hostileEntries(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let state = Replica(.found(partitions: 4, member(1))).state
        for index in 1...LogIndex(20) {
            var bytes = MetaEntry(at: 1, [draw(index, state, &random), draw(index, state, &random)]).encoded()
            for count in 0..<bytes.count where Int.random(in: 0..<8, using: &random) == 0 {
                #expect(throws: WireError.self) { try MetaEntry(decoding: Array(bytes.prefix(count))) }
            }
            for _ in 0..<20 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                guard let read = try? MetaEntry(decoding: bytes) else { continue }
                #expect(try MetaEntry(decoding: read.encoded()) == read)
            }
        }
        #expect(throws: WireError(.unsupportedVersion, at: 0)) { try MetaEntry(decoding: [2, 0, 0]) }
    }

    @Test("what no entry can hold is refused before it is proposed") func limits() {
        let long = String(repeating: "x", count: 256)
        for command: MetaCommand in [
            .found(partitions: 0, member(1)), .found(partitions: 65_536, member(1)), .evict(node(1), reason: long),
            .drain(node(1), reason: long), .setReplicas(2), .setReplaceAfter(.zero),
            .delete(definition: "A", origin: node(1)),
            .place([PlacementChange(partition: Partition(index: 0), replicas: [], reason: .dead)], expects: 0),
            .define((0..<257).map { definition("a\($0)") }, origin: node(1)),
        ] { #expect(throws: MeshError.self) { try command.validate() } }
    }

    @Test("a mesh that founds itself, admits two and plans ends with three replicas of everything") func planned() {
        var replica = Replica(.found(partitions: 16, member(1)), .admit(member(2)), .admit(member(3)))
        let planner = PlacementPlanner(Placement(cluster: ClusterID(high: 1, low: 1), partitions: 16))
        var groups = (0..<16).map { index in
            PlacementView.Group(
                partition: Partition(index: UInt16(index)),
                replicas: ReplicaSet(voters: [ReplicaID(node: node(1), addedAt: 0)]),
                leader: ReplicaID(node: node(1), addedAt: 0))
        }
        for round in 1...20 {
            let view = replica.state.placementView(
                at: Instant(nanoseconds: 1 << 40),
                member: { _ in (zone: "", weight: 100, health: .alive(since: Instant(nanoseconds: 0))) },
                group: { groups[Int($0.index)] })
            let plan = planner.plan(view)
            if !plan.changes.isEmpty { #expect(replica(.place(plan.changes, expects: replica.state.version)) == .done) }
            for step in plan.steps {
                let place = Int(step.partition.index)
                switch step.action {
                case .transfer(let heir): groups[place].leader = heir
                case .change(let change):
                    guard let next = groups[place].replicas.applying(change, at: LogIndex(round)) else { continue }
                    groups[place].replicas = next
                    groups[place].caughtUp = next.learners
                }
            }
        }
        #expect(replica.state.placement.allSatisfy { $0.replicas == [node(1), node(2), node(3)] })
        #expect(groups.allSatisfy { $0.replicas.voters.map(\.node) == [node(1), node(2), node(3)] })
    }
}

private func draw(_ index: LogIndex, _ state: MetaState, _ random: inout RandomSource) -> MetaCommand {
    func pick() -> Int { Int.random(in: 1...6, using: &random) }
    if index < 3 { return .found(partitions: 8, member(1)) }
    switch Int.random(in: 0..<14, using: &random) {
    case 0, 1: return .admit(member(pick(), supports: UInt16.random(in: 1...3, using: &random)))
    case 2: return .evict(node(pick()), reason: "gone")
    case 3: return .drain(node(pick()), reason: "disk")
    case 4: return Bool.random(using: &random) ? .cancelDrain(node(pick())) : .leave(node(pick()))
    case 5, 6, 7:
        let partitions = Set(
            (0..<Int.random(in: 0...4, using: &random)).map { _ in UInt16.random(in: 0...8, using: &random) })
        let changes = partitions.sorted().map { partition in
            PlacementChange(
                partition: Partition(index: partition), replicas: Array(Set([node(pick()), node(pick())])),
                reason: .balance)
        }
        return .place(changes, expects: Bool.random(using: &random) ? state.version : index)
    case 8: return .define([definition("d\(pick())", command: "c\(pick())")], origin: node(1))
    case 9: return .delete(definition: "d\(pick())", origin: node(2))
    case 10:
        let applied = AppliedDefinition(
            name: "d\(pick())", version: UInt64(pick()), origin: node(pick()), definition: nil)
        return .adopt([applied])
    case 11: return .setReplicas([1, 3, 5][Int.random(in: 0..<3, using: &random)])
    case 12: return .setReplaceAfter(.seconds(pick()))
    default: return .raiseVersion(UInt16(pick()))
    }
}
