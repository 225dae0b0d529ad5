/// Names a key of the mesh; the first 32 bits of a hash of the key, so that name and key cannot disagree.
package struct KeyID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt32

    package init(_ value: UInt32) { self.value = value }

    /// 8 lower-case hexadecimal digits.
    package var description: String {
        let digits = String(self.value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    package static func < (left: KeyID, right: KeyID) -> Bool { left.value < right.value }
}

/// Which keys a node accepts and which one it seals with. Ids only: the secrets stay in locked memory elsewhere.
///
/// A rotation without a stop is install everywhere, use everywhere, remove everywhere; each step here keeps the node
/// able to open what a node one step away seals.
package struct Keyring: Hashable, Sendable {
    package static let keysMax = 8

    /// Seals; the others only open. Always one of `keys`.
    package private(set) var primary: KeyID
    /// Ordered by id.
    package private(set) var keys: [KeyID]

    package init(primary: KeyID) {
        self.primary = primary
        self.keys = [primary]
    }

    /// Harmless for a key that is there.
    package mutating func install(_ key: KeyID) throws(KeyringError) {
        guard !self.keys.contains(key) else { return }
        guard self.keys.count < Self.keysMax else { throw .full }
        self.keys.append(key)
        self.keys.sort()
    }

    package mutating func use(_ key: KeyID) throws(KeyringError) {
        guard self.keys.contains(key) else { throw .unknown(key) }
        self.primary = key
    }

    package mutating func remove(_ key: KeyID) throws(KeyringError) {
        guard let index = self.keys.firstIndex(of: key) else { throw .unknown(key) }
        guard key != self.primary else { throw .primary(key) }
        self.keys.remove(at: index)
    }
}

package enum KeyringError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknown(KeyID)
    case primary(KeyID)
    case full

    package var description: String {
        switch self {
        case .unknown(let key): "no key \(key) in the keyring"
        case .primary(let key): "key \(key) is the primary: use another first"
        case .full: "the keyring holds \(Keyring.keysMax) keys: remove one first"
        }
    }
}
