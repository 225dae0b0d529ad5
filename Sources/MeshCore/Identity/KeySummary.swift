/// What a member advertises of its keyring, for all to compare: the ids of its keys, the primary first.
///
/// It says so only after its disk has them. Ids are no secret; they stand in the clear on every packet.
package struct KeySummary: Hashable, Sendable {
    /// The dynamic field.
    package static let field = "mesh.keys"

    package var primary: KeyID
    /// The primary included, ordered by id.
    package var keys: [KeyID]

    package init(_ ring: Keyring) {
        self.primary = ring.primary
        self.keys = ring.keys
    }

    /// Nil for what no member of this version says.
    package init?(_ text: String) {
        let ids = text.split(separator: ",", maxSplits: Keyring.keysMax, omittingEmptySubsequences: false)
            .map { KeyID($0) }
        guard 1...Keyring.keysMax ~= ids.count, case let keys = ids.compactMap(\.self), keys.count == ids.count,
            Set(keys).count == keys.count
        else { return nil }
        self.primary = keys[0]
        self.keys = keys.sorted()
    }

    package var text: String {
        ([self.primary] + self.keys.filter { $0 != self.primary }).map(\.description).joined(separator: ",")
    }
}
