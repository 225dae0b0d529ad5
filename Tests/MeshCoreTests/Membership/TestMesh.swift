import MeshCore

/// A few memberships that exchange their effects in virtual time: every packet arrives after one millisecond.
struct TestMesh {
    enum Delivery {
        case datagram([UInt8], from: Endpoint, to: Endpoint)
        case frame([UInt8], from: NodeID, to: NodeID)
    }

    struct Arrival {
        var at: Instant
        var delivery: Delivery
    }

    var nodes: [Membership?] = []
    var now = Instant(nanoseconds: 1_000_000_000)
    /// In order of arrival; those before `arrived` have been received.
    var arrivals: [Arrival] = []
    var arrived = 0
    var random = RandomSource(seed: 1)
    var changes: [(node: Int, change: MemberChange)] = []
    var events: [(node: Int, event: UserEvent)] = []
    var refusals: [(node: Int, reason: Membership.RefusalReason)] = []
    var departed: Set<Int> = []
    var neighbours: [Int: [NodeID]] = [:]
    /// Drops a datagram between two nodes.
    var loses: (_ from: Int, _ to: Int) -> Bool = { _, _ in false }
    /// Cuts datagrams and streams.
    var isCut: (_ from: Int, _ to: Int) -> Bool = { _, _ in false }
    /// Of all datagrams.
    var lossPercent = 0
    /// What `join` opened: who sees whose boot.
    private var streams: [(viewer: Int, peer: Int, boot: Boot)] = []
    private var paused: [Int: Instant] = [:]
    private var effects = Membership.Effects()

    init() {}

