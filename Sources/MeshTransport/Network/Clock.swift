internal import CDatagrams
internal import Glibc
package import MeshCore
internal import NIOCore

extension Instant {
    /// This node's monotonic clock, the one that every instant of the transport and its membership is on.
    package static func now() -> Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }
}

/// Nanoseconds since 1970, by the clock that people set.
func wallClockNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec))
}

extension NIODeadline {
    init(_ instant: Instant) { self = .uptimeNanoseconds(instant.nanoseconds) }
}

extension TimeAmount {
    init(_ duration: Duration) { self = .nanoseconds(duration.nanoseconds) }
}

/// Whether the kernel holds the wall clock for synchronised; nil where this process may not ask.
package func clockIsSynchronised() -> Bool? {
    let answer = meshnode_clock_is_synchronised()
    return answer < 0 ? nil : answer != 0
}
