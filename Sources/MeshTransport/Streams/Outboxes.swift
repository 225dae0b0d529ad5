package import MeshCore
internal import NIOCore
internal import Synchronization

/// Frames waiting to be sent, per peer; offered from any thread, taken by the streams' event loop.
///
/// Each peer has two bounded lanes, so that messages, however many, never keep a membership frame from leaving.
package final class Outboxes: Sendable {
    package enum Lane: Sendable {
        case control, bulk

        init(_ kind: PeerFrame.Kind) {
            switch kind {
            case .membership, .keyring, .diagnosis, .heartbeat, .consensus, .placement: self = .control
            case .definitions, .query, .answer, .snapshot, .partition, .hosting: self = .bulk
            }
        }
    }

    package enum Offer: Hashable, Sendable { case full, tooLarge, schedule, alreadyScheduled }

    /// Per lane; one batch may exceed it if it finds the lane empty.
    static let laneBytesMax = 8 << 20
    private static let frameOverhead = 64

    private struct Queue {
        var frames = CircularBuffer<PeerFrame>()
        var bytes = 0

        func hasRoom(for more: Int) -> Bool {
            more == 0 || self.bytes == 0 || self.bytes + more <= Outboxes.laneBytesMax
        }
    }

    private struct Outbox {
        var control = Queue()
        var bulk = Queue()
        var isScheduled = false

        subscript(lane: Lane) -> Queue {
            get { lane == .control ? self.control : self.bulk }
            _modify { if lane == .control { yield &self.control } else { yield &self.bulk } }
        }
    }

    private let outboxes = Mutex<[NodeID: Outbox]>([:])

    package init() {}

    /// All of `frames` or none.
    package func offer(_ frames: [PeerFrame], to node: NodeID) -> Offer {
        guard frames.allSatisfy({ $0.body.count + PeerFrame.headerBytes <= PeerFrame.bytesMax }) else {
            return .tooLarge
        }
        let size = { (lane: Lane) in
            frames.reduce(0) { Lane($1.kind) == lane ? $0 + $1.body.count + Self.frameOverhead : $0 }
        }
        let (control, bulk) = (size(.control), size(.bulk))
        return self.outboxes.withLock { outboxes in
            // Taken out and put back, so that the queues are changed in place and not copied.
            var outbox = outboxes.removeValue(forKey: node) ?? Outbox()
            defer { outboxes[node] = outbox }
            guard outbox.control.hasRoom(for: control), outbox.bulk.hasRoom(for: bulk) else { return .full }
            for frame in frames { outbox[Lane(frame.kind)].frames.append(frame) }
            outbox.control.bytes += control
            outbox.bulk.bytes += bulk
            defer { outbox.isScheduled = true }
            return outbox.isScheduled ? .alreadyScheduled : .schedule
        }
    }

    /// Call before taking: whoever offers from now on schedules anew.
    package func beginTaking(for node: NodeID) { self.outboxes.withLock { $0[node]?.isScheduled = false } }

    package func take(_ lane: Lane, for node: NodeID) -> PeerFrame? {
        self.outboxes.withLock { outboxes in
            guard let frame = outboxes[node]?[lane].frames.popFirst() else { return nil }
            outboxes[node]?[lane].bytes -= frame.body.count + Self.frameOverhead
            return frame
        }
    }

    func hasFrames(_ lane: Lane, for node: NodeID) -> Bool {
        self.outboxes.withLock { !($0[node]?[lane].frames.isEmpty ?? true) }
    }

    /// True if frames were lost by it.
    @discardableResult
    package func discard(for node: NodeID) -> Bool {
        self.outboxes.withLock { outboxes in
            guard let outbox = outboxes.removeValue(forKey: node) else { return false }
            return !outbox.control.frames.isEmpty || !outbox.bulk.frames.isEmpty
        }
    }

    /// Of all peers together.
    var waitingBytes: Int {
        self.outboxes.withLock { $0.values.reduce(0) { $0 + $1.control.bytes + $1.bulk.bytes } }
    }

    var peersWaiting: [NodeID] {
        self.outboxes.withLock { outboxes in
            outboxes.filter { !$0.value.control.frames.isEmpty || !$0.value.bulk.frames.isEmpty }.keys.sorted()
        }
    }
}
