package import MeshCore
internal import NIOCore

extension Instant {
    /// This node's monotonic clock, the one that every instant of the transport and its membership is on.
    package static func now() -> Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }
}

extension NIODeadline {
    init(_ instant: Instant) { self = .uptimeNanoseconds(instant.nanoseconds) }
}

extension TimeAmount {
    init(_ duration: Duration) { self = .nanoseconds(duration.nanoseconds) }
}
