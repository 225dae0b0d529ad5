// The names are those of the JSON, which is snake_case and stable.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// What `keys` answers: ids only, never a key.
package struct KeysView: Codable, Sendable {
    /// The answering node's keys, the primary first.
    package var keys: [KeyView]
    /// By name and id; those that left are not among them.
    package var members: [KeyHolderView]
    /// Whether every live member has the same keys and the same primary.
    package var is_agreed: Bool
    /// The key that a change was about; nil in a listing.
    package var key: String?

    package init(keys: [KeyView], members: [KeyHolderView], is_agreed: Bool, key: String? = nil) {
        self.keys = keys
        self.members = members
        self.is_agreed = is_agreed
        self.key = key
    }
}

package struct KeyView: Codable, Sendable {
    /// 8 hexadecimal digits.
    package var id: String
    package var is_primary: Bool
    /// How many live members have it, and how many of them seal with it.
    package var held_by: Int
    package var primary_at: Int

    package init(id: String, is_primary: Bool, held_by: Int, primary_at: Int) {
        self.id = id
        self.is_primary = is_primary
        self.held_by = held_by
        self.primary_at = primary_at
    }
}

package struct KeyHolderView: Codable, Sendable {
    package enum Source: String, Codable, Sendable {
        /// It was asked just now.
        case answer
        /// It did not answer in time; what it advertised last.
        case gossip
        case none
    }

    package var id: String
    package var name: String
    /// As in `status`, or `unmet`: known from before this node's start, and not met since.
    package var state: String
    package var primary: String?
    /// Nil if nothing is known.
    package var keys: [String]?
    package var source: Source

    package init(id: String, name: String, state: String, primary: String?, keys: [String]?, source: Source) {
        self.id = id
        self.name = name
        self.state = state
        self.primary = primary
        self.keys = keys
        self.source = source
    }
}
