package import MeshCore

/// Which groups the first node of a mesh creates, with itself as their only voter. No other node ever creates one: replicas
/// come by being added.
package enum FirstGroups {
    package static let meta = GroupID(0)

    package static func group(of partition: Partition) -> GroupID { GroupID(UInt32(partition.index) + 1) }

    /// Nil for the meta group.
    package static func partition(of group: GroupID) -> Partition? {
        group == self.meta ? nil : Partition(index: UInt16(truncatingIfNeeded: group.number - 1))
    }

    /// The next groups to create, all at once; asked again when they are durable, until there are none.
    ///
    /// The meta group is the last: where it exists, the mesh was founded and whatever is missing was lost. Until then a
    /// first start that was cut short goes on where it was.
    ///
    /// - Parameters:
    ///   - isFounder: this node was told to create a mesh, by nobody's token, and its data folder says so.
    ///   - known: what storage found at the start and what was created since, also what is damaged or was removed.
    package static func missing(isFounder: Bool, partitions: Int, known: Set<GroupID>) -> [GroupID] {
        guard isFounder, !known.contains(self.meta) else { return [] }
        let missing = (0..<partitions).map { self.group(of: Partition(index: UInt16($0))) }
            .filter { !known.contains($0) }
        return missing.isEmpty ? [self.meta] : missing
    }
}
