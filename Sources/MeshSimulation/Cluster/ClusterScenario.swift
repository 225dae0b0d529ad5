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

    package init() {}

    /// All faults end here; then every group must serve.
    package var healAt: VirtualTime { .zero + (self.duration - ConsensusScenario.quiet) }

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
        if plan.kinds.contains(.compaction) { settings.raft.logBytesMax = 4_096 }
        settings.groups = self.groups
        // Small, so that a slow disk fills them.
        settings.unwrittenBytesMax = 1_024
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

    init() {}
}

package struct ClusterReport: Sendable {
    package let scenario: ClusterScenario
    package let kinds: [ConsensusFault]
    package let violation: Violation?
    package let virtualTime: Duration
    package let hash: UInt64
    package let counters: ClusterCounters

    init(_ simulation: borrowing ClusterSimulation) {
        self.scenario = simulation.scenario
        self.kinds = ConsensusFault.allCases.filter(simulation.plan.kinds.contains)
        self.violation = simulation.checks.violation
        self.virtualTime = simulation.now - .zero
        self.hash = simulation.trace.hash
        self.counters = simulation.counters
    }
}
