import MeshCore
import MeshTransport
import NIOCore
import Testing

/// A node under fire: whatever comes, it is counted, and the mesh goes on.
@Suite("hostile bytes", .timeLimit(.minutes(10)))
struct HostileBytesTests {
    private let mesh = TestMesh()

    /// Attacks one node of a mesh of two, which afterwards still works.
    private func attack(_ body: (TestNode, Endpoint) async throws -> Void) async throws {
        let victim = try await TestNode.start(self.mesh)
        let friend = try await TestNode.start(self.mesh)
        try await friend.network.join(seeds: [victim.seed])
        try await body(victim, victim.addresses.bound)
        #expect(friend.network.send([PeerFrame(kind: .partition, body: [7])], to: victim.id) == .queued)
        try await eventually("the mesh still carries frames") {
            victim.frames.frames(from: friend.id).map(\.body) == [[7]]
        }
        try await eventually("it is not in doubt") { await friend.network.member(victim.id)?.state == .alive }
        await friend.stop()
        await victim.stop()
    }

    @Test("datagrams: random, empty, cut short, of another mesh and key, compressed nonsense")
    func datagrams() async throws {
        try await self.attack { victim, target in
            let socket = try RawSocket(to: target, isStream: false)
            var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
            var stranger = DatagramSealer(cluster: .random(), keys: self.mesh.keys)
            var otherKey = DatagramSealer(cluster: self.mesh.cluster, keys: .generate())
            let good = sealed([1, 2, 3], by: &sealer)
            let reasons = [
                "tooShort", "tooLong", "unsupportedVersion", "unknownKey", "unauthentic", "undecompressable",
            ]
            // Again and again: the kernel drops what comes faster than it is read.
            try await eventually("each is counted by its reason") {
                socket.send(sealed([1], by: &stranger))
                socket.send(sealed([1], by: &otherKey))
                socket.send(sealed([1], by: &sealer, flags: DatagramSealer.compressedFlag))
                for size in 0..<20 { socket.send(randomBytes(size * 80)) }
                for count in good.indices { socket.send(Array(good.prefix(count))) }
                let refused = victim.network.refused
                return reasons.allSatisfy { refused["datagram." + $0, default: 0] > 0 }
            }
        }
    }

    @Test("datagrams rightly sealed, with nonsense inside")
    func sealedNonsense() async throws {
        try await self.attack { victim, target in
            let socket = try RawSocket(to: target, isStream: false)
            var sealer = DatagramSealer(cluster: self.mesh.cluster, keys: self.mesh.keys)
            for size in 0..<300 { socket.send(sealed(randomBytes(size), by: &sealer)) }
            for size in 0..<300 { socket.send(sealed([1] + randomBytes(size), by: &sealer)) }
            try await eventually("they are counted") {
                victim.network.refused.contains { $0.key.hasPrefix("membership.") && $0.value > 0 }
            }
        }
    }

    @Test("streams: random bytes, silence, half a handshake, a length of 65,535")
    func streams() async throws {
        try await self.attack { victim, target in
            for size in [1, 2, 3, 50, 500, 5000] {
                let socket = try RawSocket(to: target, isStream: true)
                socket.send(randomBytes(size))
                if size > 1000 { try await socket.awaitEnd() }
            }
            let huge = try RawSocket(to: target, isStream: true)
            huge.send([0xFF, 0xFF] + randomBytes(100))
            try await huge.awaitEnd()
            let empty = try RawSocket(to: target, isStream: true)
            empty.send([0, 0])
            try await empty.awaitEnd()
            let silent = try RawSocket(to: target, isStream: true)
            try await silent.awaitEnd()
            #expect(victim.network.refused["stream.timedOut", default: 0] > 0)
            #expect(victim.network.refused["stream.tooLong", default: 0] > 0)
        }
    }

    @Test("a stream that is opened rightly and then speaks nonsense is closed")
    func nonsenseAfterHandshake() async throws {
        try await self.attack { victim, target in
            let (socket, _) = try self.open(to: target)
            #expect(try await !socket.receive().isEmpty)
            socket.send(packet(randomBytes(100)))
            try await socket.awaitEnd()
            #expect(victim.network.refused["stream.unauthentic"] == 1)
        }
    }

