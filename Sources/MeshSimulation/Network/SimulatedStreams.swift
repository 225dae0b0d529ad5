internal import DequeModule
package import MeshCore

/// One attempt to connect, and the stream that came of it. Serial numbers make a stale event harmless.
package struct ConnectionID: Hashable, Sendable {
    fileprivate var slot: Int32
    fileprivate var serial: UInt32

    package static func == (left: ConnectionID, right: ConnectionID) -> Bool {
        left.slot == right.slot && left.serial == right.serial
    }
    package var word: UInt64 { UInt64(self.serial) << 32 | UInt64(UInt32(bitPattern: self.slot)) }
}

package enum StreamSide: UInt8, Sendable {
    case opener, acceptor
    package var other: StreamSide { self == .opener ? .acceptor : .opener }
}

/// One life of a process on a host.
package struct ProcessID: Hashable, Sendable {
    package var host: Int
    package var life: UInt32

    package init(host: Int, life: UInt32) {
        self.host = host
        self.life = life
    }
}

/// What an opener wants of a connection.
package enum StreamPurpose: Hashable, Sendable {
    /// Whoever answers at that endpoint will do.
    case join
    /// Frames for this node or a stream kept open to it as a neighbour.
    case reach(NodeID)
    /// A stream to this boot was reset: is the process gone?
    case verify(NodeID, Boot)
}

/// Streams between processes: opened with a handshake, ordered, reset when a process dies, silent when a host does.
///
/// The table only keeps state; the simulation asks it what happens next and schedules that. Bytes are never lost on an
/// open stream, they wait: behind a cut until `stallMax`, then both ends give up.
package struct SimulatedStreams: Sendable {
    package enum Item: Sendable {
        /// The last message of the handshake: the acceptor knows now who speaks.
        case hello
        case frame(BufferPool.Handle)
        /// Finds out that the other end is gone when nothing else is said.
        case keepalive
    }

    package static let connectTimeout = Duration.seconds(3)
    package static let stallMax = Duration.seconds(15)
    package static let keepaliveInterval = Duration.seconds(15)
    package static let idleMax = Duration.seconds(30)

    package struct Connection: Sendable {
        package var id: ConnectionID
        package var opener: ProcessID
        /// The life is known from the moment the process accepts.
        package var acceptor: ProcessID
        package var purpose: StreamPurpose
        package var isOpen = false
        package var attempts = 0
        package var usedAt: VirtualTime
        fileprivate var told: StreamSide?
        fileprivate var fromOpener = Lane()
        fileprivate var fromAcceptor = Lane()

        package func end(_ side: StreamSide) -> ProcessID { side == .opener ? self.opener : self.acceptor }
    }

    /// One direction.
    fileprivate struct Lane: Sendable {
        var items: Deque<Item> = []
        var isMoving = false
        var stalledSince: VirtualTime?
    }

    private var slots: [Connection?] = []
    private var free: [Int32] = []
    private var serial: UInt32 = 0

    package init() {}

    package subscript(_ id: ConnectionID) -> Connection? {
        guard let connection = self.slots[Int(id.slot)], connection.id == id else { return nil }
        return connection
    }

    package mutating func open(from: ProcessID, to host: Int, purpose: StreamPurpose, at now: VirtualTime)
        -> ConnectionID
    {
        self.serial += 1
        let slot = self.free.popLast() ?? Int32(self.slots.count)
        if Int(slot) == self.slots.count { self.slots.append(nil) }
        let id = ConnectionID(slot: slot, serial: self.serial)
        self.slots[Int(slot)] = Connection(
            id: id, opener: from, acceptor: ProcessID(host: host, life: 0), purpose: purpose, usedAt: now)
        return id
    }

    /// Counts an attempt that found no host; returns how many there were.
    package mutating func retried(_ id: ConnectionID) -> Int {
        guard self[id] != nil else { return .max }
        self.slots[Int(id.slot)]!.attempts += 1
        return self.slots[Int(id.slot)]!.attempts
    }

    package mutating func accept(_ id: ConnectionID, by life: UInt32) {
        guard self[id] != nil else { return }
        self.slots[Int(id.slot)]!.acceptor.life = life
    }

    package mutating func establish(_ id: ConnectionID) {
        guard self[id] != nil else { return }
        self.slots[Int(id.slot)]!.isOpen = true
        // What waited for the handshake goes behind its last message.
        self.slots[Int(id.slot)]!.fromOpener.items.prepend(.hello)
    }

    package mutating func append(_ item: Item, to id: ConnectionID, from side: StreamSide, at now: VirtualTime) {
        guard self[id] != nil else { return }
        if case .frame = item { self.slots[Int(id.slot)]!.usedAt = now }
        self.withLane(of: id, from: side) { $0.items.append(item) }
    }

    /// The item that the caller must set moving, if the lane has one and stood still.
    package mutating func start(_ id: ConnectionID, from side: StreamSide) -> Item? {
        guard let connection = self[id], connection.isOpen else { return nil }
        return self.withLane(of: id, from: side) { lane in
            guard !lane.isMoving, let first = lane.items.first else { return nil }
            lane.isMoving = true
            return first
        }
    }

    /// The head of the lane has arrived.
    package mutating func arrive(_ id: ConnectionID, from side: StreamSide) -> (item: Item, next: Item?)? {
        guard self[id] != nil else { return nil }
        return self.withLane(of: id, from: side) { lane in
            lane.stalledSince = nil
            guard let item = lane.items.popFirst() else {
                lane.isMoving = false
                return nil
            }
            lane.isMoving = !lane.items.isEmpty
            return (item, lane.items.first)
        }
    }

    /// The head of the lane could not pass. Returns since when.
    package mutating func stall(_ id: ConnectionID, from side: StreamSide, at now: VirtualTime) -> VirtualTime {
        self.withLane(of: id, from: side) { lane in
            lane.stalledSince = lane.stalledSince ?? now
            return lane.stalledSince ?? now
        }
    }

    /// One side has been told of the end. True if the other was told before.
    package mutating func ended(_ id: ConnectionID, _ side: StreamSide) -> Bool {
        guard let connection = self[id] else { return false }
        self.slots[Int(id.slot)]!.told = side
        return connection.told == side.other
    }

    package mutating func close(_ id: ConnectionID, returning pool: inout BufferPool) {
        guard let connection = self[id] else { return }
        for item in connection.fromOpener.items { if case .frame(let buffer) = item { pool.discard(buffer) } }
        for item in connection.fromAcceptor.items { if case .frame(let buffer) = item { pool.discard(buffer) } }
        self.slots[Int(id.slot)] = nil
        self.free.append(id.slot)
    }

    private mutating func withLane<Result>(
        of id: ConnectionID, from side: StreamSide, _ body: (inout Lane) -> Result
    ) -> Result {
        switch side {
        case .opener: body(&self.slots[Int(id.slot)]!.fromOpener)
        case .acceptor: body(&self.slots[Int(id.slot)]!.fromAcceptor)
        }
    }
}
