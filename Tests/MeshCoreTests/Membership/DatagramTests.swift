import MeshCore
import Testing

/// One node, and datagrams written by hand as a peer would write them.
@Suite("Datagrams")
struct DatagramTests {
    private static let peer = 1
    private static let stranger = 9

    /// Two nodes that know each other and have nothing left to tell.
    private func pair() -> TestMesh {
        var mesh = TestMesh.joined(2, settle: .seconds(20))
        mesh.refusals.removeAll()
        mesh.arrivals.removeAll()
        mesh.arrived = 0
        return mesh
    }

    private func packet(
        from sender: Int = Self.peer, senderEpoch: UInt64 = 1, receiverEpoch: UInt64 = 1, counter: UInt64 = 10_000,
        version: UInt8 = ProtocolVersion.current, _ messages: (inout WireWriter) -> Void
    ) -> [UInt8] {
        var writer = WireWriter()
        writer.write(
            PacketHeader(
                version: version, sender: TestMesh.id(sender), senderEpoch: senderEpoch, receiverEpoch: receiverEpoch,
                counter: counter))
        messages(&writer)
        return writer.bytes
    }

    private func ping(_ writer: inout WireWriter) { writer.write(Ping(sequence: 7, target: TestMesh.id(0))) }

    /// What node 0 sends back to one datagram: the kinds of the first messages of its datagrams.
    private func answers(
        to bytes: [UInt8], from sender: Int = Self.peer, in mesh: inout TestMesh
    ) -> [(header: PacketHeader, kind: MessageKind)] {
        let before = mesh.arrivals.count
        mesh.receive(0, datagram: bytes, from: TestMesh.endpoint(sender))
        return mesh.arrivals[before...].compactMap { arrival in
            guard case .datagram(let bytes, _, _) = arrival.delivery else { return nil }
            var reader = WireReader(bytes.raw)
            guard let header = try? reader.packetHeader(spoken: ProtocolVersion.spoken),
                let kind = try? reader.messageKind()
            else {
                return nil
            }
            return (header, kind)
        }
    }

    @Test("a ping is answered by an ack for the sender's boot")
    func ack() {
        var mesh = self.pair()
        let answers = self.answers(to: self.packet { self.ping(&$0) }, in: &mesh)
        #expect(answers.map(\.kind) == [.ack])
        #expect(answers.first?.header.receiverEpoch == 1)
        #expect(mesh.refusals.isEmpty)
    }

    @Test("one ping and one ping request of a packet are answered, no more")
    func questions() {
        var mesh = self.pair()
        let pings = self.packet { for _ in 0..<20 { self.ping(&$0) } }
        #expect(self.answers(to: pings, in: &mesh).map(\.kind) == [.ack])
        let request = PingRequest(sequence: 8, target: TestMesh.id(Self.stranger), timeout: 500)
        let both = self.packet(counter: 10_001) {
            self.ping(&$0)
            for _ in 0..<20 { $0.write(request) }
        }
        #expect(self.answers(to: both, in: &mesh).map(\.kind) == [.ack, .nack])
        #expect(mesh.refusals.map(\.reason) == [.malformed, .malformed])
    }

    @Test(
        "only a helper that had the time to try gives hard evidence by its nack",
        arguments: [(1, MemberChange.Cause.probeFailed), (400, .hardEvidence)])
    func nackWithoutTrial(milliseconds: Int, cause: MemberChange.Cause) throws {
        var mesh = TestMesh.joined(3, settle: .seconds(20))
        let boot = try #require(mesh.nodes[2]?.local.boot)
        mesh.nodes[1] = nil
        mesh.nodes[2] = nil
        let before = mesh.arrivals.count
        mesh.step(0, .streamClosed(TestMesh.id(2), boot: boot, refused: true))
        let request = mesh.arrivals[before...].compactMap { arrival -> ArraySlice<UInt8>? in
            guard case .datagram(let bytes, _, TestMesh.endpoint(1)) = arrival.delivery,
                bytes[PacketHeader.byteCount] == MessageKind.pingRequest.rawValue
            else { return nil }
            return bytes[(PacketHeader.byteCount + 1)...].prefix(4)
        }
        let sequence = try #require(request.first)
        mesh.run(for: .milliseconds(Int64(milliseconds)))
        let nack = self.packet {
            $0.write(MessageKind.nack)
            $0.bytes.append(contentsOf: sequence)
        }
        mesh.receive(0, datagram: nack, from: TestMesh.endpoint(1))
        mesh.run(for: .seconds(2))
        let change = mesh.changes.last { $0.node == 0 && $0.change.id == TestMesh.id(2) && $0.change.to == .suspect }
        #expect(change?.change.cause == cause)
    }

    @Test("the same packet again is refused as a replay")
    func replay() {
        var mesh = self.pair()
        let bytes = self.packet { self.ping(&$0) }
        _ = self.answers(to: bytes, in: &mesh)
        #expect(self.answers(to: bytes, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.replayed])
    }

