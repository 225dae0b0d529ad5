internal import MeshCore

/// The nodes with which a shard shares groups, counted by group, so that a change of one group costs no walk over all.
struct Neighbourhood {
    private var groups: [GroupID: [NodeID]] = [:]
    private var counts: [NodeID: Int] = [:]
    private var hasChanged = false

    /// nil: as before.
    mutating func note(_ nodes: [NodeID]?, of group: GroupID) {
        guard let nodes else { return }
        for node in nodes {
            self.counts[node, default: 0] += 1
            if self.counts[node] == 1 { self.hasChanged = true }
        }
        for node in self.groups.updateValue(nodes, forKey: group) ?? [] {
            self.counts[node, default: 1] -= 1
            if self.counts[node] == 0 {
                self.counts[node] = nil
                self.hasChanged = true
            }
        }
    }

    /// All of them in ascending order, if they are others than the last time.
    mutating func takeChange() -> [NodeID]? {
        guard self.hasChanged else { return nil }
        self.hasChanged = false
        return self.counts.keys.sorted()
    }
}
