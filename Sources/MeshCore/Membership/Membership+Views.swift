/// What others ask of the membership. `members` is for people; the rest is cheap.
extension Membership {
    /// Everyone this node knows, itself included, ordered by id.
    package var members: [Member] {
        (0..<self.table.end).filter(self.table.isUsed).map(self.member(at:)).sorted {
            $0.description.id < $1.description.id
        }
    }

    package func member(_ id: NodeID) -> Member? { self.table.find(id).map(self.member(at:)) }

    private func member(at index: Int) -> Member {
        let record = self.table[index]
        let fields = self.table.fields(of: index).map(\.decoded)
        return Member(
            description: self.table.description(of: index), state: record.state, incarnation: record.incarnation,
            since: record.since,
            roundTrip: record.roundTrip == 0 ? nil : .microseconds(Int64(record.roundTrip)),
            capabilities: fields.compactMap { field in field.value.map { Label(field.key, $0) } }.sorted(),
            isStreamOnly: record.flags.contains(.streamOnly))
    }

    /// What happened to a member, oldest first, at most 16 changes; forgotten with the member.
    package func history(of id: NodeID) -> [MemberChange] {
        guard let index = self.table.find(id) else { return [] }
        if let changes = self.details[index]?.changes, !changes.isEmpty { return changes }
        // Nothing but its arrival.
        return [self.describe(index, from: nil, cause: .joined, at: self.table[index].since)]
    }

    package func state(of id: NodeID) -> MemberState? { self.table.find(id).map { self.table[$0].state } }

    package func boot(of id: NodeID) -> Boot? { self.table.find(id).map { self.table[$0].boot } }

    package func incarnation(of id: NodeID) -> UInt32? { self.table.find(id).map { self.table[$0].incarnation } }

    package func endpoint(of id: NodeID) -> Endpoint? { self.table.find(id).map { self.table[$0].endpoint } }

    package func roundTrip(to id: NodeID) -> Duration? {
        guard let index = self.table.find(id), self.table[index].roundTrip > 0 else { return nil }
        return .microseconds(Int64(self.table[index].roundTrip))
    }

    /// UDP to the member is blocked while its stream works.
    package func isStreamOnly(_ id: NodeID) -> Bool {
        self.table.find(id).map { self.table[$0].flags.contains(.streamOnly) } ?? false
    }

    /// Alive and suspect members, this node included while it has not left, ordered by id.
    package var placeable: [NodeID] {
        (0..<self.table.end).filter { self.table.isUsed($0) && self.table[$0].isLive }.map { self.table[$0].id }
            .sorted()
    }

    package var memberCounts: MemberCounts { self.counts }
    package var memberCount: Int { self.table.count }

    package var localIncarnation: UInt32 { self.table[0].incarnation }

    /// Whether another node has exchanged state with this one since its boot.
    package var isJoined: Bool { self.joinedAt != nil }

    package var isLeaving: Bool { self.phase != .active }

    /// Of all live members and their dynamic fields; equal on nodes that have converged.
    package var stateHash: UInt64 { self.digest.summary }

    /// Rumors still owed to the mesh; 0 when everything was told.
    package var rumorCount: Int { self.rumors.count }
}
