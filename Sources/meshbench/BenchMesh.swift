internal import MeshCore

/// A mesh of memberships in virtual time, run until all know all, and a ping in it of a wanted size.
struct BenchMesh {
    private(set) var target: Membership
    /// Plaintext of a ping from `peerEndpoint` to the target.
    private(set) var ping: [UInt8] = []
    let peerEndpoint: Endpoint
    private(set) var now = Instant(nanoseconds: 1_000_000_000)

    private var random = RandomSource(seed: 7)
    private var nodes: [Membership] = []
    private var effects = Membership.Effects()
    /// What the peer sent: pings to the target, and packets of rumors alone to anybody.
    private var pings: [[UInt8]] = []
    private var gossip: [[UInt8]] = []

    /// Of a packet's header and messages, from docs/protocol.md, section 3.
    private static let headerBytes = 41
    private static let (ping, alive, event) = (1 as UInt8, 16 as UInt8, 21 as UInt8)

    private enum Mail {
        case datagram(to: Endpoint, from: Int, [UInt8])
        case frame(to: NodeID, from: Int, [UInt8])
    }
    private var mail: [Mail] = []

    init(members: Int, plaintext: Int) throws {
        let endpoints = (0..<members).map { Endpoint(ipv4: 0x0A00_0001 + UInt32($0), port: 7946) }
        self.peerEndpoint = endpoints[1]
        for (index, endpoint) in endpoints.enumerated() {
            let description = MemberDescription(
                id: NodeID(high: UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15, low: UInt64(index)),
                boot: Boot(epoch: 1, nonce: UInt64(index)), endpoint: endpoint, name: "node-\(index)", zone: "rack-1",
                version: "0.1.0")
            self.nodes.append(
                Membership(local: description, configuration: .lan, seed: UInt64(index), at: Instant(nanoseconds: 0)))
        }
        self.target = self.nodes[0]
        self.joinAll()
        self.run(for: .seconds(10))
        guard self.nodes.allSatisfy({ $0.members.count == members }) else { throw BenchError("the mesh did not form") }
        try self.capturePing(of: plaintext)
        self.target = self.nodes[0]
    }

    private mutating func joinAll() {
        let seed = self.nodes[0].local
        for index in self.nodes.indices.dropFirst() {
            let own = self.nodes[index].local
            self.step(index, .streamOpened(seed.id, boot: seed.boot, endpoint: seed.endpoint))
            self.step(0, .streamOpened(own.id, boot: own.boot, endpoint: own.endpoint))
            self.step(index, .exchange(seed.id))
            self.deliver()
        }
    }

    /// A bare ping, and behind it the rumors of a gossip packet whose events were sized until both have the length.
    private mutating func capturePing(of size: Int) throws {
        self.run(for: .seconds(60))
        let bare = self.pings.min { $0.count < $1.count }
        guard let bare else { throw BenchError("the peer never pinged the target") }
        let wanted = size - bare.count + Self.headerBytes
        for payload in 0...UserEvent.payloadBytesMax {
            self.gossip = []
            for filler in size > 1000 ? [payload, 400, 300] : [payload] {
                // Random, so that compression has no part in the measurement.
                let payload = (0..<filler).map { _ in UInt8.random(in: 0...255, using: &self.random) }
                self.step(1, .raise(name: "b", payload: payload))
            }
            // Long enough that nobody tells of them any more.
            self.run(for: .seconds(3))
            guard let rumors = self.gossip.first(where: { $0.count == wanted }) else { continue }
            self.ping = bare + rumors[Self.headerBytes...]
            return
        }
        throw BenchError("no rumors that make a ping of \(size) bytes")
    }

    private mutating func run(for duration: Duration) {
        let end = self.now + duration
        while self.now < end {
            for index in self.nodes.indices where self.nodes[index].nextWake <= self.now { self.step(index, .wake) }
            self.deliver()
            self.now = self.now + .milliseconds(5)
        }
    }

    private mutating func step(_ index: Int, _ input: Membership.Input) {
        self.effects.clear()
        self.nodes[index].step(input, at: self.now, into: &self.effects)
        self.collect(from: index)
    }

    private mutating func collect(from index: Int) {
        for effect in self.effects.list {
            switch effect {
            case .datagram(let endpoint, let range):
                let bytes = Array(self.effects.bytes[range])
                self.mail.append(.datagram(to: endpoint, from: index, bytes))
                guard index == 1, bytes.count > Self.headerBytes else { continue }
                let kind = bytes[Self.headerBytes]
                if kind == Self.ping, endpoint == self.nodes[0].local.endpoint { self.pings.append(bytes) }
                if kind == Self.event || kind == Self.alive { self.gossip.append(bytes) }
            case .stream(let id, _, let range):
                self.mail.append(.frame(to: id, from: index, Array(self.effects.bytes[range])))
            default: break
            }
        }
    }

    private mutating func deliver() {
        while !self.mail.isEmpty {
            let batch = self.mail
            self.mail = []
            for mail in batch {
                self.effects.clear()
                switch mail {
                case .datagram(let endpoint, let from, let bytes):
                    guard let to = self.nodes.firstIndex(where: { $0.local.endpoint == endpoint }) else { continue }
                    self.nodes[to].receive(
                        datagram: bytes.raw, from: self.nodes[from].local.endpoint, at: self.now, into: &self.effects)
                    self.collect(from: to)
                case .frame(let id, let from, let bytes):
                    guard let to = self.nodes.firstIndex(where: { $0.local.id == id }) else { continue }
                    self.nodes[to].receive(
                        frame: bytes.raw, from: self.nodes[from].local.id, at: self.now, into: &self.effects)
                    self.collect(from: to)
                }
            }
        }
    }
}
