extension Placement {
    /// How far down a member stands in the ring of a partition; the least is the best.
    ///
    /// Weighted rendezvous hashing: with `hash` even in (0, 1], whoever has the least −log(hash)/weight is first with a
    /// probability in proportion to its weight (Schindelhauer and Schomaker 2005). The logarithm is a fixed-point number;
    /// where it cannot tell two apart, the hash does, so equal weights give the ring of `ring(of:among:)`.
    func distance(_ partition: Partition, _ node: NodeID, weight: Int) -> RingDistance {
        let hash = self.score(partition, node)
        return RingDistance(weighted: (negatedLog2(hash) << 16) / UInt64(weight), hash: hash, node: node)
    }
}

struct RingDistance: Comparable {
    fileprivate var weighted: UInt64
    fileprivate var hash: UInt64
    fileprivate var node: NodeID

    static func < (left: Self, right: Self) -> Bool {
        if left.weighted != right.weighted { return left.weighted < right.weighted }
        return left.hash != right.hash ? left.hash > right.hash : left.node < right.node
    }
}

/// −log2(value / 2⁶⁴) with 32 binary digits behind the point. Squaring the mantissa yields one digit at a time.
private func negatedLog2(_ value: UInt64) -> UInt64 {
    let value = max(value, 1)
    var mantissa = value << UInt64(value.leadingZeroBitCount)
    var result = UInt64(63 - value.leadingZeroBitCount)
    for _ in 0..<32 {
        // The mantissa stands for [1, 2) with the point behind its first digit.
        let square = mantissa.multipliedFullWidth(by: mantissa).high
        let digit = square >> 63
        mantissa = digit == 1 ? square : square << 1
        result = result << 1 | digit
    }
    return (64 << 32) - result
}
