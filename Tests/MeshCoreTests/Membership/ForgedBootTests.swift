import MeshCore
import Testing

/// One member with a key writes in another's name, by malice or because it was restored from a snapshot.
@Suite("Forged boots and counters")
struct ForgedBootTests {
    private static let victim = TestMesh.id(1)
    private static let elsewhere = Endpoint(ipv4: 0x0A00_0063, port: 9)

    /// Three nodes that know each other; the streams that joining opened are closed.
    private func trio() -> TestMesh {
        var mesh = TestMesh.joined(3, settle: .seconds(20))
        mesh.closeStreams()
        mesh.run(for: .seconds(5))
        mesh.refusals.removeAll()
        return mesh
    }

    private func packet(
        from sender: Int, epoch: UInt64 = 1, counter: UInt64, _ body: (inout WireWriter) -> Void = { _ in }
    ) -> [UInt8] {
        var writer = WireWriter()
        writer.write(
            PacketHeader(
                version: ProtocolVersion.current, sender: TestMesh.id(sender), senderEpoch: epoch, receiverEpoch: 1,
                counter: counter))
        body(&writer)
        return writer.bytes
    }

    private func alive(_ boot: Boot, at endpoint: Endpoint, _ writer: inout WireWriter) {
        writer.write(MessageKind.alive)
        writer.write(Self.victim)
        writer.write(boot.epoch)
        writer.write(boot.nonce)
        writer.write(UInt32(7))
        writer.write(endpoint)
        writer.write(ProtocolVersion.current)
        writer.write(ProtocolVersion.current)
        writer.write(UInt16(4))
        writer.write(UInt32(0))
    }

    /// Node 2 tells node 0 that node 1 lives elsewhere, in another boot.
    private func hijack(_ boot: Boot, _ mesh: inout TestMesh) {
        var writer = WireWriter()
        writer.write(ProtocolVersion.current)
        self.alive(boot, at: Self.elsewhere, &writer)
        mesh.receive(0, frame: writer.bytes, from: TestMesh.id(2))
    }

    @Test(
        "a boot that a member cannot have reached is not believed",
        arguments: [2 + Boot.epochStepMax, Boot.epochMax, Boot.epochMax + 1, .max])
    func jump(epoch: UInt64) {
        var mesh = self.trio()
        self.hijack(Boot(epoch: epoch, nonce: 1), &mesh)
        #expect(mesh.nodes[0]?.boot(of: Self.victim)?.epoch == 1)
        #expect(mesh.refusals.map(\.reason) == [epoch > Boot.epochMax ? .malformed : .impossibleBoot])
    }

    @Test("nothing is believed of another boot while the member's own stream is open")
    func openStream() throws {
        var mesh = self.trio()
        let boot = try #require(mesh.nodes[1]?.local.boot)
        mesh.step(0, .streamOpened(Self.victim, boot: boot, endpoint: TestMesh.endpoint(1)))
        self.hijack(Boot(epoch: 2, nonce: 1), &mesh)
        #expect(mesh.nodes[0]?.boot(of: Self.victim) == boot)
        #expect(mesh.refusals.map(\.reason) == [.impossibleBoot])
    }

    @Test("a stream of the member itself undoes what was forged, also downwards, and its address is its own again")
    func healing() throws {
        var mesh = self.trio()
        let boot = try #require(mesh.nodes[1]?.local.boot)
        self.hijack(Boot(epoch: 900, nonce: 1), &mesh)
        #expect(mesh.nodes[0]?.member(Self.victim)?.description.endpoint == Self.elsewhere)
        mesh.join(1, through: 0)
        mesh.run(for: .seconds(2))
        #expect(mesh.nodes[0]?.boot(of: Self.victim) == boot)
        #expect(mesh.nodes[0]?.member(Self.victim)?.description.endpoint == TestMesh.endpoint(1))
        // Its datagrams count again, too: a probe of it is answered.
        mesh.run(for: .seconds(15))
        #expect(mesh.state(of: 1, at: 0) == .alive)
        mesh.refusals.removeAll()
        mesh.run(for: .seconds(5))
        #expect(!mesh.refusals.contains { $0.node == 0 && ($0.reason == .staleBoot || $0.reason == .replayed) })
    }

    @Test("what a handshake has proved is undone by no handshake of an earlier boot: that is a restored snapshot")
    func snapshot() throws {
        var mesh = TestMesh.joined(2, settle: .seconds(20))
        mesh.reboot(1, epoch: 5)
        mesh.join(1, through: 0)
        mesh.run(for: .seconds(2))
        mesh.refusals.removeAll()
        mesh.step(0, .streamOpened(Self.victim, boot: Boot(epoch: 4, nonce: 9), endpoint: TestMesh.endpoint(1)))
        #expect(mesh.refusals.map(\.reason) == [.staleBoot])
        #expect(mesh.nodes[0]?.boot(of: Self.victim)?.epoch == 5)
    }

