package import MeshCore

/// Replicas come and go: found on the disk, created here, begun by a leader's word, removed.
extension Shard {
    /// What storage found, once, before anything else.
    package func recover(_ found: [RecoveredGroup], at moment: Moment) {
        for group in found {
            switch group {
            case .replica(let recovered): self.begin(recovered, at: moment)
            case .removed(let group, let incarnation, let addedAt):
                self.absent[group] = .removed(incarnation, addedAt: addedAt)
            case .damaged(let group, let error): self.absent[group] = .damaged(error)
            }
        }
    }

    func create(_ group: GroupID, _ incarnation: GroupIncarnation, for id: UInt64, at moment: Moment) {
        guard self.replicas[group] == nil, self.absent[group] == nil else {
            return self.turn.results.append((id, .exists))
        }
        let replica = ReplicaID(node: self.node, addedAt: 0)
        self.creating[group] = id
        self.beginFresh(group, incarnation, replica, ReplicaSet(voters: [replica]), at: moment)
    }

    private func beginFresh(
        _ group: GroupID, _ incarnation: GroupIncarnation, _ id: ReplicaID, _ replicas: ReplicaSet, at moment: Moment
    ) {
        let fresh = RecoveredReplica.fresh(
            group: group, incarnation: incarnation, id: id, replicas: replicas, settings: self.settings.raft)
        // Before any write of it: jobs of one group are done in order.
        self.turn.jobs.append(GroupJob(group, .create(fresh)))
        self.begin(fresh, at: moment)
    }

    private func begin(_ recovered: RecoveredReplica, at moment: Moment) {
        let group = recovered.group
        precondition(self.replicas[group] == nil, "\(group) runs already")
        let raft = Raft(
            recovered, life: self.life, settings: self.settings.raft, seed: self.random.next(), at: moment.now)
        let replica = GroupReplica<Lead>(
            raft, state: self.makers.state, lead: self.makers.lead(group, self.random.next()),
            environment: self.environment, observer: self.observer)
        replica.wanted = self.wanted[group] ?? []
        self.replicas[group] = replica
        self.absent[group] = nil
        self.groups.insert(group, at: self.groups.firstIndex { $0 > group } ?? self.groups.count)
        self.visit(group, at: moment) { $0.start(at: moment, into: &$1) }
    }

    /// A leader speaks to a replica that is not here yet: an entry has added it. False: the message is for nobody.
    ///
    /// Only appends and snapshots begin one, for a candidate may ask for one that was removed; and only one that was added
    /// later than any that was here, for an earlier one's votes are forgotten.
    func beginReplica(for message: RaftMessage, at moment: Moment) -> Bool {
        guard message.to.node == self.node, message.group.number < self.settings.groups else { return false }
        switch message.body {
        case .append, .snapshotChunk: break
        default: return false
        }
        if let replica = self.replicas[message.group] {
            guard replica.raft.id.addedAt < message.to.addedAt,
                replica.raft.incarnation == message.incarnation
            else { return true }
            // It was removed without knowing. The new one begins when the old one's data are gone.
            replica.ending = .removed
            self.end(message.group, at: moment)
            return false
        }
        switch self.absent[message.group] {
        case .leaving, .damaged: return false
        // A later incarnation counts its entries anew.
        case .removed(let incarnation, let addedAt):
            guard
                message.incarnation.counter > incarnation.counter
                    || (message.incarnation == incarnation && message.to.addedAt > addedAt)
            else { return false }
        // Whoever a group began with has its disk, or has lost it and is nobody.
        case nil: guard message.to.addedAt > 0 else { return false }
        }
        self.beginFresh(message.group, message.incarnation, message.to, .empty, at: moment)
        return true
    }

    /// Takes a replica down, for the reason that it gives; without one, because the node stops.
    func end(_ group: GroupID, at moment: Moment) {
        guard let replica = self.replicas.removeValue(forKey: group) else { return }
        self.groups.removeAll { $0 == group }
        self.gathering.removeAll { $0 == group }
        self.neighbours.note([], of: group)
        self.sleepers.forgetClaims()
        replica.end(at: moment, into: &self.turn)
        if let id = self.creating.removeValue(forKey: group) { self.turn.results.append((id, .notHere)) }
        switch replica.ending {
        case .removed:
            self.absent[group] = .leaving(replica.raft.id, replica.raft.incarnation)
            self.turn.jobs.append(GroupJob(group, .remove(replica.raft.id)))
        case .damaged(let error): self.absent[group] = .damaged(error)
        case nil: break
        }
    }

    // MARK: The disk's answers

    func receive(_ answer: GroupAnswer, at moment: Moment) {
        if case .leaving(let id, let incarnation) = self.absent[answer.group] {
            if case .removed = answer.result {
                self.absent[answer.group] = .removed(incarnation, addedAt: id.addedAt)
            }
            return
        }
        self.visit(answer.group, at: moment) { replica, turn in
            switch answer.result {
            case .created:
                if let id = self.creating.removeValue(forKey: answer.group) { turn.results.append((id, .done)) }
            case .stored(let sequence): replica.step(.stored(through: sequence), at: moment, into: &turn)
            case .applied(let index): replica.written(through: index, at: moment, into: &turn)
            case .loaded(let purpose, let entries): replica.step(.loaded(purpose, entries), at: moment, into: &turn)
            case .read(let number, let lists): replica.wasRead(number, lists, at: moment, into: &turn)
            case .snapshot(let input): replica.received(input, at: moment, into: &turn)
            case .damaged(let error): replica.ending = .damaged(error)
            case .removed: break
            }
        }
    }
}
