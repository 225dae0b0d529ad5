internal import MeshCore

/// Every invariant of consensus, and the first one that broke. The names in brackets are those of Ongaro 2014, Figure
/// 3.2.
package struct ConsensusChecks: Sendable {
    package private(set) var violation: Violation?

    private var elections: [ElectionSafety]
    private var logs: [LogSafety]
    private(set) var registers: RegisterReads
    private var progress = Progress()
    private var lastAcknowledged: [VirtualTime]
    /// Hosts whose disk a fault has damaged, against which counts of holders prove nothing.
    private var damagedHosts: Set<Int> = []
    private var rolledBackHosts: Set<Int> = []
    private var lostReplicas: [Set<Int>]

    init(groups: Int) {
        self.elections = Array(repeating: ElectionSafety(), count: groups)
        self.logs = Array(repeating: LogSafety(), count: groups)
        self.registers = RegisterReads(groups: groups)
        self.lastAcknowledged = Array(repeating: .zero, count: groups)
        self.lostReplicas = Array(repeating: [], count: groups)
    }

    /// Keeps the first: what breaks later is often only its consequence.
    private mutating func report(_ name: String, _ host: Int, _ now: VirtualTime, _ text: String?) {
        guard self.violation == nil, let text else { return }
        self.violation = Violation(name, at: now, host: host, text)
    }

    // MARK: What was done to disks

    mutating func damaged(_ host: Int) { self.damagedHosts.insert(host) }
    mutating func rolledBack(_ host: Int) { self.rolledBackHosts.insert(host) }
    mutating func setUpAnew(_ host: Int) { self.rolledBackHosts.remove(host) }
    mutating func lost(_ group: Int, on host: Int) { self.lostReplicas[group].insert(host) }
    func isRolledBack(_ host: Int) -> Bool { self.rolledBackHosts.contains(host) }

    // MARK: What happened

    mutating func started(_ recovered: RecoveredReplica, group: Int, on host: Int, at now: VirtualTime) {
        guard !self.damagedHosts.contains(host) else { return }
        self.report(
            ElectionSafety.termsName, host, now,
            self.elections[group].started(recovered.id, in: recovered.state.term))
    }

    mutating func sent(_ message: RaftMessage, group: Int, on host: Int, at now: VirtualTime) {
        if let response = message.grant {
            self.report(ElectionSafety.wholeName, host, now, self.elections[group].isWhole(response, message))
            self.report(ElectionSafety.voteName, host, now, self.elections[group].granted(response, message))
        }
        self.elections[group].sent(message)
    }

    mutating func asked(_ request: VoteRequest, _ message: RaftMessage, group: Int, of raft: Raft?, on host: Int) {
        let mayBeShort = self.lostReplicas[group].contains(host)
        self.elections[group].asked(request, message, of: raft, mayBeShort: mayBeShort)
    }

    mutating func elected(_ raft: Raft, group: Int, on host: Int, at now: VirtualTime) {
        self.report(ElectionSafety.name, host, now, self.elections[group].elected(raft.id, in: raft.term))
        self.report(LogSafety.completenessName, host, now, self.logs[group].elected(raft))
    }

    mutating func wrote(
        _ write: LogWrite, after before: LogPosition?, group: Int, on host: Int, at now: VirtualTime
    ) {
        guard !write.entries.isEmpty else { return }
        self.report(LogSafety.matchingName, host, now, self.logs[group].wrote(write.entries, after: before))
    }

    /// The configuration in force is the last one in the log, committed or not; which log that is, a replica knows only
    /// once the disk has answered.
    mutating func stepped(_ raft: Raft, logged: LogIndex, on host: Int, at now: VirtualTime) {
        guard !raft.isReplacing, raft.history.latest.index != logged else { return }
        self.report(
            "the configuration is the log's", host, now,
            "\(raft.id) follows that of index \(raft.history.latest.index), its log's last is \(logged)")
    }

    mutating func applied(_ entries: [LogEntry], group: Int, in term: Term, on host: Int, at now: VirtualTime) {
        self.report(LogSafety.machineName, host, now, self.logs[group].applied(entries, in: term))
    }

    mutating func reached(_ index: LogIndex, hash: UInt64, group: Int, on host: Int, at now: VirtualTime) {
        self.report(LogSafety.stateName, host, now, self.logs[group].reached(index, hash: hash))
    }

    mutating func acknowledged(
        _ position: LogPosition, group: Int, key: Int, holders: Int, of replicas: ReplicaSet, on host: Int,
        at now: VirtualTime
    ) {
        self.registers.wrote(version: position.index, group: group, key: key)
        self.committed(position, group: group, holders: holders, of: replicas, on: host, at: now)
    }

    /// What a leader knows to be committed, and may tell others of.
    mutating func committed(
        _ position: LogPosition, group: Int, holders: Int, of replicas: ReplicaSet, on host: Int, at now: VirtualTime
    ) {
        self.lastAcknowledged[group] = now
        guard self.damagedHosts.isEmpty, holders < replicas.voters.count - replicas.quorum + 1 else { return }
        self.report(
            "acknowledged means in every later quorum", host, now,
            "\(position) was acknowledged and is durable on \(holders) of \(replicas.voters.count) voters")
    }

    mutating func read(
        version: UInt64, floor: UInt64, group: Int, key: Int, on host: Int, at now: VirtualTime
    ) {
        self.report(
            RegisterReads.name, host, now,
            self.registers.read(version: version, floor: floor, group: group, key: key))
    }

    /// An acknowledged write says which one it replaced: that is the one before it in the log.
    mutating func replaced(_ before: UInt64, by version: UInt64, group: Int, key: Int, at now: VirtualTime) {
        self.report(
            RegisterReads.writesName, -1, now,
            self.registers.replaced(before, by: version, group: group, key: key))
    }

    mutating func refused(_ reason: Raft.RefusalReason, on host: Int, at now: VirtualTime) {
        switch reason {
        // The network brings late messages, and replicas come and go.
        case .wrongReplica, .unknownReplica, .unexpected: break
        default: self.report("well-formed messages", host, now, "refused an honest peer's message: \(reason.rawValue)")
        }
    }

    mutating func undecodable(on host: Int, at now: VirtualTime) {
        self.report("well-formed messages", host, now, "could not decode another's message")
    }

    mutating func woke(_ host: Int, at now: VirtualTime) {
        if let violation = self.progress.woke(host, at: now), self.violation == nil { self.violation = violation }
    }

    /// Liveness: with all faults healed, every group has served its clients until these went, if it has any.
    mutating func finish(at now: VirtualTime, servedUntil end: VirtualTime, exceptFor idle: Set<Int> = []) {
        for (group, last) in self.lastAcknowledged.enumerated()
        where last + .seconds(3) < end && self.violation == nil && !idle.contains(group) {
            self.violation = Violation(
                "liveness", at: now,
                "group \(group) has acknowledged nothing since \(last), though all faults are healed")
        }
    }
}
