/// `Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b` (Perrin, The Noise Protocol Framework, revision 34).
///
/// Mutual authentication with static keys that travel encrypted; the third message proves the pre-shared key. A value:
/// messages in, messages out.
///
///     -> e
///     <- e, ee, s, es
///     -> s, se, psk
package struct NoiseHandshake: Sendable {
    package enum Role: Sendable { case initiator, responder }
    private enum Token { case e, s, ee, es, se, psk }

    static let protocolName = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b"
    private static let pattern: [[Token]] = [[.e], [.e, .ee, .s, .es], [.s, .se, .psk]]
    private static let keyBytes = 32

    let role: Role
    private let identity: NodeIdentity
    private let ephemeral: NodeIdentity
    private let preShared: SecretBytes
    private var symmetric = SymmetricState(protocolName: Self.protocolName)
    private var remoteEphemeral: [UInt8]?
    /// Known, and proven, when the handshake is complete.
    package private(set) var remoteStatic: [UInt8]?
    private var messages = 0

    package init(role: Role, identity: NodeIdentity, preShared: SecretBytes, prologue: [UInt8]) {
        self.role = role
        self.identity = identity
        self.ephemeral = .generate()
        self.preShared = preShared
        self.symmetric.mixHash(prologue)
    }

    package var isComplete: Bool { self.messages == Self.pattern.count }

    package mutating func write(payload: [UInt8]) throws(NoiseError) -> [UInt8] {
        var message: [UInt8] = []
        for token in self.nextTokens() {
            switch token {
            case .e:
                message += self.ephemeral.publicKey
                try self.mixEphemeral(self.ephemeral.publicKey)
            case .s: message += self.symmetric.encryptAndHash(self.identity.publicKey)
            case .psk: self.symmetric.mixKeyAndHash(self.preShared)
            case .ee, .es, .se: try self.mixAgreement(token)
            }
        }
        return message + self.symmetric.encryptAndHash(payload)
    }

    /// The payload of `message`.
    package mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        var rest = message[...]
        for token in self.nextTokens() {
            switch token {
            case .e:
                let key = try Self.take(Self.keyBytes, from: &rest)
                self.remoteEphemeral = key
                try self.mixEphemeral(key)
            case .s:
                let tag = self.symmetric.hasKey ? CipherState.tagBytes : 0
                self.remoteStatic = try self.symmetric.decryptAndHash(Self.take(Self.keyBytes + tag, from: &rest))
            case .psk: self.symmetric.mixKeyAndHash(self.preShared)
            case .ee, .es, .se: try self.mixAgreement(token)
            }
        }
        return try self.symmetric.decryptAndHash(Array(rest))
    }

    package func split() -> (send: CipherState, receive: CipherState) {
        precondition(self.isComplete, "split after message \(self.messages)")
        let (first, second) = self.symmetric.split()
        return self.role == .initiator ? (first, second) : (second, first)
    }

    private mutating func nextTokens() -> [Token] {
        precondition(!self.isComplete, "a fourth handshake message")
        defer { self.messages += 1 }
        return Self.pattern[self.messages]
    }

    /// With a pre-shared key, ephemeral keys go into the chaining key too (section 9.2).
    private mutating func mixEphemeral(_ key: [UInt8]) throws(NoiseError) {
        self.symmetric.mixHash(key)
        self.symmetric.mixKey(SecretBytes(copying: key))
    }

    private mutating func mixAgreement(_ token: Token) throws(NoiseError) {
        let isInitiator = self.role == .initiator
        let own: NodeIdentity
        let remote: [UInt8]?
        switch token {
        case .ee: (own, remote) = (self.ephemeral, self.remoteEphemeral)
        case .es:
            (own, remote) = isInitiator ? (self.ephemeral, self.remoteStatic) : (self.identity, self.remoteEphemeral)
        case .se:
            (own, remote) = isInitiator ? (self.identity, self.remoteEphemeral) : (self.ephemeral, self.remoteStatic)
        case .e, .s, .psk: preconditionFailure("\(token) is no agreement")
        }
        guard let remote else { preconditionFailure("\(token) before the key it needs") }
        guard let shared = own.agree(with: remote) else { throw .weakKey }
        self.symmetric.mixKey(shared)
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>) throws(NoiseError) -> [UInt8] {
        guard rest.count >= count else { throw .truncated }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
