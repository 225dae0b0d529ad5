package import MeshCore

/// Draws in integers only: libm differs between machines, and a replay must not.
extension RandomSource {
    /// From 0 up to but without `bound`.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "a draw below \(bound)")
        return Int(self.next(upperBound: UInt64(bound)))
    }

    package mutating func chance(_ share: Share) -> Bool {
        share.partsPerMillion > 0 && self.below(1_000_000) < share.partsPerMillion
    }

    package mutating func duration(in range: ClosedRange<Duration>) -> Duration {
        let width = UInt64((range.upperBound - range.lowerBound).nanoseconds)
        return range.lowerBound + .nanoseconds(Int64(self.next(upperBound: width &+ 1)))
    }

    /// `count` different numbers below `bound`, in ascending order.
    package mutating func distinct(_ count: Int, below bound: Int) -> [Int] {
        var chosen = Array(0..<bound)
        chosen.shuffle(using: &self)
        return chosen.prefix(count).sorted()
    }
}

/// A part of a whole, such as the share of packets that get lost.
package struct Share: Hashable, Comparable, Sendable {
    package var partsPerMillion: Int

    package init(partsPerMillion: Int) { self.partsPerMillion = partsPerMillion }

    package static let none = Share(partsPerMillion: 0)
    package static func percent(_ value: Int) -> Share { Share(partsPerMillion: value * 10_000) }
    package static func < (left: Share, right: Share) -> Bool { left.partsPerMillion < right.partsPerMillion }
}
