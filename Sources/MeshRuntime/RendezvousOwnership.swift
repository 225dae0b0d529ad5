package import MeshCore
internal import Synchronization

/// The owner of a path is the first of its partition's ring among the members that can own anything.
package final class RendezvousOwnership: PathOwnership {
    private struct Ring: Sendable {
        var members: [NodeID] = []
        var owners: [NodeID?] = []
    }

    private let placement: Placement
    private let directory: any MemberDirectory
    /// Owners by partition, as far as they were asked for among these members.
    private let ring = Mutex(Ring())

    package init(placement: Placement, directory: any MemberDirectory) {
        self.placement = placement
        self.directory = directory
    }

    package func owner(of path: ActorPath) -> NodeID? {
        let partition = self.placement.partition(of: path)
        let members = self.directory.placeable
        return self.ring.withLock { ring in
            if ring.members != members || ring.owners.isEmpty {
                ring = Ring(members: members, owners: Array(repeating: nil, count: self.placement.partitions))
            }
            let index = Int(partition.index)
            if let owner = ring.owners[index] { return owner }
            ring.owners[index] = self.placement.owner(of: partition, among: members)
            return ring.owners[index]
        }
    }
}
