internal import MeshCore

/// A machine: power, a clock, a disk, and at most one process.
package struct Host {
    /// What outlives a process.
    struct Disk: Sendable {
        var id: NodeID
        var bootEpoch: UInt64 = 0
        var remembered: [MemberDescription] = []
        var tags: [Label] = []
    }

    let endpoint: Endpoint
    let clock: NodeClock
    var isPowered = true
    var disk: Disk
    /// Processes started here so far.
    var lives: UInt32 = 0
    var process: Process?

    static func endpoint(of host: Int) -> Endpoint { Endpoint(ipv4: 0x0A00_0000 + UInt32(host), port: 7946) }

    /// The host with that address, if it is one of `count`.
    static func index(of endpoint: Endpoint, count: Int) -> Int? {
        guard let address = endpoint.ipv4, address >= 0x0A00_0000, endpoint.port == 7946 else { return nil }
        let index = Int(address - 0x0A00_0000)
        return index < count ? index : nil
    }
}

/// A running node: the production `Membership` and what its driver keeps beside it.
///
/// A class, since a struct of this size would be copied, and all that it holds retained, wherever one field is read.
final class Process {
    /// What reaches a process. While it is stopped, these wait in the kernel.
    enum Input: Sendable {
        case wake
        case datagram(from: Int, BufferPool.Handle)
        /// A stranger's connection, to be accepted.
        case accept(ConnectionID)
        /// A connection of ours is open.
        case established(ConnectionID)
        case refused(ConnectionID)
        case timedOut(ConnectionID)
        case item(SimulatedStreams.Item, ConnectionID, from: StreamSide)
        /// The stream ended: by a reset, or in good order because nobody used it.
        case ended(ConnectionID, reset: Bool)
        case dialNeighbours
        case join
    }

    /// A stream as the process sees it.
    struct Link: Sendable {
        var connection: ConnectionID
        var host: Int
        var side: StreamSide
        /// Unknown until a join is answered.
        var peer: NodeID?
        var boot: Boot?
        var isOpen = false
    }

    /// Linux's default receive buffer of a UDP socket.
    static let datagramBufferBytes = 212_992

    var membership: Membership
    let life: UInt32
    let boot: Boot
    /// The earliest wake on the queue.
    var wakeAt = VirtualTime.distantFuture
    var pausedUntil: VirtualTime?
    var starving: (pause: Duration, work: Duration, until: VirtualTime)?
    var waiting: [Input] = []
    var waitingDatagramBytes = 0
    var links: [Link] = []
    var neighbours: [NodeID] = []
    var joinAttempts = 0
    var hasJoined = false
    var willDialAgain = false

    init(membership: Membership, life: UInt32, boot: Boot) {
        self.membership = membership
        self.life = life
        self.boot = boot
    }

    func link(to peer: NodeID) -> Link? {
        self.links.first { $0.peer == peer && $0.isOpen } ?? self.links.first { $0.peer == peer }
    }
}
