internal import MeshCore

/// True time of a run, in nanoseconds since its start. No node sees it: each has a `NodeClock` of its own.
package struct VirtualTime: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static let zero = VirtualTime(nanoseconds: 0)
    package static let distantFuture = VirtualTime(nanoseconds: .max)

    package static func < (left: VirtualTime, right: VirtualTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates at both ends.
    package static func + (time: VirtualTime, duration: Duration) -> VirtualTime {
        VirtualTime(nanoseconds: (Instant(nanoseconds: time.nanoseconds) + duration).nanoseconds)
    }

    package static func - (left: VirtualTime, right: VirtualTime) -> Duration {
        Instant(nanoseconds: left.nanoseconds) - Instant(nanoseconds: right.nanoseconds)
    }
}

extension VirtualTime: CustomStringConvertible {
    /// Seconds with milliseconds: `83.412s`.
    package var description: String { (self - .zero).inSeconds }
}

extension Duration {
    /// Seconds with milliseconds: `2.550s`.
    package var inSeconds: String {
        let milliseconds = self.nanoseconds / 1_000_000
        let fraction = String(milliseconds.magnitude % 1_000)
        let sign = milliseconds < 0 ? "-" : ""
        return
            "\(sign)\(milliseconds.magnitude / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)s"
    }
}