    static func id(_ node: Int) -> NodeID { NodeID(high: mixed(UInt64(node)), low: UInt64(node)) }
    static func endpoint(_ node: Int) -> Endpoint { Endpoint(ipv4: 0x0A00_0000 + UInt32(node), port: 7946) }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var random = RandomSource(seed: value)
        return random.next()
    }

    static func description(_ node: Int, epoch: UInt64 = 1, nonce: UInt64? = nil) -> MemberDescription {
        MemberDescription(
            id: self.id(node), boot: Boot(epoch: epoch, nonce: nonce ?? UInt64(node) * 1000 + epoch),
            endpoint: self.endpoint(node), name: "node-\(node)", zone: "z", version: "0.1.0")
    }

    /// A mesh of so many nodes that all know each other.
    static func joined(
        _ count: Int, configuration: Membership.Configuration = .lan, seed: UInt64 = 1, settle: Duration = .seconds(5)
    ) -> TestMesh {
        var mesh = TestMesh()
        mesh.random = RandomSource(seed: seed)
        for _ in 0..<count { mesh.boot(configuration: configuration) }
        for node in 1..<max(2, count) where node < count { mesh.join(node, through: 0) }
        mesh.run(for: settle)
        return mesh
    }

    @discardableResult
    mutating func boot(configuration: Membership.Configuration = .lan) -> Int {
        let node = self.nodes.count
        self.nodes.append(
            Membership(
                local: Self.description(node), configuration: configuration, seed: self.random.next(), at: self.now))
        return node
    }

    mutating func reboot(_ node: Int, epoch: UInt64, configuration: Membership.Configuration = .lan) {
        self.closeStreams(of: node)
        self.nodes[node] = Membership(
            local: Self.description(node, epoch: epoch), configuration: configuration, seed: self.random.next(),
            at: self.now)
    }

    mutating func join(_ node: Int, through seed: Int) {
        self.openStream(between: seed, and: node)
        self.step(node, .exchange(Self.id(seed)))
    }

    mutating func openStream(between first: Int, and second: Int) {
        for (viewer, peer) in [(first, second), (second, first)] {
            guard self.nodes[viewer] != nil, let boot = self.nodes[peer]?.local.boot else { continue }
            self.streams.append((viewer, peer, boot))
            self.step(viewer, .streamOpened(Self.id(peer), boot: boot, endpoint: Self.endpoint(peer)))
        }
    }

    /// kill -9: nothing comes from it, and its streams are reset and refused.
    mutating func kill(_ node: Int) {
        guard let boot = self.nodes[node]?.local.boot else { return }
        let own = Set(self.neighbours[node] ?? [])
        self.nodes[node] = nil
        for other in self.nodes.indices where self.nodes[other] != nil {
            let isNeighbour = self.neighbours[other]?.contains(Self.id(node)) == true || own.contains(Self.id(other))
            if isNeighbour { self.step(other, .streamClosed(Self.id(node), boot: boot, refused: true)) }
        }
        self.closeStreams(of: node)
    }

    /// Those of one node or all, as idle ones are: with a goodbye.
    mutating func closeStreams(of node: Int? = nil) {
        for stream in self.streams where node == nil || stream.viewer == node || stream.peer == node {
            self.step(stream.viewer, .streamClosed(Self.id(stream.peer), boot: stream.boot, refused: false))
        }
        self.streams.removeAll { node == nil || $0.viewer == node || $0.peer == node }
    }

    /// SIGSTOP, and SIGCONT later: what arrives meanwhile waits in the socket.
    mutating func pause(_ node: Int, for duration: Duration) { self.paused[node] = self.now + duration }

    mutating func step(_ node: Int, _ input: Membership.Input) {
        self.effects.clear()
        self.nodes[node]?.step(input, at: self.now, into: &self.effects)
        self.perform(node)
    }

    mutating func receive(_ node: Int, datagram bytes: [UInt8], from endpoint: Endpoint) {
        guard self.nodes.indices.contains(node) else { return }
        self.effects.clear()
        self.nodes[node]?.receive(
            datagram: bytes.raw, from: endpoint, at: self.now, into: &self.effects)
        self.perform(node)
    }

    mutating func receive(_ node: Int, frame bytes: [UInt8], from sender: NodeID) {
        guard self.nodes.indices.contains(node) else { return }
        self.effects.clear()
        self.nodes[node]?.receive(frame: bytes.raw, from: sender, at: self.now, into: &self.effects)
        self.perform(node)
    }

    private func node(at endpoint: Endpoint) -> Int { Int(endpoint.low & 0xFFFF) }

    private mutating func perform(_ node: Int) {
        for effect in self.effects.list {
            switch effect {
            case .datagram(let endpoint, let range):
                let target = self.node(at: endpoint)
                if self.isCut(node, target) || self.loses(node, target) { continue }
                if self.lossPercent > 0, Int.random(in: 0..<100, using: &self.random) < self.lossPercent { continue }
                self.send(.datagram(Array(self.effects.bytes[range]), from: Self.endpoint(node), to: endpoint))
            case .stream(let id, let endpoint, let range):
                let target = self.node(at: endpoint)
                if self.isCut(node, target) { continue }
                self.send(.frame(Array(self.effects.bytes[range]), from: Self.id(node), to: id))
            case .neighbours(let ids): self.neighbours[node] = ids
            case .changed(let change): self.changes.append((node, change))
            case .advertised: break
            case .event(let event): self.events.append((node, event))
            case .refused(let reason): self.refusals.append((node, reason))
            case .departed: self.departed.insert(node)
            }
        }
    }

    private mutating func send(_ delivery: Delivery) {
        self.enqueue(Arrival(at: self.now + .milliseconds(1), delivery: delivery))
    }

    private func index(of id: NodeID) -> Int { Int(truncatingIfNeeded: id.low & 0xFFFF) }

    mutating func run(for duration: Duration) { _ = self.run(for: duration, until: { _ in false }) }

    /// Runs until the condition holds; false if it never did.
    mutating func run(for duration: Duration, until condition: (TestMesh) -> Bool) -> Bool {
        let end = self.now + duration
        while !condition(self) {
            var next = self.arrived < self.arrivals.count ? self.arrivals[self.arrived].at : .distantFuture
            var waking: Int?
            for (index, node) in self.nodes.enumerated() {
                guard var wake = node?.nextWake else { continue }
                if let resumed = self.paused[index] { wake = max(wake, resumed) }
                if wake < next {
                    next = wake
                    waking = index
                }
            }
            guard next <= end else {
                self.now = end
                return condition(self)
            }
            self.now = max(self.now, next)
            if let waking {
                self.step(waking, .wake)
            } else {
                let delivery = self.arrivals[self.arrived].delivery
                self.arrived += 1
                if self.waits(delivery) { continue }
                switch delivery {
                case .datagram(let bytes, let from, let to):
                    self.receive(self.node(at: to), datagram: bytes, from: from)
                case .frame(let bytes, let from, let to):
                    self.receive(self.index(of: to), frame: bytes, from: from)
                }
            }
        }
        return true
    }

    /// Puts off what arrives at a node that is stopped.
    private mutating func waits(_ delivery: Delivery) -> Bool {
        let node =
            switch delivery {
            case .datagram(_, _, let to): self.node(at: to)
            case .frame(_, _, let to): self.index(of: to)
            }
        guard let resumed = self.paused[node] else { return false }
        if resumed <= self.now {
            self.paused[node] = nil
            return false
        }
        self.enqueue(Arrival(at: resumed, delivery: delivery))
        return true
    }

    private mutating func enqueue(_ arrival: Arrival) {
        let place = self.arrivals.lastIndex { $0.at <= arrival.at } ?? -1
        self.arrivals.insert(arrival, at: place + 1)
    }

    func state(of node: Int, at observer: Int) -> MemberState? { self.nodes[observer]?.state(of: Self.id(node)) }

    /// Whether all running nodes believe the same and nobody of them is doubted.
    var isConverged: Bool {
        let running = self.nodes.compactMap(\.self)
        return Set(running.map(\.stateHash)).count <= 1
            && running.allSatisfy { $0.memberCounts.alive == running.count && $0.memberCounts.suspect == 0 }
    }
}
