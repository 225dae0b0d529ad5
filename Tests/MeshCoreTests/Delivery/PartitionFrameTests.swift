import MeshCore
import Testing

@Suite("Frames between nodes about partitions") struct PartitionFrameTests {
    private static let node = NodeID(high: 3, low: 4)
    private static let incarnation = GroupIncarnation(counter: 1, id: 9)

    private static func letter(deadline: UInt64?) -> Letter {
        Letter(
            path("/a/b"),
            Envelope(
                Message(id: MessageID(high: 1, low: 2), sender: "me", body: [1, 2, 3], deadline: deadline), kind: .ask))
    }

    private static let frames: [PartitionFrame] = {
        let session = SessionID(incarnation: Self.incarnation, index: 5, command: 6)
        let answers: [PartitionAnswer] = [
            .accepted(MessageID(high: 1, low: 2)), .outcome(MessageID(high: 1, low: 2), .reply([9])),
            .outcome(MessageID(high: 1, low: 2), .failed(MeshError(.conflict, "no", hint: "so", accepted: .yes))),
            .session(session), .sessionExpired(MessageID(high: 1, low: 2)),
            .outOfOrder(MessageID(high: 1, low: 2), expected: 7), .deadLetters([1, 2]), .elsewhere(nil),
            .elsewhere(Self.node), .refused(MeshError(.overloaded, "full", retryAfter: .seconds(1))),
        ]
        let delivery = Delivery(source: Partition(index: 1), stream: 2, first: 3, letters: [Self.letter(deadline: 5)])
        return answers.map { .answer($0) } + [
            .message(
                .init(
                    Self.letter(deadline: nil), session: .init(session: session, number: 8), delivery: .durable,
                    isRetry: true, patience: .seconds(3)), Partition(index: 7)),
            .message(
                .init(
                    Self.letter(deadline: 5_000), session: nil, delivery: .ephemeral, isRetry: false,
                    patience: .milliseconds(1)), Partition(index: 7)),
            .openSession(Partition(index: 255)),
            .delivery(OutboxDelivery(delivery, asks: [path("/x")]), Partition(index: 9)),
            .deliveryAnswer(
                DeliveryAnswer(destination: Partition(index: 9), stream: 2, verdict: .expects(4), full: [path("/x")]),
                leader: nil),
            .deliveryAnswer(
                DeliveryAnswer(destination: Partition(index: 9), stream: 2, verdict: .staleStream(current: 3)),
                leader: Self.node),
            .deliveryAnswer(
                DeliveryAnswer(destination: Partition(index: 9), stream: 2, verdict: .later), leader: Self.node),
        ]
    }()

    @Test("come out as they went in", arguments: frames) func roundTrip(_ frame: PartitionFrame) throws {
        #expect(try PartitionFrame(decoding: frame.encoded(at: 1_000), at: 1_000) == frame)
    }

    @Test("are refused wherever they are cut off", arguments: frames) func cut(_ frame: PartitionFrame) {
        let bytes = frame.encoded(at: 0)
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try PartitionFrame(decoding: Array(bytes.prefix(count)), at: 0) }
        }
        #expect(throws: WireError.self) { try PartitionFrame(decoding: bytes + [0], at: 0) }
    }

    @Test("carry a deadline as what is left of it") func deadline() throws {
        let ask = PartitionFrame.Ask(
            Self.letter(deadline: 5_000), session: nil, delivery: .durable, isRetry: false, patience: .zero)
        let bytes = PartitionFrame.message(ask, Partition(index: 0)).encoded(at: 4_000)
        guard case .message(let read, _) = try PartitionFrame(decoding: bytes, at: 100_000) else {
            Issue.record("another frame")
            return
        }
        #expect(read.letter.envelope.message.deadline == 101_000)
    }

    @Test("of reports and orders come out as they went in") func placement() throws {
        let leader = ReplicaID(node: Self.node, addedAt: 3)
        let learner = ReplicaID(node: NodeID(high: 5, low: 5), addedAt: 8)
        let report = GroupReport(
            partition: Partition(index: 3), leader: leader,
            replicas: ReplicaSet(voters: [leader], learners: [learner]), caughtUp: [learner], byteCount: 77)
        let order = PlacementOrder(partition: Partition(index: 3), voters: [Self.node], heir: learner)
        let plain = PlacementOrder(partition: Partition(index: 4), voters: [Self.node])
        let frames: [PlacementFrame] = [
            .report([report]), .report([]), .orders([order, plain]), .elsewhere(nil), .elsewhere(Self.node),
            .mayFound, .foundingAnswer(.promised), .foundingAnswer(.promisedTo(Self.node)), .foundingAnswer(.founded),
        ]
        for frame in frames {
            let bytes = frame.encoded()
            #expect(try PlacementFrame(decoding: bytes) == frame)
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try PlacementFrame(decoding: Array(bytes.prefix(count))) }
            }
        }
    }
}