    @Test("a replay is refused from a stranger, too")
    func strangerReplay() {
        var mesh = self.pair()
        let bytes = self.packet(from: Self.stranger) { self.ping(&$0) }
        #expect(self.answers(to: bytes, from: Self.stranger, in: &mesh).map(\.kind) == [.ack])
        #expect(self.answers(to: bytes, from: Self.stranger, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.replayed])
    }

    @Test(
        "a packet for no epoch or another is answered with the epoch and otherwise dropped",
        arguments: [0, 2, .max] as [UInt64])
    func otherEpoch(epoch: UInt64) {
        var mesh = self.pair()
        let bytes = self.packet(receiverEpoch: epoch) {
            $0.write(Claim(state: .dead, id: TestMesh.id(0), epoch: 1, incarnation: 0, accuser: TestMesh.id(1)))
            self.ping(&$0)
        }
        let answers = self.answers(to: bytes, in: &mesh)
        #expect(answers.map(\.kind) == [.epochAnswer])
        #expect(answers.first?.header.senderEpoch == 1)
        #expect(mesh.refusals.map(\.reason) == [.staleBoot])
        #expect(mesh.nodes[0]?.localIncarnation == 0)
    }

    @Test("an epoch answer is never answered, and none is longer than what it answers")
    func noAmplification() {
        var mesh = self.pair()
        let answer = self.packet(receiverEpoch: 5) { $0.write(epochAnswerTo: 3) }
        #expect(self.answers(to: answer, in: &mesh).isEmpty)
        let short = self.packet(receiverEpoch: 5, counter: 10_001) { $0.write(.ack, sequence: 1) }
        #expect(self.answers(to: short, in: &mesh).isEmpty)
        let question = self.packet(receiverEpoch: 5, counter: 10_002) { self.ping(&$0) }
        let before = mesh.arrivals.count
        mesh.receive(0, datagram: question, from: TestMesh.endpoint(1))
        guard case .datagram(let bytes, _, _) = mesh.arrivals[before].delivery else { return }
        #expect(bytes.count <= question.count)
    }

    @Test("a flood of packets for another epoch is answered at a bounded rate")
    func answerRate() {
        var mesh = self.pair()
        var answered = 0
        for counter in 0..<2000 as Range<UInt64> {
            let bytes = self.packet(receiverEpoch: 9, counter: 20_000 + counter) { self.ping(&$0) }
            answered += self.answers(to: bytes, in: &mesh).count
        }
        #expect(answered > 100 && answered <= 256)
    }

    @Test("a packet of an earlier boot of its sender is refused")
    func staleSender() {
        var mesh = self.pair()
        mesh.reboot(1, epoch: 2)
        mesh.join(1, through: 0)
        mesh.run(for: .seconds(2))
        mesh.refusals.removeAll()
        #expect(self.answers(to: self.packet(senderEpoch: 1) { self.ping(&$0) }, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.staleBoot])
    }

    @Test("a ping for whoever else lived at this address is not answered")
    func misdirected() {
        var mesh = self.pair()
        let bytes = self.packet { $0.write(Ping(sequence: 7, target: TestMesh.id(5))) }
        #expect(self.answers(to: bytes, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.misdirected])
    }

    @Test("a packet under this node's own identity betrays a clone")
    func clone() {
        var mesh = self.pair()
        #expect(self.answers(to: self.packet(from: 0) { self.ping(&$0) }, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.clonedBoot])
    }

    @Test("one epoch with two nonces betrays a restored snapshot: the second is refused")
    func clonedBoot() {
        var mesh = self.pair()
        mesh.step(0, .streamOpened(TestMesh.id(1), boot: Boot(epoch: 1, nonce: 4711), endpoint: TestMesh.endpoint(1)))
        #expect(mesh.refusals.map(\.reason) == [.clonedBoot])
        #expect(mesh.nodes[0]?.boot(of: TestMesh.id(1))?.nonce == TestMesh.description(1).boot.nonce)
    }

    @Test("versions outside of what this node speaks are refused", arguments: [0, 1, 3, 255] as [UInt8])
    func version(version: UInt8) {
        var mesh = self.pair()
        #expect(self.answers(to: self.packet(version: version) { self.ping(&$0) }, in: &mesh).isEmpty)
        #expect(mesh.refusals.map(\.reason) == [.unsupportedVersion])
    }

    @Test(
        "what belongs into frames is refused in datagrams",
        arguments: [MessageKind.streamPing, .streamPong, .exchange, .delta])
    func frameKinds(kind: MessageKind) {
        var mesh = self.pair()
        _ = self.answers(to: self.packet { $0.write(kind, sequence: 1) }, in: &mesh)
        #expect(mesh.refusals.map(\.reason) == [.malformed])
    }

