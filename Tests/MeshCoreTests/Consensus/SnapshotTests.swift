import MeshCore
import Testing

@Suite("A snapshot")
struct SnapshotTests {
    private let position = LogPosition(index: 50, term: 1)

    private func chunk(
        _ offset: UInt64, _ bytes: [UInt8], isLast: Bool = false, in group: TestGroup
    ) -> RaftMessage.Body {
        .snapshotChunk(
            SnapshotChunk(
                position: self.position, replicas: .init(index: 7, replicas: group.rafts[0].replicas), offset: offset,
                isLast: isLast, stamp: group.now, bytes: bytes))
    }

    private func next(_ group: TestGroup) -> [UInt64] {
        group.sent(1).compactMap {
            guard case .snapshotResponse(let response) = $0.body else { return nil }
            return response.isInstalled ? .max : response.next
        }
    }

    private func effects(_ group: TestGroup) -> [SnapshotEffect] {
        group.log[1].compactMap { if case .snapshot(let effect) = $0 { effect } else { nil } }
    }

    /// Three replicas, of which the second holds three entries of the first, one of them committed, and has the beginning
    /// of a snapshot.
    private func receiving() -> TestGroup {
        var group = TestGroup(3)
        let entries = [entry(1, 1), entry(2, 1), entry(3, 1)]
        group.step(1, .received(group.message(group.append(after: .zero, entries, commit: 1), from: 0, to: 1, term: 1)))
        group.step(1, .received(group.message(self.chunk(0, [1, 2, 3], in: group), from: 0, to: 1, term: 1)))
        group.clear()
        return group
    }

