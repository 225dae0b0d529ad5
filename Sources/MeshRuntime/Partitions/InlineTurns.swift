internal import MeshCore

/// Activations of built-in actors: their turns are short and wait for nothing, so they run within the turn of their shard.
struct InlineTurns: Sendable {
    private struct Key: Hashable, Sendable {
        var group: GroupID
        var activation: ActivationID
    }

    private var states: [Key: ActorState] = [:]

    var count: Int { self.states.count }

    mutating func run(_ order: TurnOrder, _ builtIn: BuiltIn, of group: GroupID) -> PartitionRequest {
        let key = Key(group: group, activation: order.activation)
        // The first order brings what the actor remembers; without it nobody here knows.
        guard var state = order.state.map({ ActorState(entries: $0) }) ?? self.states[key] else {
            return .disowned(order.activation)
        }
        self.states[key] = state
        let end: TurnReport.End
        do throws(MeshError) {
            let reply = try builtIn.turn(order.envelope.message.body, state: &state)
            let changes = state.takeChanges()
            end = .finished(TurnResult(reply: reply, changes: changes, keys: state.count))
            self.states[key] = state
        } catch {
            // What it did to its copy of the state is forgotten with it.
            end = .failed(FailureType(error.code.rawValue), error)
        }
        return .turn(TurnReport(order.activation, number: order.number, end))
    }

    mutating func release(_ activation: ActivationID, of group: GroupID) {
        self.states[Key(group: group, activation: activation)] = nil
    }
}