    @Test(
        "an accusation is refuted in the very ack, with an incarnation above the accused one",
        arguments: [0, 5, 1000] as [UInt32])
    func refutation(accused: UInt32) {
        var mesh = self.pair()
        let bytes = self.packet {
            $0.write(
                Claim(state: .suspect, id: TestMesh.id(0), epoch: 1, incarnation: accused, accuser: TestMesh.id(1)))
            self.ping(&$0)
        }
        #expect(self.answers(to: bytes, in: &mesh).map(\.kind) == [.alive])
        #expect(mesh.nodes[0]?.localIncarnation == accused + 1)
        #expect(mesh.nodes[0]?.localHealth == 1)
    }

    @Test(
        "an incarnation that no boot reaches is believed of nobody, and nothing overflows",
        arguments: [.max, .max - 1, Incarnation.highest + 1, Incarnation.highest, Incarnation.stepMax + 1] as [UInt32],
        [MemberState.suspect, .dead, .left])
    func lastIncarnation(_ incarnation: UInt32, state: MemberState) {
        var mesh = self.pair()
        for node in 0..<2 {
            let bytes = self.packet(counter: 10_000 + UInt64(node)) {
                $0.write(
                    Claim(
                        state: state, id: TestMesh.id(node), epoch: 1, incarnation: incarnation,
                        accuser: TestMesh.id(1)))
            }
            _ = self.answers(to: bytes, in: &mesh)
            #expect(mesh.nodes[0]?.state(of: TestMesh.id(node)) == .alive)
            #expect(mesh.nodes[0]?.incarnation(of: TestMesh.id(node)) ?? .max < 2)
        }
        #expect(mesh.refusals.map(\.reason) == [.malformed, .malformed])
        mesh.step(0, .retag([Label("a", "b")]))
        mesh.step(0, .leave)
        mesh.run(for: .seconds(5))
        #expect(mesh.departed == [0])
    }

    @Test(
        "a member at an address that is no host's is refused",
        arguments: [
            Endpoint(ipv4: 0x0A00_0005, port: 0), Endpoint(ipv4: 0xFFFF_FFFF, port: 7946),
            Endpoint(ipv4: 0xE000_00FB, port: 7946), Endpoint(high: 0xFF02_0000_0000_0000, low: 1, port: 7946),
        ])
    func noHost(endpoint: Endpoint) {
        var mesh = self.pair()
        let bytes = self.packet {
            $0.write(MessageKind.alive)
            $0.write(TestMesh.id(5))
            $0.write(UInt64(1))
            $0.write(UInt64(1))
            $0.write(UInt32(0))
            $0.write(endpoint)
            $0.write(ProtocolVersion.current)
            $0.write(ProtocolVersion.current)
            $0.write(UInt16(4))
            $0.write(UInt32(0))
        }
        _ = self.answers(to: bytes, in: &mesh)
        #expect(mesh.refusals.map(\.reason) == [.malformed])
        #expect(mesh.nodes[0]?.state(of: TestMesh.id(5)) == nil)
    }

    @Test("what is said of an unknown member, or of a boot not heard of, is not believed")
    func unknown() {
        var mesh = self.pair()
        let bytes = self.packet {
            $0.write(Claim(state: .dead, id: TestMesh.id(5), epoch: 1, incarnation: 0, accuser: TestMesh.id(1)))
            $0.write(Claim(state: .dead, id: TestMesh.id(1), epoch: 2, incarnation: 0, accuser: TestMesh.id(5)))
        }
        _ = self.answers(to: bytes, in: &mesh)
        #expect(mesh.nodes[0]?.state(of: TestMesh.id(5)) == nil)
        #expect(mesh.nodes[0]?.state(of: TestMesh.id(1)) == .alive)
    }

    @Test("a helper nacks at once what it cannot try, and otherwise at 80 % of the asker's timeout")
    func nacks() {
        var mesh = TestMesh.joined(3, settle: .seconds(20))
        mesh.kill(2)
        let bytes = self.packet { $0.write(PingRequest(sequence: 7, target: TestMesh.id(2), timeout: 500)) }
        #expect(self.answers(to: bytes, in: &mesh).map(\.kind) == [.ping])
        let start = mesh.now
        let unknown = self.packet(counter: 10_001) {
            $0.write(PingRequest(sequence: 8, target: TestMesh.id(7), timeout: 500))
        }
        #expect(self.answers(to: unknown, in: &mesh).map(\.kind) == [.nack])
        mesh.nodes[1] = nil
        let isNacked = mesh.run(for: .seconds(1)) { mesh in
            mesh.arrivals.contains { arrival in
                guard case .datagram(let bytes, let from, _) = arrival.delivery, from == TestMesh.endpoint(0) else {
                    return false
                }
                return bytes[PacketHeader.byteCount] == MessageKind.nack.rawValue
                    && bytes[PacketHeader.byteCount + 4] == 7
            }
        }
        #expect(isNacked)
        #expect(mesh.now - start == .milliseconds(400))
    }

    @Test("after a departure nothing is answered")
    func departed() {
        var mesh = self.pair()
        mesh.step(0, .leave)
        mesh.run(for: .seconds(5))
        #expect(self.answers(to: self.packet { self.ping(&$0) }, in: &mesh).isEmpty)
        #expect(mesh.nodes[0]?.nextWake == .distantFuture)
    }
}
