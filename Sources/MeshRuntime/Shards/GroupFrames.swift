package import MeshCore
internal import Synchronization

/// Takes the frames of groups from the streams: decodes each once, on the thread that it arrives on, and gives every shard
/// its part.
package final class GroupFrames: Sendable {
    private let shardOf: @Sendable (GroupID) -> ShardID
    private let deliver: @Sendable (ShardID, [RaftMessage], _ from: NodeID) -> Void
    private let heartbeats: @Sendable ([UInt8], _ from: NodeID) -> Void
    private let malformed = Atomic<Int>(0)

    package init(
        shardOf: @escaping @Sendable (GroupID) -> ShardID,
        deliver: @escaping @Sendable (ShardID, [RaftMessage], _ from: NodeID) -> Void,
        heartbeats: @escaping @Sendable ([UInt8], _ from: NodeID) -> Void
    ) {
        self.shardOf = shardOf
        self.deliver = deliver
        self.heartbeats = heartbeats
    }

    /// Messages, or whole frames, that do not parse.
    package var malformedCount: Int { self.malformed.load(ordering: .relaxed) }

    /// False for a frame that is about something else.
    package func received(_ frame: PeerFrame, from node: NodeID) -> Bool {
        switch frame.kind {
        case .heartbeat: self.heartbeats(frame.body, node)
        case .consensus, .snapshot: self.route(frame.body, from: node)
        default: return false
        }
        return true
    }

    private func route(_ body: [UInt8], from node: NodeID) {
        let frame: ConsensusFrame
        do throws(WireError) { frame = try ConsensusFrame(decoding: body) } catch {
            self.malformed.add(1, ordering: .relaxed)
            return
        }
        if frame.malformed > 0 { self.malformed.add(frame.malformed, ordering: .relaxed) }
        // Few shards, and most frames are for one.
        var parts: [(shard: ShardID, messages: [RaftMessage])] = []
        for message in frame.messages {
            let shard = self.shardOf(message.group)
            if let place = parts.firstIndex(where: { $0.shard == shard }) {
                parts[place].messages.append(message)
            } else {
                parts.append((shard, [message]))
            }
        }
        for part in parts { self.deliver(part.shard, part.messages, node) }
    }
}
