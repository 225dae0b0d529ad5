import Logging
import MeshCore
import MeshTransport
import Synchronization

/// A real node on loopback: sockets, gossip, streams. Closed when `body` ends.
final class TestNode: Sendable {
    let network: MeshNetwork
    let addresses: MeshNetwork.Addresses
    let identity: NodeIdentity
    let frames: FrameLog

    private init(
        _ network: MeshNetwork, _ addresses: MeshNetwork.Addresses, _ identity: NodeIdentity, _ frames: FrameLog
    ) {
        self.network = network
        self.addresses = addresses
        self.identity = identity
        self.frames = frames
    }

    var id: NodeID { self.network.localID }
    var seed: HostAndPort { HostAndPort(host: self.addresses.bound.address, port: self.addresses.bound.port) }

    static func start(
        _ mesh: TestMesh, name: String = "node", host: String? = nil, port: UInt16 = 0,
        advertise: HostAndPort? = nil, identity: NodeIdentity = .generate(), epoch: UInt64 = 1,
        membership: Membership.Configuration = .patient, admission: any Admission = OpenAdmission(),
        keepKeys: @escaping @Sendable (MeshKeys) throws -> Void = { _ in }
    ) async throws -> TestNode {
        var configuration = MeshNetwork.Configuration(
            identity: identity, boot: Boot(epoch: epoch, nonce: randomUInt64()), cluster: mesh.cluster,
            keys: mesh.keys, name: name, bind: HostAndPort(host: host ?? mesh.host, port: port), membership: membership)
        configuration.version = "test"
        configuration.advertise = advertise
        configuration.keepKeys = keepKeys
        let network = MeshNetwork(
            configuration, admission: admission, logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() })
        let frames = FrameLog()
        return TestNode(network, try await network.start(handler: frames), identity, frames)
    }

    /// Closes everything in order; streams say goodbye.
    func stop() async {
        let task = Task { await self.network.run() }
        task.cancel()
        await task.value
    }
}

extension TestNode {
    /// What others see of a killed process: ends without goodbye, and a port that refuses.
    func crash() async { await self.network.stop(sayingGoodbye: false) }
}

struct TestMesh: Sendable {
    var cluster = ClusterID.random()
    var keys = MeshKeys.generate()
    /// Of loopback, and nobody else's: a port that a node gives back is free until a node here takes it again.
    let host = "127.\(Int.random(in: 1...254)).\(Int.random(in: 0...255)).\(Int.random(in: 1...254))"
}

extension Membership.Configuration {
    /// Gossips often, so that tests need not wait, and gives members the time that a busy machine takes from them:
    /// nobody who lives is suspected.
    static var patient: Self {
        var patient = Self.local
        patient.probeInterval = .seconds(5)
        patient.probeTimeout = .seconds(3)
        patient.gossipInterval = .milliseconds(20)
        patient.pushPullInterval = .seconds(1)
        return patient
    }

    /// For tests in which somebody dies or is looked for. Whoever lives may be suspected now and then, and refutes it.
    static var quick: Self {
        var quick = Self.patient
        quick.probeInterval = .milliseconds(200)
        quick.probeTimeout = .milliseconds(80)
        return quick
    }

    /// For tests that ask how a death was found: helpers have a second to say that they tried in vain.
    static var thorough: Self {
        var thorough = Self.patient
        thorough.probeInterval = .seconds(2)
        thorough.probeTimeout = .seconds(1)
        return thorough
    }
}

/// What a node's handler was told, in order.
final class FrameLog: PeerHandler {
    enum Entry: Sendable {
        case frame(PeerFrame, NodeID)
        case disconnected(NodeID)
    }

    private let log = Mutex<[Entry]>([])

    func received(_ frame: PeerFrame, from node: NodeID) { self.log.withLock { $0.append(.frame(frame, node)) } }
    func disconnected(_ node: NodeID) { self.log.withLock { $0.append(.disconnected(node)) } }

    var entries: [Entry] { self.log.withLock { $0 } }

    func frames(from node: NodeID) -> [PeerFrame] {
        self.entries.compactMap { if case .frame(let frame, node) = $0 { frame } else { nil } }
    }

    func disconnections(of node: NodeID) -> Int {
        self.entries.reduce(0) { if case .disconnected(node) = $1 { $0 + 1 } else { $0 } }
    }
}

struct NeverHappened: Error, CustomStringConvertible {
    var description: String
}

/// Waits for `condition`, until a deadline that only what never happens meets.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(120)
    while try await !condition() {
        guard clock.now < deadline else { throw NeverHappened(description: "never: " + what) }
        try await Task.sleep(for: .milliseconds(5))
    }
}
