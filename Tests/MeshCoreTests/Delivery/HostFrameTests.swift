import MeshCore
import Testing

@Suite("Frames between leaders and hosts") struct HostFrameTests {
    private static let id = ActivationID(term: 3, number: 4)
    private static let partition = Partition(index: 200)

    private static func order(state: [StorageEntry]? = nil) -> TurnOrder {
        TurnOrder(
            activation: Self.id, path: path("/a/b"), number: 2,
            envelope: Envelope(Message(id: MessageID(high: 1, low: 2), sender: "me", body: [1, 2]), kind: .ask),
            version: 7, isEphemeral: false, isCommitted: true, state: state, limit: .seconds(40))
    }

    private static let result = TurnResult(
        reply: [1], changes: [StateChange(key: [1], value: [2]), StateChange(key: [3], value: nil)], keys: 4,
        letters: [Letter(path("/c"), Envelope(Message(id: MessageID(high: 5, low: 6), body: [9])))],
        timers: [.set(name: "t", due: 5, schedule: "", body: [1]), .cancel(name: "u")], events: [[7]])

    private static let frames: [HostFrame] = {
        let host = Host(node: NodeID(high: 1, low: 2), boot: 3)
        let error = MeshError(.handlerFailed, "no", hint: "so", accepted: .yes)
        return [
            .place(PlacementQuery(id: Self.id, path: path("/a"))),
            .place(PlacementQuery(id: Self.id, path: path("/a"), holder: host)),
            .state(Self.id, path("/a"), [StorageEntry(key: [1], value: [2, 3]), StorageEntry(key: [4], value: [])]),
            .run(Self.order(), keys: nil), .run(Self.order(), keys: 2), .check(Self.id, path("/a"), order: 9),
            .release(Self.id, path("/a")), .starting(Self.id, path("/a")),
            .placed(Self.id, path("/a"), .at(host, because: "n1 is dead")),
            .placed(Self.id, path("/a"), .nowhere(missing: "room")),
            .placed(Self.id, path("/a"), .unstartable("not there")),
            .report(TurnReport(Self.id, number: 2, .finished(Self.result))),
            .report(TurnReport(Self.id, number: 2, .failed(.crashed, error))),
            .report(TurnReport(Self.id, number: 2, .wantsCommit)), .report(TurnReport(Self.id, number: 2, .notBegun)),
            .renewed(Self.id),
            .missing(Self.id, order: 2), .disowned(Self.id),
        ]
    }()

    @Test("come out as they went in", arguments: frames) func roundTrip(_ frame: HostFrame) throws {
        let (partition, decoded) = try HostFrame.decode(frame.encoded(of: Self.partition))
        #expect(partition == Self.partition && decoded == frame)
    }

    @Test("are refused wherever they are cut off", arguments: frames) func cut(_ frame: HostFrame) {
        let bytes = frame.encoded(of: Self.partition)
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try HostFrame.decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: WireError.self) { try HostFrame.decode(bytes + [0]) }
    }

    @Test("bring a large state ahead of its order, in frames that fit") func largeState() throws {
        let state = (0..<20).map { StorageEntry(key: [$0], value: Array(repeating: $0, count: 300_000)) }
        let frames = HostFrame.frames(for: Self.order(state: state))
        var brought: [StorageEntry] = []
        for frame in frames.dropLast() {
            #expect(frame.encoded(of: Self.partition).count <= PeerFrame.bytesMax)
            guard case .state(Self.id, _, let entries) = frame else {
                Issue.record("\(frame)")
                continue
            }
            brought += entries
        }
        #expect(brought == state && frames.last == .run(Self.order(), keys: 20))
        #expect(HostFrame.frames(for: Self.order()) == [.run(Self.order(), keys: nil)])
        #expect(HostFrame.frames(for: Self.order(state: [])) == [.run(Self.order(), keys: 0)])
    }

    @Test("a result that no frame takes is the failure of its turn") func largeResult() {
        var result = Self.result
        result.reply = Array(repeating: 0, count: 1 << 20)
        result.changes = [StateChange(key: [1], value: Array(repeating: 0, count: 1 << 20))]
        let frame = HostFrame.report(of: TurnReport(Self.id, number: 1, .finished(result)))
        guard case .report(let report) = frame, case .failed(_, let error) = report.end else {
            Issue.record("\(frame)")
            return
        }
        #expect(error.code == .handlerFailed && frame.encoded(of: Self.partition).count < 1_000)
        let small = TurnReport(Self.id, number: 1, .finished(Self.result))
        #expect(HostFrame.report(of: small) == .report(small))
    }
}