    @Test("a header with a later epoch keeps none of the member's own packets out", arguments: [2, 1000] as [UInt64])
    func forgedEpoch(epoch: UInt64) {
        var mesh = self.trio()
        mesh.receive(0, datagram: self.packet(from: 1, epoch: epoch, counter: 1), from: TestMesh.endpoint(2))
        mesh.run(for: .seconds(10))
        #expect(mesh.refusals.isEmpty)
        #expect(mesh.state(of: 1, at: 0) == .alive)
    }

    @Test("a header with an epoch that no member reaches is refused")
    func forgedEpochTooHigh() {
        var mesh = self.trio()
        mesh.receive(0, datagram: self.packet(from: 1, epoch: .max, counter: 1), from: TestMesh.endpoint(2))
        #expect(mesh.refusals.map(\.reason) == [.impossibleBoot])
    }

    @Test("a header with the highest counter keeps the member out only until its stream tells the true one")
    func forgedCounter() throws {
        var mesh = self.trio()
        mesh.receive(0, datagram: self.packet(from: 1, counter: .max), from: TestMesh.endpoint(2))
        mesh.openStream(between: 0, and: 1)
        mesh.run(for: .seconds(20))
        #expect(mesh.refusals.contains { $0.node == 0 && $0.reason == .replayed })
        #expect(mesh.state(of: 1, at: 0) == .alive)
        mesh.refusals.removeAll()
        mesh.run(for: .seconds(20))
        #expect(mesh.refusals.isEmpty)
    }

    @Test("a node that started again is heard at once, before its own word comes")
    func restarted() {
        var mesh = self.trio()
        mesh.reboot(1, epoch: 2)
        let ping = self.packet(from: 1, epoch: 2, counter: 1) { $0.write(Ping(sequence: 7, target: TestMesh.id(0))) }
        let before = mesh.arrivals.count
        mesh.receive(0, datagram: ping, from: TestMesh.endpoint(1))
        #expect(mesh.arrivals.count == before + 1)
        mesh.receive(0, datagram: ping, from: TestMesh.endpoint(1))
        #expect(mesh.arrivals.count == before + 1)
        #expect(mesh.refusals.map(\.reason) == [.replayed])
    }

    @Test("a stream to an address that is no host's is not taken for one", arguments: [0, 0xE000_0001] as [UInt32])
    func noHost(address: UInt32) {
        var mesh = self.trio()
        mesh.step(
            0, .streamOpened(TestMesh.id(9), boot: Boot(epoch: 1, nonce: 1), endpoint: Endpoint(ipv4: address, port: 1))
        )
        #expect(mesh.refusals.map(\.reason) == [.malformed])
    }

    @Test("exchanges of one peer are answered at a bounded rate")
    func exchanges() throws {
        var mesh = self.trio()
        mesh.openStream(between: 0, and: 1)
        var effects = Membership.Effects()
        mesh.nodes[1]?.step(.exchange(TestMesh.id(0)), at: mesh.now, into: &effects)
        let frames = effects.list.compactMap { effect -> [UInt8]? in
            if case .stream(TestMesh.id(0), _, let range) = effect { Array(effects.bytes[range]) } else { nil }
        }
        let frame = try #require(frames.first)
        let before = mesh.arrivals.count
        for _ in 0..<100 { mesh.receive(0, frame: frame, from: Self.victim) }
        #expect(mesh.arrivals.count - before <= 10)
        #expect(mesh.refusals.filter { $0.reason == .tooOften }.count >= 90)
    }

    @Test("strangers without a stream push out none that have one")
    func strangers() {
        var mesh = self.trio()
        let newcomer = TestMesh.id(9)
        mesh.step(0, .streamOpened(newcomer, boot: Boot(epoch: 1, nonce: 1), endpoint: TestMesh.endpoint(9)))
        for stranger in 100..<300 {
            mesh.receive(0, datagram: self.packet(from: stranger, counter: 1), from: TestMesh.endpoint(2))
        }
        let before = mesh.arrivals.count
        mesh.step(0, .exchange(newcomer))
        #expect(mesh.arrivals.count == before + 1)
    }

    @Test("a retransmit multiplier of 0 or 1 tells little and traps nowhere", arguments: [0, 1])
    func fewTellings(multiplier: Int) {
        var configuration = Membership.Configuration.lan
        configuration.retransmitMultiplier = multiplier
        let mesh = TestMesh.joined(5, configuration: configuration, settle: .seconds(90))
        #expect(mesh.isConverged)
    }
}
