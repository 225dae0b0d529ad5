internal import MeshCore

/// What other nodes say to this shard's groups: messages of replicas, and the parts of their nodes' heartbeats.
extension Shard {
    func receive(_ message: RaftMessage, from node: NodeID, at moment: Moment) {
        self.counters.messagesReceived += 1
        // The stream has proven who speaks.
        guard message.from.node == node else {
            self.counters.forged += 1
            return
        }
        if self.replicas[message.group]?.raft.id != message.to {
            guard self.beginReplica(for: message, at: moment) else {
                self.counters.unhosted += 1
                return
            }
        }
        self.visit(message.group, at: moment) { $0.step(.received(message), at: moment, into: &$1) }
    }

    // MARK: Heartbeats

    func receive(_ question: HeartbeatQuestion, at moment: Moment) {
        switch question {
        case .contribute(let node, let stamp): self.contribute(to: node, stamp: stamp)
        case .renew(let node, let stamp, let claims, let wall):
            self.environment.walls[node] = (wall, moment.now)
            self.renew(claims, by: node, stamp: stamp, at: moment)
        case .disagree(let node):
            for group in self.groups {
                self.visit(group, at: moment) { replica, _ in replica.raft.wakeUp(under: node, at: moment.now) }
            }
        case .answered(let node, let stamp, let renewed, let deposed, let sleepersAgree):
            self.answered(node, stamp, renewed, deposed, sleepersAgree: sleepersAgree, at: moment)
        case .silent(let node):
            for group in self.groups {
                self.visit(group, at: moment) { $0.step(.peer(.silent(node)), at: moment, into: &$1) }
            }
        }
    }

    private func contribute(to node: NodeID, stamp: Instant) {
        let claims = self.sleepers.claims(on: node) { claims in
            for group in self.groups {
                guard let (claim, isAsleep) = self.replicas[group]?.values.claim(on: node) else { continue }
                if isAsleep { claims.asleep.add(claim) } else { claims.awake.append(claim) }
            }
        }
        self.turn.heartbeats.append(.contribution(to: node, stamp: stamp, awake: claims.awake, asleep: claims.asleep))
    }

    /// In one step: what is renewed here counts from now, whatever the other shards say.
    private func renew(_ claims: [LeaderClaim], by node: NodeID, stamp: Instant, at moment: Moment) {
        var renewed: [GroupID] = []
        var deposed: [HeartbeatAnswer.Deposition] = []
        for claim in claims {
            self.visit(claim.group, at: moment) { replica, turn in
                replica.stepping(at: moment, into: &turn) { raft, effects in
                    if raft.renew(claim, by: node, at: moment.now, into: &effects) { renewed.append(claim.group) }
                }
                if replica.raft.term > claim.term {
                    deposed.append(.init(group: claim.group, term: replica.raft.term))
                }
            }
        }
        let asleep = self.sleepers.renewed(by: node, at: moment.now) { asleep in
            for group in self.groups {
                guard let claim = self.replicas[group]?.values.sleepingClaim(under: node) else { continue }
                asleep.add(claim)
            }
        }
        self.turn.heartbeats.append(
            .renewal(by: node, stamp: stamp, renewed: renewed, deposed: deposed, asleep: asleep))
    }

    private func answered(
        _ node: NodeID, _ stamp: Instant, _ renewed: [GroupID], _ deposed: [HeartbeatAnswer.Deposition],
        sleepersAgree: Bool?, at moment: Moment
    ) {
        for group in renewed {
            self.visit(group, at: moment) {
                $0.step(.peer(.renewed(node, stamp: stamp, asleep: false)), at: moment, into: &$1)
            }
        }
        for deposition in deposed {
            self.visit(deposition.group, at: moment) {
                $0.step(.peer(.deposed(deposition.term)), at: moment, into: &$1)
            }
        }
        guard let sleepersAgree else { return }
        guard !sleepersAgree else { return self.sleepers.agreed(node, stamp: stamp, at: moment.now) }
        for group in self.groups where self.replicas[group]?.values.claim(on: node)?.isAsleep == true {
            self.visit(group, at: moment) { $0.step(.peer(.differs(node)), at: moment, into: &$1) }
        }
    }
}
