/// Which keys a mesh accepts and which one it seals with. Ids only: the secrets stay in locked memory elsewhere.
///
/// A replicated value: nodes change their own copy, tell each other, and merge; whoever was away gets what it missed by
/// the same merge. Copies that have heard the same things are equal, in whatever order they heard them. So a rotation
/// needs no coordinator that must not die, and a second operator, or the other half of a partition, does no harm.
package struct Keyring: Hashable, Sendable {
    package static let keysMax = 8
    /// Removed keys that are remembered, so that a node that was away does not bring them back.
    package static let removedMax = 56
    package static let entriesMax = keysMax + removedMax

    /// When a key was changed: Lamport's clock, its ties broken by who changed it.
    package struct Stamp: Hashable, Comparable, Sendable {
        /// No honest mesh comes near; what claims more is malformed.
        package static let counterMax: UInt64 = 1 << 48
        package static let never = Stamp(counter: 0, origin: NodeID(high: 0, low: 0))

        package var counter: UInt64
        package var origin: NodeID

        package init(counter: UInt64, origin: NodeID) {
            self.counter = counter
            self.origin = origin
        }

        package static func < (left: Stamp, right: Stamp) -> Bool {
            (left.counter, left.origin) < (right.counter, right.origin)
        }
    }

    package struct Entry: Hashable, Sendable {
        package var id: KeyID
        /// When it was installed, used again after a removal, or removed.
        package var changed: Stamp
        package var isRemoved: Bool
        /// When it became the primary for the last time.
        package var used: Stamp

        package init(id: KeyID, changed: Stamp, isRemoved: Bool = false, used: Stamp = .never) {
            self.id = id
            self.changed = changed
            self.isRemoved = isRemoved
            self.used = used
        }

        /// The later word counts; of one moment's two words, the removal.
        fileprivate func merged(with other: Entry) -> Entry {
            let isLater = other.changed == self.changed ? other.isRemoved : other.changed > self.changed
            var merged = isLater ? other : self
            merged.used = max(self.used, other.used)
            return merged
        }
    }

    /// Ordered by id; at least one is not removed.
    package private(set) var entries: [Entry]

    /// As a join token has it. Every reader of one token makes the same keyring of it, and any later word beats it.
    package init(primary: KeyID, others: [KeyID] = []) {
        let first = Stamp(counter: 1, origin: Stamp.never.origin)
        self.entries =
            [Entry(id: primary, changed: .never, used: first)] + others.map { Entry(id: $0, changed: .never) }
        self.entries.sort { $0.id < $1.id }
    }

    /// Nil unless at least one key is there, none twice, and not too many.
    package init?(_ entries: [Entry]) {
        self.entries = entries.sorted { $0.id < $1.id }
        guard Self.isWellFormed(self.entries), 1...Self.keysMax ~= self.keys.count else { return nil }
    }

    private static func isWellFormed(_ sorted: [Entry]) -> Bool {
        sorted.count <= self.entriesMax && zip(sorted, sorted.dropFirst()).allSatisfy { $0.id < $1.id }
    }

    // MARK: what holds

    /// Seals; the others only open. The one used last: if it was removed elsewhere at the same moment, every node falls
    /// back to the same one before it.
    package var primary: KeyID {
        guard let last = self.present.max(by: Self.isLess) else { preconditionFailure("a keyring without keys") }
        return last.id
    }

    /// Ordered by id.
    package var keys: [KeyID] { self.present.map(\.id) }

    /// The primary, then the others, latest first: the order in which somebody who was away may know them.
    package var byUse: [KeyID] { self.present.sorted { Self.isLess($1, $0) }.map(\.id) }

    /// Installed last and never the primary: what an interrupted rotation was about to use.
    package var spare: KeyID? {
        let unused = self.present.filter { $0.used == .never && $0.changed > .never }
        return unused.max { ($0.changed, $0.id) < ($1.changed, $1.id) }?.id
    }

    package func contains(_ key: KeyID) -> Bool { self[key].map { !$0.isRemoved } ?? false }

    package subscript(key: KeyID) -> Entry? { self.entries.first { $0.id == key } }

    private var present: [Entry] { self.entries.filter { !$0.isRemoved } }

    private static func isLess(_ left: Entry, _ right: Entry) -> Bool {
        (left.used, left.changed, left.id) < (right.used, right.changed, right.id)
    }

    // MARK: changes by an operator

    /// Harmless for a key that is there.
    package mutating func install(_ key: KeyID, by node: NodeID) throws(KeyringError) {
        guard !self.contains(key) else { return }
        guard self.keys.count < Self.keysMax else { throw .full }
        self.put(Entry(id: key, changed: try self.now(node), used: self[key]?.used ?? .never))
    }

    /// Stamps the key as present too: of a removal at the same time elsewhere, the later word decides.
    package mutating func use(_ key: KeyID, by node: NodeID) throws(KeyringError) {
        guard self.contains(key) else { throw .unknown(key) }
        guard key != self.primary else { return }
        let now = try self.now(node)
        self.put(Entry(id: key, changed: now, used: now))
    }

    /// Harmless for a key that was removed already.
    package mutating func remove(_ key: KeyID, by node: NodeID) throws(KeyringError) {
        guard let entry = self[key] else { throw .unknown(key) }
        guard !entry.isRemoved else { return }
        guard key != self.primary else { throw .primary(key) }
        self.put(Entry(id: key, changed: try self.now(node), isRemoved: true, used: entry.used))
        self.trim()
    }

    private func now(_ node: NodeID) throws(KeyringError) -> Stamp {
        let latest = self.entries.map { max($0.changed, $0.used) }.max() ?? .never
        // What nobody would take must not be kept either: the node could not read its own file.
        guard latest.counter < Stamp.counterMax else { throw .exhausted }
        return Stamp(counter: latest.counter + 1, origin: node)
    }

    private mutating func put(_ entry: Entry) {
        self.entries.removeAll { $0.id == entry.id }
        self.entries.insert(entry, at: self.entries.firstIndex { $0.id > entry.id } ?? self.entries.endIndex)
    }

    // MARK: what others tell

    /// Takes over what another node's keyring knows better. `isHeld` says of which keys the secret is at hand: a key
    /// without its secret is no key. All or nothing: a merge that would leave no key at all is refused.
    package mutating func merge(_ told: [Entry], isHeld: (KeyID) -> Bool) throws(KeyringError) {
        var merged = self
        for entry in told {
            let next = self[entry.id].map { $0.merged(with: entry) } ?? entry
            if next.isRemoved || isHeld(next.id) { merged.put(next) }
        }
        guard !merged.present.isEmpty else { throw .nothingLeft }
        merged.trim()
        self = merged
    }

    /// Whether whoever told this has something to learn from this keyring.
    package func knowsBetter(than told: [Entry]) -> Bool {
        self.entries.contains { mine in
            guard let theirs = told.first(where: { $0.id == mine.id }) else { return true }
            return theirs.merged(with: mine) != theirs
        }
    }

    /// Whether something of what was told was not taken over, for want of its secret.
    package func lacks(_ told: [Entry]) -> Bool {
        told.contains { theirs in !theirs.isRemoved && (self[theirs.id].map { $0.merged(with: theirs) != $0 } ?? true) }
    }

    /// Two halves of a mesh can install more keys than fit. Every node gives up the same ones, those used longest ago,
    /// as if they had been removed; and of the removed forgets the oldest.
    private mutating func trim() {
        let surplus = self.present.sorted(by: Self.isLess).dropLast(Self.keysMax)
        for var entry in surplus {
            entry.isRemoved = true
            self.put(entry)
        }
        let removed = self.entries.filter(\.isRemoved).sorted { ($0.changed, $0.id) < ($1.changed, $1.id) }
        let forgotten = Set(removed.dropLast(Self.removedMax).map(\.id))
        if !forgotten.isEmpty { self.entries.removeAll { forgotten.contains($0.id) } }
    }
}

package enum KeyringError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknown(KeyID)
    case primary(KeyID)
    case full
    case nothingLeft
    /// A member has claimed the last number there is.
    case exhausted

    package var description: String {
        switch self {
        case .unknown(let key): "no key \(key) in the keyring"
        case .primary(let key): "key \(key) is the primary: use another first"
        case .full: "the keyring holds \(Keyring.keysMax) keys: remove one first"
        case .nothingLeft: "every key would be gone"
        case .exhausted:
            "a member claims the last number that changes of keys can have: this mesh's keys cannot change any more"
        }
    }
}