    @Test("is taken chunk by chunk in order, and takes the place of log and state once it is whole and durable")
    func install() {
        var group = TestGroup(3)
        func tell(_ body: RaftMessage.Body) { group.step(1, .received(group.message(body, from: 0, to: 1, term: 1))) }
        tell(self.chunk(3, [4], in: group))
        #expect(!group.rafts[1].isInstalling, "nothing begins in the middle")
        tell(self.chunk(0, [1, 2, 3], in: group))
        #expect(group.rafts[1].isInstalling)
        tell(self.chunk(0, [1, 2, 3], in: group))
        tell(self.chunk(5, [9], in: group))
        #expect(!group.rafts[1].isReplacing)
        tell(self.chunk(3, [4, 5], isLast: true, in: group))
        #expect(self.next(group) == [0, 3, 3, 3, 5])
        #expect(
            self.effects(group) == [
                .begin(self.position), .chunk(self.position, offset: 0, bytes: [1, 2, 3]),
                .chunk(self.position, offset: 3, bytes: [4, 5]),
                .finish(self.position, .init(index: 7, replicas: group.rafts[0].replicas)),
            ])
        #expect(group.rafts[1].isReplacing)
        #expect(group.rafts[1].log.last == .zero)
        group.clear()
        tell(self.chunk(5, [], isLast: true, in: group))
        #expect(self.next(group) == [5], "what was sent again changes nothing")
        group.clear()
        group.step(1, .snapshot(.installed(self.position)))
        #expect(!group.rafts[1].isInstalling)
        #expect(group.rafts[1].log.last == self.position)
        #expect(group.rafts[1].applied == 50)
        #expect(group.rafts[1].history.latest.index == 7)
        #expect(self.next(group) == [.max])
    }

    @Test("is begun anew in another term, also by the same sender, and never resumed", arguments: [0, 2])
    func otherReign(sender: Int) {
        var group = TestGroup(3)
        group.step(1, .received(group.message(self.chunk(0, [1, 2, 3], in: group), from: 0, to: 1, term: 1)))
        group.clear()
        group.step(1, .received(group.message(self.chunk(3, [4], in: group), from: sender, to: 1, term: 2)))
        group.step(1, .received(group.message(self.chunk(0, [1], in: group), from: sender, to: 1, term: 2)))
        #expect(self.next(group) == [0, 1])
        #expect(self.effects(group).first == .begin(self.position))
    }

    @Test("that has to be opened again goes on with what its receiver holds")
    func openedAgain() {
        var settings = RaftSettings()
        settings.dropEntriesMin = 4
        settings.logBytesMax = 100
        var group = TestGroup(3, settings: settings)
        group.elect(0)
        group.cut = [2]
        group.propose(0, 40)
        group.run(for: .milliseconds(300))
        group.cut = []
        group.run(for: .milliseconds(400))
        let receiver = TestGroup.id(2)
        let position = LogPosition(index: group.rafts[0].applied, term: group.rafts[0].term)
        func read(_ offset: UInt64, isLast: Bool) {
            group.step(0, .snapshot(.chunkRead(to: receiver, position, offset: offset, bytes: [1, 2], isLast: isLast)))
        }
        group.step(0, .snapshot(.opened(to: receiver, position)))
        read(0, isLast: false)
        read(2, isLast: false)
        group.settle()
        group.step(0, .snapshot(.failed(to: receiver)))
        group.step(0, .snapshot(.opened(to: receiver, position)))
        group.clear()
        read(0, isLast: false)
        group.settle()
        #expect(group.refused(0).isEmpty)
        read(4, isLast: true)
        group.settle()
        #expect(group.rafts[2].isReplacing)
    }

    @Test("while it is received the replica appends, applies and votes by its old log as ever")
    func beside() {
        var group = self.receiving()
        let append = group.append(after: LogPosition(index: 3, term: 1), [entry(4, 1)], commit: 4)
        group.step(1, .received(group.message(append, from: 0, to: 1, term: 1)))
        #expect(group.sent(1).map(\.outcome) == [.matched(4)])
        #expect(group.rafts[1].applied == 4)
        #expect(self.effects(group).isEmpty)
        group.pass(.seconds(1))
        for (last, granted) in [(LogPosition(index: 3, term: 1), false), (LogPosition(index: 4, term: 1), true)] {
            group.clear()
            let request = group.voteRequest(term: last.index + 6, last: last)
            group.step(1, .received(group.message(request, from: 2, to: 1, term: last.index + 6)))
            #expect(group.sent(1).map(\.granted) == [granted])
        }
        #expect(group.rafts[1].isInstalling)
    }

    @Test("while it is received the replica can win an election, and its log makes the snapshot needless")
    func leads() {
        var group = self.receiving()
        for other in [0, 2] {
            let entries = [entry(1, 1), entry(2, 1), entry(3, 1)]
            let append = group.append(after: .zero, entries, commit: 1)
            group.step(other, .received(group.message(append, from: 2 - other, to: other, term: 1)))
        }
        group.elect(1)
        #expect(group.leaders == [1])
        group.propose(1, 60)
        group.run(for: .milliseconds(300))
        #expect(group.rafts[1].commit > self.position.index)
        #expect(self.effects(group) == [.discard])
        #expect(!group.rafts[1].isInstalling)
    }

    @Test("is discarded when the log gets there first", arguments: [1, 2] as [Term])
    func overtaken(term: Term) {
        var group = self.receiving()
        // Entries of another term than the snapshot's are told apart by the commit index alone.
        let entries = (4...50).map { entry(LogIndex($0), term) }
        let append = group.append(after: LogPosition(index: 3, term: 1), entries, commit: term == 1 ? 3 : 50)
        group.step(1, .received(group.message(append, from: 0, to: 1, term: term)))
        if term == 1 {
            #expect(self.effects(group).isEmpty)
            group.step(1, .received(group.message(self.chunk(3, [4], in: group), from: 0, to: 1, term: 1)))
            #expect(self.next(group) == [.max])
        }
        #expect(self.effects(group) == [.discard])
        #expect(!group.rafts[1].isInstalling)
        #expect(group.rafts[1].commit == 50)
    }

    @Test("once it is whole nothing is added to log or state, and votes go on")
    func replacing() {
        var group = self.receiving()
        func tell(_ body: RaftMessage.Body, from sender: Int = 0, term: Term = 1) {
            group.step(1, .received(group.message(body, from: sender, to: 1, term: term)))
        }
        tell(self.chunk(3, [4], isLast: true, in: group))
        #expect(group.rafts[1].isReplacing)
        group.clear()
        tell(group.append(after: LogPosition(index: 3, term: 1), [entry(4, 1)], commit: 4))
        #expect(group.log[1].isEmpty)
        #expect(group.rafts[1].commit == 1)
        #expect(group.rafts[1].log.last.index == 3)
        group.pass(.seconds(1))
        tell(group.voteRequest(term: 9, last: LogPosition(index: 99, term: 8)), from: 2, term: 9)
        #expect(group.sent(1).map(\.granted) == [true])
        // Another leader with another snapshot waits for its turn.
        group.clear()
        tell(self.chunk(0, [7], in: group), from: 2, term: 9)
        #expect(self.effects(group).isEmpty && self.next(group).isEmpty)
        group.cut = [0, 2]
        group.run(for: .seconds(3))
        #expect(group.rafts[1].role == .follower)
        group.step(1, .snapshot(.installed(self.position)))
        #expect(group.rafts[1].log.last == self.position)
        #expect(group.rafts[1].vote == TestGroup.id(2))
        group.run(for: .seconds(3))
        #expect(group.rafts[1].role == .preCandidate)
    }

    @Test("that does not add up leaves log and state as they were")
    func refused() {
        var group = self.receiving()
        group.step(1, .received(group.message(self.chunk(3, [4], isLast: true, in: group), from: 0, to: 1, term: 1)))
        group.clear()
        group.step(1, .snapshot(.refused(self.position)))
        #expect(!group.rafts[1].isInstalling)
        let append = group.append(after: LogPosition(index: 3, term: 1), [], commit: 3)
        group.step(1, .received(group.message(append, from: 0, to: 1, term: 1)))
        #expect(group.rafts[1].applied == 3)
    }

    @Test("does not take the place of a state to which something is still applied")
    func applying() {
        var raft = Raft(
            .fresh(
                group: TestGroup.group, incarnation: TestGroup.incarnation, id: TestGroup.id(1),
                replicas: TestGroup(3).rafts[0].replicas, settings: RaftSettings()),
            life: 1, settings: RaftSettings(), seed: 1, at: Instant(nanoseconds: 1))
        let group = TestGroup(3)
        func step(_ input: Raft.Input) -> [Raft.Effect] {
            var effects = Raft.Effects()
            raft.step(input, at: group.now, into: &effects)
            return effects.list
        }
        func finishes(_ effects: [Raft.Effect]) -> Bool {
            effects.contains { if case .snapshot(.finish) = $0 { true } else { false } }
        }
        let append = group.append(after: .zero, [entry(1, 1), entry(2, 1)], commit: 1)
        #expect(!finishes(step(.received(group.message(append, from: 0, to: 1, term: 1)))))
        let whole = self.chunk(0, [1], isLast: true, in: group)
        #expect(!finishes(step(.received(group.message(whole, from: 0, to: 1, term: 1)))))
        #expect(finishes(step(.applied(through: 1))))
    }

    @Test("goes to a follower for which the log is too short, and the log stays while it is sent")
    func send() throws {
        var settings = RaftSettings()
        settings.dropEntriesMin = 4
        settings.logBytesMax = 100
        settings.chunkBytesMax = 2
        var group = TestGroup(3, settings: settings)
        group.elect(0)
        group.cut = [2]
        group.propose(0, 40)
        group.run(for: .milliseconds(300))
        #expect(group.rafts[0].log.base.index > 1)
        group.clear()
        group.cut = []
        group.run(for: .milliseconds(400))
        let receiver = TestGroup.id(2)
        let opened = group.log[0].compactMap { if case .snapshot(let effect) = $0 { effect } else { nil } }
        #expect(opened.first == .open(to: receiver))
        let position = LogPosition(index: group.rafts[0].applied, term: group.rafts[0].term)
        group.step(0, .snapshot(.opened(to: receiver, position)))
        group.step(0, .snapshot(.chunkRead(to: receiver, position, offset: 0, bytes: [1, 2], isLast: false)))
        group.step(0, .snapshot(.chunkRead(to: receiver, position, offset: 2, bytes: [3], isLast: true)))
        let base = group.rafts[0].log.base.index
        group.propose(0, 40)
        group.settle()
        #expect(group.rafts[2].isReplacing)
        group.run(for: .milliseconds(50))
        #expect(group.rafts[0].log.base.index <= position.index)
        #expect(group.rafts[0].log.base.index >= base)
        group.step(2, .snapshot(.installed(position)))
        group.run(for: .milliseconds(500))
        #expect(group.rafts[2].applied == group.rafts[0].applied)
    }

    @Test("begins anew when its receiver restarts in the middle, or cannot use what it got")
    func anew() throws {
        var settings = RaftSettings()
        settings.dropEntriesMin = 4
        settings.logBytesMax = 100
        settings.chunkBytesMax = 2
        var group = TestGroup(3, settings: settings)
        group.elect(0)
        group.cut = [2]
        group.propose(0, 40)
        group.run(for: .milliseconds(300))
        group.clear()
        group.cut = []
        let stream: [UInt8] = Array(1...20)
        var received: [UInt8] = []
        var events: [String] = []
        for _ in 0..<400 where events.last != "installed" {
            group.run(for: .milliseconds(20))
            let asked = group.log
            group.clear()
            for case .snapshot(let effect) in asked[0] { Self.serve(effect, stream, in: &group) }
            for case .snapshot(let effect) in asked[2] {
                switch effect {
                case .begin: received = []
                case .chunk(_, let offset, let bytes):
                    #expect(offset == UInt64(received.count))
                    received += bytes
                case .finish(let position, _):
                    #expect(received == stream)
                    let isGood = events.contains("refused")
                    group.step(2, .snapshot(isGood ? .installed(position) : .refused(position)))
                    events.append(isGood ? "installed" : "refused")
                default: break
                }
            }
            if events.isEmpty, received.count >= 10 {
                var recovered = RecoveredReplica.fresh(
                    group: TestGroup.group, incarnation: TestGroup.incarnation, id: TestGroup.id(2),
                    replicas: group.rafts[0].replicas, settings: settings)
                let before = group.rafts[2]
                recovered.state = HardState(term: before.term, vote: before.vote)
                (recovered.log, recovered.history, recovered.applied) = (before.log, before.history, before.applied)
                group.rafts[2] = Raft(recovered, life: 2, settings: settings, seed: 5, at: group.now)
                events.append("restarted")
            }
        }
        #expect(events == ["restarted", "refused", "installed"])
        group.run(for: .milliseconds(500))
        #expect(group.rafts[2].applied == group.rafts[0].applied)
    }

    /// What the leader's storage does.
    private static func serve(_ effect: SnapshotEffect, _ stream: [UInt8], in group: inout TestGroup) {
        switch effect {
        case .open(let id):
            let position = LogPosition(index: group.rafts[0].applied, term: group.rafts[0].term)
            group.step(0, .snapshot(.opened(to: id, position)))
        case .readChunk(let id, let position, let offset, let bytesMax):
            let end = min(stream.count, Int(offset) + bytesMax)
            group.step(
                0,
                .snapshot(
                    .chunkRead(
                        to: id, position, offset: offset, bytes: Array(stream[Int(offset)..<end]),
                        isLast: end == stream.count)))
        default: break
        }
    }
}
