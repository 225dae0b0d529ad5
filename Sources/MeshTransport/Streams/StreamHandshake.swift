package import MeshCore

/// Why a stream was not opened, or was closed.
package enum StreamRefusal: String, Error, Hashable, Sendable, CaseIterable {
    // What the other side is told, by the byte that says so.
    case unsupportedVersion, unknownKey, wrongMesh, busy, notAdmitted, duplicate, isSelf, staleBoot
    // What it is not told.
    case malformed, tooLong, handshakeFailed, timedOut, silent, unauthentic, undecompressable, unexpected
    /// The other side's answer makes no sense.
    case badAnswer

    package var code: UInt8? {
        switch self {
        case .unsupportedVersion: 1
        case .unknownKey: 2
        case .wrongMesh: 3
        case .busy: 4
        case .notAdmitted: 5
        case .duplicate: 6
        case .isSelf: 7
        case .staleBoot: 8
        default: nil
        }
    }

    init(code: UInt8) {
        self = Self.allCases.first { $0.code == code } ?? .badAnswer
    }

    /// Trying again will not help: the token, the mesh or the software is another.
    var isFinal: Bool {
        switch self {
        case .unsupportedVersion, .unknownKey, .wrongMesh, .notAdmitted: true
        default: false
        }
    }
}

/// What both sides of a handshake know beforehand.
package struct StreamContext: Sendable {
    var identity: NodeIdentity
    var cluster: ClusterID
    var keys: MeshKeys
    var hello: Hello

    package init(identity: NodeIdentity, cluster: ClusterID, keys: MeshKeys, hello: Hello) {
        self.identity = identity
        self.cluster = cluster
        self.keys = keys
        self.hello = hello
    }
}

/// Somebody whose static key is proven, and the ciphers shared with them.
package struct SecuredPeer: Sendable {
    package var id: NodeID
    package var hello: Hello
    package private(set) var send: CipherState
    package private(set) var receive: CipherState

    init(_ noise: NoiseHandshake, payload: [UInt8], own: Hello) throws(StreamRefusal) {
        guard let publicKey = noise.remoteStatic else { throw .handshakeFailed }
        self.id = NodeIdentity.nodeID(of: publicKey)
        do { self.hello = try Hello(decoding: payload) } catch { throw .malformed }
        guard self.hello.protocols.overlaps(own.protocols) else { throw .unsupportedVersion }
        (self.send, self.receive) = noise.split()
    }
}

/// The clear beginning of a stream: version and key id, and a MAC over them, the cluster id and the first Noise
/// message. Who does not hold the key gets no Diffie-Hellman computed and learns no identity.
private struct Preface {
    static let version: UInt8 = 1
    static let bytes = 1 + 1 + 4 + 16

    static func seal(_ message: [UInt8], key: MeshKey, cluster: ClusterID) -> [UInt8] {
        let head = self.head(key.id)
        return head + self.tag(head, message, key, cluster) + message
    }

    static func head(_ key: KeyID) -> [UInt8] {
        var writer = WireWriter()
        writer.write(self.version)
        writer.write(0 as UInt8)
        writer.write(key.value)
        return writer.bytes
    }

    static func open(
        _ packet: [UInt8], keys: MeshKeys, cluster: ClusterID
    ) throws(StreamRefusal) -> (key: MeshKey, message: [UInt8]) {
        guard let version = packet.first else { throw .malformed }
        guard version == self.version else { throw .unsupportedVersion }
        guard packet.count > self.bytes else { throw .malformed }
        let id = KeyID(packet[2..<6].reduce(0) { $0 << 8 | UInt32($1) })
        guard packet[1] == 0, let key = keys.key(id) else { throw .unknownKey }
        let message = Array(packet[self.bytes...])
        // A MAC compared in variable time leaks how much of a forgery was right, so compare locked copies.
        let expected = SecretBytes(copying: self.tag(Array(packet[..<6]), message, key, cluster))
        guard expected.isEqual(to: SecretBytes(copying: Array(packet[6..<self.bytes]))) else { throw .wrongMesh }
        return (key, message)
    }

    static func prologue(_ key: KeyID, _ cluster: ClusterID) -> [UInt8] {
        var writer = WireWriter(self.head(key))
        writer.write(cluster)
        return writer.bytes
    }

    private static func tag(_ head: [UInt8], _ message: [UInt8], _ key: MeshKey, _ cluster: ClusterID) -> [UInt8] {
        var writer = WireWriter(head)
        writer.write(cluster)
        return Blake2b.tag(writer.bytes + message, key: key.preface)
    }
}

/// The side that connected. Packets in, packets out; `docs/protocol.md`, section 4.
package struct InitiatorHandshake: Sendable {
    private let context: StreamContext
    private let key: MeshKey
    private var noise: NoiseHandshake

    /// Under the primary, or another key of the ring.
    package init(_ context: StreamContext, key: MeshKey? = nil) {
        self.context = context
        self.key = key ?? context.keys.primary
        self.noise = NoiseHandshake(
            role: .initiator, identity: context.identity, preShared: self.key.stream,
            prologue: Preface.prologue(self.key.id, context.cluster))
    }

    package mutating func first() throws(StreamRefusal) -> [UInt8] {
        let message = try noiseStep { () throws(NoiseError) in try self.noise.write(payload: []) }
        return Preface.seal(message, key: self.key, cluster: self.context.cluster)
    }

    /// The answer to the first packet: the third packet to send, and who answered. The peer is worth nothing until its
    /// verdict, the first record, has been opened: only that proves that it holds the key of the mesh.
    package mutating func second(_ packet: [UInt8]) throws(StreamRefusal) -> (reply: [UInt8], peer: SecuredPeer) {
        guard let code = packet.first else { throw .malformed }
        guard code == 0 else { throw StreamRefusal(code: code) }
        let payload = try noiseStep { () throws(NoiseError) in try self.noise.read(Array(packet.dropFirst())) }
        let reply = try noiseStep { () throws(NoiseError) in
            try self.noise.write(payload: self.context.hello.encoded)
        }
        return (reply, try SecuredPeer(self.noise, payload: payload, own: self.context.hello))
    }
}

/// The side that was connected to.
package struct ResponderHandshake: Sendable {
    private let context: StreamContext
    private var noise: NoiseHandshake?

    package init(_ context: StreamContext) { self.context = context }

    var hasBegun: Bool { self.noise != nil }

    package mutating func first(_ packet: [UInt8]) throws(StreamRefusal) -> [UInt8] {
        let (key, message) = try Preface.open(packet, keys: self.context.keys, cluster: self.context.cluster)
        var noise = NoiseHandshake(
            role: .responder, identity: self.context.identity, preShared: key.stream,
            prologue: Preface.prologue(key.id, self.context.cluster))
        _ = try noiseStep { () throws(NoiseError) in try noise.read(message) }
        let reply = try noiseStep { () throws(NoiseError) in try noise.write(payload: self.context.hello.encoded) }
        self.noise = noise
        return [0] + reply
    }

    package mutating func third(_ packet: [UInt8]) throws(StreamRefusal) -> SecuredPeer {
        guard var noise = self.noise else { throw .handshakeFailed }
        let payload = try noiseStep { () throws(NoiseError) in try noise.read(packet) }
        return try SecuredPeer(noise, payload: payload, own: self.context.hello)
    }
}

private func noiseStep(_ body: () throws(NoiseError) -> [UInt8]) throws(StreamRefusal) -> [UInt8] {
    do { return try body() } catch { throw .handshakeFailed }
}
