package import MeshCore

/// What a run amounted to.
package struct Counters: Sendable {
    package var events = 0
    package var wakes = 0
    package var datagrams = 0
    package var datagramBytes = 0
    package var frames = 0
    package var frameBytes = 0
    package var connections = 0
    package var changes = 0
    package var userEvents = 0
    package var refused: [Membership.RefusalReason: Int] = [:]
}
