package import MeshCore
internal import MeshRuntime

/// What a run of whole nodes is a function of.
package struct ClusterScenario: Sendable {
    package static let groupsMax = 64
    package static let shardsMax = 8

    package var hosts = 5
    package var groups = 4
    /// Of each node, beside the one that its heartbeats run on.
    package var shards = 2
    package var seed: UInt64 = 1
    package var duration = Duration.seconds(60)
    package var faults = ConsensusScenario.Faults.only([])
    /// Operations per virtual second and group.
    package var operations = 20
    /// A rule of consensus left out on purpose. For tests only; no command line reaches it.
    package var flaw: RaftFlaw?
    /// The same of partitions.
    package var partitionFlaw: PartitionFlaw?
    /// Of the faults that the seed draws, the only ones that happen, by their place in the plan; nil is all. So a run that
    /// breaks something can be made smaller and is the same run otherwise.
    package var kept: Set<Int>?

    package init() {}

    /// All faults end here; then every group must serve.
    package var healAt: VirtualTime { .zero + (self.duration - ConsensusScenario.quiet) }

    /// Clients begin nothing more, and what they have begun comes to its end.
    package var quietAt: VirtualTime { .zero + (self.duration - .seconds(6)) }

    /// The end of all faults always comes.
    func keeps(_ fault: ConsensusFaultPlan.Fault, at place: Int) -> Bool {
        if case .healAll = fault.action { return true }
        return self.kept?.contains(place) ?? true
    }

    /// Small, so that queues and tables are full now and then.
    var limits: LeadLimits {
        var limits = LeadLimits()
        limits.tailMax = 4
        limits.tailsBytesMax = 1 << 10
        limits.arrivalBytesMax = 4 << 10
        limits.arrivalsPerActorMax = 8
        limits.entryCommandsMax = 16
        limits.entriesInFlightMax = 4
        limits.inlineTurnsMax = 4
        limits.hostedTurnsMax = 2
        limits.activationsMax = 4
        limits.turnsPerPlace = 8
        limits.turnsAheadMax = 8
        limits.idleAfter = .seconds(2)
        limits.entryBytesMax = 8 << 10
        limits.deliveryCountMax = 4
        limits.outboxMax = 16
        limits.overloadPause = .milliseconds(100)
        limits.fullPause = .milliseconds(200)
        limits.placementPause = .milliseconds(200)
        limits.tickInterval = .seconds(5)
        limits.flaw = self.partitionFlaw
        return limits
    }

    var rules: PartitionRules {
        var rules = PartitionRules()
        // Longer than any run, and shorter than what a clock is off.
        rules.keyRetention = 30 * 60_000
        rules.idleActorsInMemory = 4
        rules.recentOutcomeBytes = 4 << 10
        rules.flaw = self.partitionFlaw
        return rules
    }

    /// Faults are drawn as for groups alone.
    var consensus: ConsensusScenario {
        var scenario = ConsensusScenario()
        scenario.hosts = self.hosts
        scenario.groups = self.groups
        scenario.seed = self.seed
        scenario.duration = self.duration
        scenario.faults = self.faults
        scenario.operations = self.operations
        scenario.flaw = self.flaw
        return scenario
    }

    func settings(of plan: ConsensusFaultPlan) -> ShardSettings {
        var settings = ShardSettings()
        settings.raft = self.consensus.settings
        // Entries are longer than those of registers alone.
        settings.raft.tailBytesMax = 16 << 10
        settings.raft.appendBytesMax = 8 << 10
        settings.raft.applyBytesMax = 16 << 10
        settings.raft.chunkBytesMax = 4 << 10
        if plan.kinds.contains(.compaction) { settings.raft.logBytesMax = 64 << 10 }
        settings.groups = self.groups
        // Small, so that a slow disk fills them.
        settings.unwrittenBytesMax = 32 << 10
        settings.unwrittenBatchesMax = 4
        return settings
    }
}

/// What a run amounted to.
package struct ClusterCounters: Sendable {
    package var events = 0
    package var turns = 0
    package var frames = 0
    package var frameBytes = 0
    package var messages = 0
    package var heartbeats = 0
    package var elections = 0
    package var writes = 0
    package var reads = 0
    package var unanswered = 0
    package var snapshots = 0
    package var transfers = 0
    package var begun = 0
    package var removed = 0
    package var shortReplicas = 0
    package var partitionMessages = 0
    package var partitionTurns = 0
    package var deliveries = 0
    package var sessions = 0
    package var retries = 0
    package var processed = 0
    package var deadLetters = 0
    package var undecided = 0

    init() {}
}

package struct ClusterReport: Sendable {
    package let scenario: ClusterScenario
    package let kinds: [ConsensusFault]
    package let violation: Violation?
    package let virtualTime: Duration
    package let hash: UInt64
    package let counters: ClusterCounters
    /// How many faults the seed drew.
    package let faults: Int

    init(_ simulation: borrowing ClusterSimulation) {
        self.scenario = simulation.scenario
        self.kinds = ConsensusFault.allCases.filter(simulation.plan.kinds.contains)
        self.violation = simulation.violation
        self.virtualTime = simulation.now - .zero
        self.hash = simulation.trace.hash
        self.counters = simulation.counters
        self.faults = simulation.plan.faults.count
    }
}
