/// A change of the mesh as a whole; one entry of the meta group holds several.
package enum MetaCommand: Hashable, Sendable {
    /// The first of all: how many partitions there are, for ever, and who holds them at first.
    case found(partitions: Int, AdmittedMember)
    /// Lets a member in, or tells anew where it is and what it understands.
    case admit(AdmittedMember)
    case evict(NodeID, reason: String)
    case drain(NodeID, reason: String)
    /// It goes by its own word.
    case leave(NodeID)
    /// Of a drain or of leaving.
    case cancelDrain(NodeID)
    /// Stored as it is, not computed anew. `expects` is the version of the state that it was planned on.
    case place([PlacementChange], expects: LogIndex)
    /// All or none.
    case define([ActorDefinition], origin: NodeID)
    case delete(definition: String, origin: NodeID)
    /// What gossip had spread before there was a meta group: the higher version holds.
    case adopt([AppliedDefinition])
    case setReplicas(Int)
    case setReplaceAfter(Duration)
    /// Entries of this version may be written from here on; never lowered.
    case raiseVersion(UInt16)

    package static let changesMax = Int(UInt16.max)
    package static let definitionsMax = 256
}

extension MetaCommand {
    /// Says what no entry could hold, before it is proposed; what the state refuses is another matter.
    package func validate() throws(MeshError) {
        func check(_ condition: Bool, _ complaint: @autoclosure () -> String, hint: String = "") throws(MeshError) {
            guard condition else { throw MeshError(.invalidArgument, complaint(), hint: hint) }
        }
        func checkText(_ text: String, _ what: String) throws(MeshError) {
            try check(
                text.utf8.count <= AdmittedMember.textBytesMax,
                "\(what) has \(text.utf8.count) bytes of at most \(AdmittedMember.textBytesMax)", hint: "shorten it")
        }
        switch self {
        case .found(let partitions, let member):
            try check(1...Int(UInt16.max) ~= partitions, "\(partitions) partitions; there are 1 to \(UInt16.max)")
            try checkText(member.name, "the name")
        case .admit(let member): try checkText(member.name, "the name")
        case .evict(_, let reason), .drain(_, let reason): try checkText(reason, "the reason")
        case .place(let changes, _):
            try check(changes.count <= Self.changesMax, "\(changes.count) partitions change at once")
            try check(
                changes.allSatisfy { 1...ReplicaSet.replicasMax ~= $0.replicas.count },
                "a partition has 1 to \(ReplicaSet.replicasMax) replicas")
        case .define(let definitions, _):
            try check(
                definitions.count <= Self.definitionsMax, "\(definitions.count) definitions at once",
                hint: "split the file")
            for definition in definitions { try definition.validate() }
        case .delete(let name, _):
            try check(ActorDefinition.isName(name), "'\(name.prefix(64))' is not the name of a definition")
        case .adopt(let definitions):
            try check(definitions.count <= Self.definitionsMax, "\(definitions.count) definitions at once")
        case .setReplicas(let count):
            try check(MeshSettings.replicas.contains(count), "a partition has 1, 3 or 5 replicas, not \(count)")
        case .setReplaceAfter(let duration):
            try check(
                MeshSettings.replaceAfter.contains(duration),
                "a dead member is replaced after 1 second to 7 days, not \(duration)")
        case .leave, .cancelDrain, .raiseVersion: break
        }
    }
}

/// What one entry of the meta group says.
package struct MetaEntry: Hashable, Sendable {
    package static let commandsMax = 255

    /// The proposer's clock, for the history.
    package var at: WallMilliseconds
    package var commands: [MetaCommand]

    package init(at: WallMilliseconds, _ commands: [MetaCommand]) {
        self.at = at
        self.commands = commands
    }
}

/// What became of one command.
package enum MetaOutcome: Hashable, Sendable {
    package struct Defined: Hashable, Sendable {
        package var applied: AppliedDefinition
        package var change: DefinitionTable.Change
    }

    case done
    /// It was so already.
    case unchanged
    case defined([Defined])
    case deleted(AppliedDefinition)
    /// Planned on a state that is no longer: plan again.
    case stale
    case refused(MeshError)
}
