/// What clients saw of a mesh, from a simulation or from real processes: what each asked and was answered, and when.
///
/// The format, JSON lines, is in docs/simulation.md.
package struct History: Sendable {
    package enum Outcome: String, Hashable, Sendable { case ok, failed, unknown }

    /// How often an acknowledged message may be processed.
    package enum Delivery: String, Sendable {
        case exactlyOnce = "exactly_once"
        case atLeastOnce = "at_least_once"
    }

    package struct Addition: Hashable, Sendable {
        package var addend: Int64
        /// The sum afterwards; nil unless the outcome is known.
        package var sum: Int64?
        package var call: Int64
        package var end: Int64?
        package var outcome: Outcome
        package var line: Int
    }

    /// The so-manieth message of a client to an object.
    package struct MessageName: Hashable, Sendable {
        package var client: String
        package var number: UInt64
    }

    package struct Sending: Hashable, Sendable {
        package var message: MessageName
        package var outcome: Outcome
        package var line: Int
    }

    package struct Processing: Hashable, Sendable {
        package var message: MessageName
        package var line: Int
    }

    package struct Outbox: Hashable, Sendable {
        package var source: String
        package var destination: String
    }

    package struct Arrival: Hashable, Sendable {
        package var number: UInt64
        package var line: Int
    }

    /// By object, each in the order of lines.
    package var registers: [String: [TimedOperation<RegisterModel.Operation>]] = [:]
    package var queues: [String: [TimedOperation<QueueModel.Operation>]] = [:]
    package var counters: [String: [Addition]] = [:]
    package var sendings: [String: [Sending]] = [:]
    package var processings: [String: [Processing]] = [:]
    package var outboxes: [Outbox: [Arrival]] = [:]
    package var delivery = Delivery.exactlyOnce
    package var operationCount = 0

    package init() {}
}