    @Test("a member that sends membership frames faster than they are taken in is read slowly, and loses none")
    func floodOfFrames() async throws {
        try await self.attack { victim, target in
            let (socket, peer) = try self.open(to: target)
            var sealer = RecordSealer(peer.send, at: .now())
            var splitter = FrameSplitter()
            // A version, then what is no message: a mebibyte that travels as a few thousand bytes.
            let frame = PeerFrame(
                kind: .membership, body: [ProtocolVersion.current] + [UInt8](repeating: 0, count: 1 << 20))
            let compressor = LZ4()
            var left = 200
            while left > 0 || !splitter.isEmpty {
                var record = ByteBuffer()
                sealer.append(.control, to: &record, at: .now()) { out in
                    splitter.fill(&out, limit: RecordSealer.contentBytesMax, with: compressor) {
                        guard left > 0 else { return nil }
                        left -= 1
                        return frame
                    }
                }
                try await socket.send(all: Array(record.readableBytesView))
            }
            try await eventually("every frame was looked at") {
                victim.network.refused["membership.malformed"] == 200
            }
        }
    }

    @Test("a node that says it listens at a group's address, or in no boot, is refused")
    func impossibleHello() async throws {
        try await self.attack { victim, target in
            let (group, _) = try self.open(to: target, endpoint: Endpoint(ipv4: 0xE000_0001, port: 9))
            try await group.awaitEnd()
            let (unborn, _) = try self.open(to: target, boot: Boot(epoch: 0, nonce: 1))
            try await unborn.awaitEnd()
            #expect(victim.network.refused["stream.malformed"] == 2)
        }
    }

    @Test("an earlier boot of a node takes no stream from a later one")
    func earlierBoot() async throws {
        try await self.attack { victim, target in
            let identity = NodeIdentity.generate()
            let (later, _) = try self.open(to: target, as: identity, boot: Boot(epoch: 7, nonce: 1))
            #expect(try await !later.receive().isEmpty)
            let (earlier, _) = try self.open(to: target, as: identity, boot: Boot(epoch: 6, nonce: 1))
            try await earlier.awaitEnd()
            #expect(victim.network.refused["stream.staleBoot"] == 1)
        }
    }

    @Test("silent strangers keep no newcomer out")
    func silentCrowd() async throws {
        try await self.attack { victim, target in
            let silent = try (0..<150).map { _ in try RawSocket(to: target, isStream: true) }
            // Dropped at its last use otherwise, and the sockets with it.
            defer { withExtendedLifetime(silent) {} }
            let newcomer = try await TestNode.start(self.mesh)
            try await newcomer.network.join(seeds: [victim.seed])
            // They count when they were looked at, which may be after the newcomer.
            try await eventually("silent ones go") { victim.network.refused["stream.busy", default: 0] > 0 }
            await newcomer.stop()
        }
    }

    @Test("more strangers than are borne at once are turned away, and the mesh still forms")
    func crowd() async throws {
        try await self.attack { victim, target in
            try await withThrowingTaskGroup { group in
                for _ in 0..<300 {
                    group.addTask {
                        let socket = try RawSocket(to: target, isStream: true)
                        socket.resetOnClose()
                        try await eventually("the crowd is noticed") { victim.network.refused["stream.busy"] ?? 0 > 0 }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// A handshake as a member would do it, to its end but for the verdict.
    private func open(
        to target: Endpoint, as identity: NodeIdentity = .generate(), boot: Boot = Boot(epoch: 1, nonce: 1),
        endpoint: Endpoint = Endpoint(ipv4: 0x7F00_0001, port: 9)
    ) throws -> (RawSocket, SecuredPeer) {
        let context = StreamContext(
            identity: identity, cluster: self.mesh.cluster, keys: self.mesh.keys,
            hello: Hello(boot: boot, endpoint: endpoint))
        var handshake = InitiatorHandshake(context)
        let socket = try RawSocket(to: target, isStream: true)
        socket.send(packet(try handshake.first()))
        let answer = try socket.receiveAtOnce()
        let (third, peer) = try handshake.second(Array(answer.dropFirst(2)))
        socket.send(packet(third))
        return (socket, peer)
    }

    private func packet(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }
}
