package import MeshCore

/// The clocks of one turn: the monotonic one, sampled after the input was taken from its queue, and the wall's.
package struct Moment: Hashable, Sendable {
    package var now: Instant
    /// Milliseconds since 1970.
    package var wall: UInt64

    package init(now: Instant, wall: UInt64) {
        self.now = now
        self.wall = wall
    }
}

/// What reaches a shard.
package enum ShardInput<Request: Sendable>: Sendable {
    /// Of groups that belong to this shard, all from that node.
    case messages([RaftMessage], from: NodeID)
    case answers([GroupAnswer])
    case request(GroupID, Request)
    case heartbeat(HeartbeatQuestion)
    /// The stream to that node ended, or gossip suspects it: a hint, never a verdict.
    case suspected(NodeID)
    /// Where a group's voters shall be; an empty list: wherever they are.
    case place(GroupID, [NodeID])
    case command(UInt64, GroupID, GroupCommand)
    /// Hand over what is led here to whoever can take it.
    case drain
    /// The node stops: everybody who waits is told.
    case stop
    case wake
}

/// What an operator or the node itself asks of one group.
package enum GroupCommand: Sendable {
    /// Begin a group here, as its only voter.
    case create(GroupIncarnation)
    case change(ReplicaChange)
    case transfer(to: ReplicaID?)
}

package enum GroupCommandResult: Hashable, Sendable {
    /// Durable, appended or handed over.
    case done
    case rejected(Raft.Rejection)
    /// No replica of the group is here, or its data are damaged.
    case notHere
    case exists
}

/// Everything that one turn of a shard's loop wants done.
package struct ShardTurn<Request: Sendable, Output: Sendable>: Sendable {
    package struct RoleChange: Hashable, Sendable {
        package var group: GroupID
        package var role: Raft.Role
        package var term: Term
        package var leader: ReplicaID?
    }

    /// In order, for `GroupStorage.perform`.
    package var jobs: [GroupJob] = []
    package var frames: [(node: NodeID, frame: PeerFrame)] = []
    package var outputs: [(group: GroupID, output: Output)] = []
    package var results: [(id: UInt64, result: GroupCommandResult)] = []
    /// For the heartbeats of the node.
    package var heartbeats: [HeartbeatAnswerOfShard] = []
    package var roles: [RoleChange] = []
    /// Requests for groups that are not here: the sender must look elsewhere.
    package var strays: [(group: GroupID, request: Request)] = []

    var gatherer = FrameGatherer()

    package init() {}

    package var isEmpty: Bool {
        self.jobs.isEmpty && self.frames.isEmpty && self.outputs.isEmpty && self.results.isEmpty
            && self.heartbeats.isEmpty && self.roles.isEmpty && self.strays.isEmpty
    }
}
