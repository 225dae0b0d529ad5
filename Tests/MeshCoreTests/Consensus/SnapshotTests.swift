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

    @Test("is taken chunk by chunk in order, marked before anything goes, and whole only when it is durable")
    func install() {
        var group = TestGroup(3)
        func tell(_ body: RaftMessage.Body, from sender: Int = 0) {
            group.step(1, .received(group.message(body, from: sender, to: 1, term: sender == 0 ? 1 : 2)))
        }
        tell(self.chunk(3, [4], in: group))
        #expect(!group.rafts[1].isInstalling, "nothing begins in the middle")
        tell(self.chunk(0, [1, 2, 3], in: group))
        #expect(group.rafts[1].isInstalling)
        tell(self.chunk(0, [1, 2, 3], in: group))
        tell(self.chunk(5, [9], in: group))
        tell(self.chunk(3, [4, 5], isLast: true, in: group))
        #expect(self.next(group) == [0, 3, 3, 3, 5])
        let effects = group.log[1].compactMap { if case .snapshot(let effect) = $0 { effect } else { nil } }
        #expect(
            effects == [
                .begin(self.position), .chunk(self.position, offset: 0, bytes: [1, 2, 3]),
                .chunk(self.position, offset: 3, bytes: [4, 5]),
                .finish(self.position, .init(index: 7, replicas: group.rafts[0].replicas)),
            ])
        #expect(group.rafts[1].isInstalling)
        group.clear()
        group.step(1, .snapshot(.installed(self.position)))
        #expect(!group.rafts[1].isInstalling)
        #expect(group.rafts[1].log.last == self.position)
        #expect(group.rafts[1].applied == 50)
        #expect(group.rafts[1].history.latest.index == 7)
        #expect(self.next(group) == [.max])
    }

    @Test("is begun anew by another sender, and never resumed")
    func otherSender() {
        var group = TestGroup(3)
        group.step(1, .received(group.message(self.chunk(0, [1, 2, 3], in: group), from: 0, to: 1, term: 1)))
        group.clear()
        group.step(1, .received(group.message(self.chunk(3, [4], in: group), from: 2, to: 1, term: 2)))
        #expect(self.next(group) == [0])
    }

    @Test("while it is installed the replica votes for nobody and needs nothing but the rest")
    func installing() {
        var group = TestGroup(3)
        group.step(1, .received(group.message(self.chunk(0, [1], in: group), from: 0, to: 1, term: 1)))
        group.clear()
        group.step(1, .received(group.message(group.append(after: .zero, [entry(1, 1)]), from: 0, to: 1, term: 1)))
        #expect(group.sent(1).map(\.outcome) == [.needsSnapshot])
        group.pass(.seconds(1))
        group.clear()
        let request = group.voteRequest(term: 9, last: LogPosition(index: 99, term: 8))
        group.step(1, .received(group.message(request, from: 2, to: 1, term: 9)))
        #expect(group.sent(1).map(\.granted) == [false])
        group.run(for: .seconds(3))
        #expect(group.rafts[1].role == .follower)
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
        #expect(group.rafts[2].isInstalling)
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
                recovered.state = HardState(term: group.rafts[2].term, vote: group.rafts[2].vote)
                recovered.isInstalling = true
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
