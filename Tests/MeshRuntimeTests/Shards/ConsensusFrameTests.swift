import MeshCore
import MeshRuntime
import Testing

@Suite("Frames of groups")
struct ConsensusFrameTests {
    private func message(_ group: UInt32, bytes: Int = 10) -> RaftMessage {
        let entry = LogEntry(index: 4, term: 2, kind: .command, payload: Array(repeating: 7, count: bytes))
        let append = Append(
            previous: LogPosition(index: 3, term: 2), commit: 3, stamp: Instant(nanoseconds: 5), acknowledged: 3,
            heldByAll: 2, entries: [entry])
        return RaftMessage(
            group: GroupID(group), incarnation: GroupIncarnation(counter: 1, id: 9),
            from: ReplicaID(node: ShardMesh.node(1), addedAt: 0), to: ReplicaID(node: ShardMesh.node(2), addedAt: 3),
            term: 2, body: .append(append))
    }

    private func frame(_ messages: [[UInt8]]) -> [UInt8] {
        var writer = WireWriter()
        writer.write(UInt16(messages.count))
        for message in messages { writer.write(bytes: message) }
        return writer.bytes
    }

    private func encoded(_ message: RaftMessage) -> [UInt8] {
        var writer = WireWriter()
        writer.write(message)
        return writer.bytes
    }

    @Test("carry many messages")
    func many() throws {
        let messages = (0..<5).map { self.message($0) }
        let decoded = try ConsensusFrame(decoding: self.frame(messages.map(self.encoded)))
        #expect(decoded.messages == messages)
        #expect(decoded.malformed == 0)
    }

    @Test("lose only the message that does not parse")
    func malformed() throws {
        var bad = self.encoded(self.message(2))
        bad[bad.count - 10 - 4 - 1] = 200
        let decoded = try ConsensusFrame(
            decoding: self.frame([self.encoded(self.message(1)), bad, self.encoded(self.message(3))]))
        #expect(decoded.messages.map(\.group.number) == [1, 3])
        #expect(decoded.malformed == 1)
    }

    @Test("are refused whole if their lengths make no sense")
    func lengths() {
        let whole = self.frame([self.encoded(self.message(1))])
        for count in 0..<whole.count {
            #expect(throws: WireError.self) { try ConsensusFrame(decoding: Array(whole.prefix(count))) }
        }
        #expect(throws: WireError.self) { try ConsensusFrame(decoding: whole + [0]) }
        #expect(throws: WireError.self) { try ConsensusFrame(decoding: [0xFF, 0xFF]) }
    }

    @Test("of one turn fit their limits, however much there is to say, and the largest entry fits one")
    func limits() throws {
        var mesh = ShardMesh(3)
        let group = GroupID(7)
        mesh.step(0, .command(1, group, .create(GroupIncarnation(counter: 1, id: 9))))
        mesh.pass(.seconds(1))
        for index in mesh.nodes.indices { mesh.step(index, .place(group, mesh.nodes.map(\.id))) }
        mesh.pass(.seconds(3))
        let leader = try #require(mesh.leader(of: group))
        let largest = Array(repeating: UInt8(1), count: ConsensusFrame.payloadBytesMax)
        for id in 10..<14 as Range<UInt64> {
            mesh.nodes[leader].shard.step(.request(group, .command(id, largest)), at: mesh.moment)
        }
        let turn = mesh.nodes[leader].shard.finish(at: mesh.moment)
        #expect(!turn.frames.isEmpty)
        for (_, frame) in turn.frames {
            #expect(frame.body.count + PeerFrame.headerBytes <= PeerFrame.bytesMax)
            #expect(try ConsensusFrame(decoding: frame.body).malformed == 0)
        }
        mesh.step(leader, .request(group, .command(20, largest + [1])))
        let isRefused = mesh.nodes[leader].outputs.contains {
            if case .refused(20, .tooLarge) = $0 { true } else { false }
        }
        #expect(isRefused)
    }
}
