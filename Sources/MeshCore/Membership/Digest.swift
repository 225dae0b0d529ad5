/// A short description of everything a node believes about live members, kept up to date change by change.
///
/// Members fall into 256 buckets by their ids; a bucket is the exclusive or of what is known of its members. Two
/// nodes compare buckets and then exchange only those that differ (anti-entropy; Demers et al. 1987). The dead and
/// those that left are not in it: nodes forget them at different times, and a node that has forgotten must not be
/// told again for ever.
struct Digest: Equatable, Sendable {
    static let bucketCount = 256

    private(set) var buckets = [UInt64](repeating: 0, count: Self.bucketCount)

    static func bucket(of id: NodeID) -> Int { Int(mix(id.high, id.low) >> 56) }

    /// Adds a member, or takes it out again if it was in.
    mutating func toggle(_ record: borrowing MemberRecord) {
        guard record.isLive else { return }
        let identity = mix(record.id.high, record.id.low)
        let life = mix(record.boot.epoch, record.boot.nonce)
        let belief = mix(UInt64(record.incarnation), UInt64(record.state.rawValue))
        self.buckets[Int(identity >> 56)] ^= mix(identity, mix(life, belief))
    }

    /// Adds one version of a dynamic field of a live member, or takes it out again.
    mutating func toggle(_ field: FieldList.Field, of id: NodeID) {
        let identity = mix(id.high, id.low)
        self.buckets[Int(identity >> 56)] ^= mix(identity, mix(field.keyHash, UInt64(field.version)))
    }

    /// One word for all; equal on nodes that believe the same.
    var summary: UInt64 { self.buckets.reduce(0, ^) }
}

/// A set of buckets, as it travels: 256 bits.
struct BucketSet: Equatable, Sendable {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    static func == (left: BucketSet, right: BucketSet) -> Bool { left.words == right.words }

    var isEmpty: Bool { self.words == (0, 0, 0, 0) }

    func contains(_ bucket: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(bucket & 63)
        switch bucket >> 6 {
        case 0: return self.words.0 & bit != 0
        case 1: return self.words.1 & bit != 0
        case 2: return self.words.2 & bit != 0
        default: return self.words.3 & bit != 0
        }
    }

    mutating func insert(_ bucket: Int) {
        let bit: UInt64 = 1 << UInt64(bucket & 63)
        switch bucket >> 6 {
        case 0: self.words.0 |= bit
        case 1: self.words.1 |= bit
        case 2: self.words.2 |= bit
        default: self.words.3 |= bit
        }
    }
}
