internal import ArgumentParser
internal import CMallocCounter
internal import CSodium
internal import MeshCore
internal import MeshTransport

/// `meshbench packet`: what one core makes of gossip, without the socket.
struct Packet: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Opens, decodes, steps, encodes and seals pings and their acks.",
        discussion: """
            A node of a mesh of real memberships is pinged; every ping is answered by an ack. The small size is a ping \
            with one rumor; the large one fills the packet in both directions. Next to it, in turns, the same number \
            of bytes goes through libsodium alone. Medians of all rounds.
            """)

    @Option(help: "Members of the mesh.") var members = 20
    @Option(help: "Rounds; each is measured for itself.") var rounds = 501
    @Option(help: "Packets per round.") var packets = 64

    func validate() throws {
        guard 2...1000 ~= self.members, 1...10_000 ~= self.rounds, 1...100_000 ~= self.packets else {
            throw ValidationError("members are 2 to 1000, rounds 1 to 10000, packets 1 to 100000")
        }
    }

    func run() throws {
        print("plaintext in  plaintext out   packets/s   libsodium/s   ratio   allocations/packet")
        for size in [120, 1336] {
            var bench = try PacketBench(members: self.members, plaintext: size, isAnswerFull: size > 1000)
            // The first rounds fill caches and let buffers grow to their size.
            for _ in 0..<3 { _ = try bench.measure(packets: self.packets) }
            var results: [PacketBench.Result] = []
            for _ in 0..<self.rounds { results.append(try bench.measure(packets: self.packets)) }
            self.report(results)
        }
    }

    private func report(_ results: [PacketBench.Result]) {
        let rate = median(results.map(\.packetsPerSecond))
        let sodium = median(results.map(\.sodiumPerSecond))
        let ratio = median(results.map { $0.packetsPerSecond / $0.sodiumPerSecond })
        let allocations = results.map(\.allocationsPerPacket).max() ?? 0
        let columns = [
            (String(results[0].bytesIn), 12), (String(results[0].bytesOut), 15), (String(Int(rate)), 12),
            (String(Int(sodium)), 14), (String((ratio * 1000).rounded() / 1000), 8),
            (String((allocations * 10_000).rounded() / 10_000), 21),
        ]
        print(columns.map { String(repeating: " ", count: max(1, $0.1 - $0.0.count)) + $0.0 }.joined())
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// One node under test, and pings for it from another member.
private struct PacketBench: ~Copyable {
    struct Result {
        var bytesIn: Int
        var bytesOut: Int
        var packetsPerSecond: Double
        var sodiumPerSecond: Double
        var allocationsPerPacket: Double
    }

    private static let counterOffset = 1 + 16 + 8 + 8

    private var engine: GossipEngine
    private var peer: DatagramSealer
    private let peerEndpoint: Endpoint
    private var ping: [UInt8]
    private var counter: UInt64
    private let isAnswerFull: Bool
    private let now: Instant
    private var sealed: [[UInt8]] = []
    private var random = RandomSource(seed: 1)

    init(members: Int, plaintext: Int, isAnswerFull: Bool) throws {
        let (cluster, keys) = (ClusterID.random(), MeshKeys.generate())
        let setting = try BenchMesh(members: members, plaintext: plaintext)
        self.engine = GossipEngine(membership: setting.target, cluster: cluster, keys: keys)
        self.peer = DatagramSealer(cluster: cluster, keys: keys)
        self.peerEndpoint = setting.peerEndpoint
        self.ping = setting.ping
        // Above all that the peer has sent: what is older would be a replay.
        self.counter = 1 << 32
        self.isAnswerFull = isAnswerFull
        self.now = setting.now
    }

    mutating func measure(packets: Int) throws -> Result {
        self.sealPings(packets)
        if self.isAnswerFull { self.giveRumors(packets) }
        var bytesOut = 0
        let allocationsBefore = malloc_counter_calls()
        let start = nanoseconds()
        for packet in self.sealed {
            try self.engine.receive(packet: packet.raw, from: self.peerEndpoint, at: self.now)
            for effect in self.engine.effects.list {
                guard case .datagram(_, let range) = effect else { continue }
                self.engine.seal(range) { bytesOut += $0.byteCount }
            }
        }
        let elapsed = nanoseconds() - start
        let allocations = malloc_counter_calls() - allocationsBefore
        let overhead = DatagramSealer.sealedBytesMax - DatagramSealer.plaintextBytesMax
        let meanOut = bytesOut / packets - overhead
        guard meanOut > 0 else { throw BenchError("the pings were not answered") }
        return Result(
            bytesIn: self.ping.count, bytesOut: meanOut,
            packetsPerSecond: Double(packets) * 1e9 / Double(elapsed),
            sodiumPerSecond: Sodium.openAndSeal(bytes: self.ping.count, times: packets),
            allocationsPerPacket: Double(allocations) / Double(packets))
    }

    /// Each with a counter of its own, else the node would refuse it as a replay.
    private mutating func sealPings(_ count: Int) {
        self.sealed = (0..<count).map { _ in
            self.counter += 1
            for byte in 0..<8 {
                self.ping[Self.counterOffset + byte] = UInt8(
                    truncatingIfNeeded: self.counter >> (56 - 8 * UInt64(byte)))
            }
            let ping = self.ping
            let count = self.peer.seal(ping.raw)
            return [UInt8](copying: self.peer.sealed(count))
        }
    }

    /// News of which three fill an ack, enough for every ack of the round.
    private mutating func giveRumors(_ packets: Int) {
        // Each is told eight times.
        for _ in 0..<(packets * 3 + 7) / 8 {
            let payload = (0..<392).map { _ in UInt8.random(in: 0...255, using: &self.random) }
            self.engine.step(.raise(name: "bench", payload: payload), at: self.now)
        }
    }
}

/// libsodium alone, as the bound.
private enum Sodium {
    static func openAndSeal(bytes: Int, times: Int) -> Double {
        let (key, nonce, associated) = (randomBytes(32), randomBytes(24), randomBytes(22))
        var plain = randomBytes(bytes)
        var sealed = [UInt8](repeating: 0, count: bytes + 16)
        let seal = {
            _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                &sealed, nil, plain, UInt64(bytes), associated, UInt64(associated.count), nil, nonce, key)
        }
        seal()
        var failures = 0
        let start = nanoseconds()
        for _ in 0..<times {
            let status = unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                &plain, nil, nil, sealed, UInt64(sealed.count), associated, UInt64(associated.count), nonce, key)
            if status != 0 { failures += 1 }
            seal()
        }
        let elapsed = nanoseconds() - start
        precondition(failures == 0, "libsodium did not open what it sealed")
        return Double(times) * 1e9 / Double(elapsed)
    }
}

struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

private func nanoseconds() -> UInt64 { Instant.now().nanoseconds }
