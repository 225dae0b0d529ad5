/// One frame on a sealed stream between two nodes.
///
/// Requests carry a `correlation` that their answer repeats; 0 means that no answer is expected. The layer above
/// matches answers and keeps deadlines; the transport only carries.
package struct PeerFrame: Hashable, Sendable {
    /// Which part of the daemon a frame is for. Raw values are on the wire.
    package enum Kind: UInt8, Sendable, CaseIterable {
        case membership = 1
        case keyring = 2
        case definitions = 3
        // 4 and 5 carried messages while each had one copy.
        case query = 6
        case answer = 7
        /// What one member asks another about the way between them.
        case diagnosis = 8
        /// Between two nodes for all groups that one leads on the other, and its answer.
        case heartbeat = 9
        /// Messages of replicas to replicas, many in one frame.
        case consensus = 10
        /// Pieces of snapshots: they may take long and hold up nothing else.
        case snapshot = 11
        /// Clients' messages on their way to leaders, messages between partitions, and the answers to both.
        case partition = 12
        /// What leaders report to the leader of the meta group, and where it wants their replicas.
        case placement = 13
        /// Between leaders of partitions and the nodes that run their activations.
        case hosting = 14
    }

    /// Header and body together; a message of 1 MiB and its envelope fit.
    package static let bytesMax = 2 << 20
    package static let headerBytes = 4 + 1 + 1 + 8

    package var kind: Kind
    package var correlation: UInt64
    package var body: [UInt8]

    package init(kind: Kind, correlation: UInt64 = 0, body: [UInt8]) {
        self.kind = kind
        self.correlation = correlation
        self.body = body
    }
}

/// Streams to other members, as the runtime sees them.
package protocol PeerNetwork: Sendable {
    /// Queues frames for one member, in order. A stream is opened if there is none.
    ///
    /// Queued is not delivered: a stream can still break, which `PeerHandler.disconnected` tells.
    func send(_ frames: [PeerFrame], to node: NodeID) -> PeerSend
}

package enum PeerSend: Sendable {
    case queued
    /// The queue to that member is full: try later.
    case full
    /// A frame longer than `PeerFrame.bytesMax`: it never can be sent.
    case tooLarge
    /// No such member, or it is dead or has left.
    case unknown
}

/// What the transport tells the layer above; called in order per peer, never concurrently for one peer.
package protocol PeerHandler: Sendable {
    func received(_ frame: PeerFrame, from node: NodeID)
    /// Frames queued or sent before may be lost; answers to them will not come on that stream.
    func disconnected(_ node: NodeID)
}
