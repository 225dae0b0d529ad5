/// When a step of a rotation is safe: install everywhere, use everywhere, remove everywhere; each step keeps every
/// member able to open what a member one step away seals.
package enum KeyRotation {
    /// One member as seen by the node that is asked to change the keys.
    package struct Witness: Hashable, Sendable {
        package enum Presence: Hashable, Sendable {
            case alive
            /// It may come back: dead, or known from before this node's start and not met since.
            case away
            /// It went by its own wish, and may be started again with a new token.
            case left
        }

        package var name: String
        package var presence: Presence
        /// As it answered, or else as it advertised; nil if neither is known.
        package var keys: KeySummary?

        package init(name: String, presence: Presence, keys: KeySummary?) {
            self.name = name
            self.presence = presence
            self.keys = keys
        }
    }

    /// Who could not read what is sealed with `key`. A member that is away does not count: it comes back over a stream
    /// under one of the keys it has, and is given the rest.
    package static func cutOff(byUsing key: KeyID, _ witnesses: [Witness]) -> [Witness] {
        witnesses.filter { $0.presence == .alive && !($0.keys?.keys.contains(key) ?? false) }
    }

    /// Who could not come back, or still seals with it. One that is away must have been seen with another key of the
    /// ring: without it nobody would let it in.
    package static func cutOff(byRemoving key: KeyID, from ring: Keyring, _ witnesses: [Witness]) -> [Witness] {
        witnesses.filter { witness in
            guard witness.presence != .left else { return false }
            guard let keys = witness.keys else { return true }
            if witness.presence == .alive, keys.primary == key { return true }
            return !keys.keys.contains { $0 != key && ring.contains($0) }
        }
    }
}
