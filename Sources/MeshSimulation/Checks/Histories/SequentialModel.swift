/// What an object may answer if it is asked one thing at a time: what a linearizable one seems to do.
package protocol SequentialModel: Sendable {
    associatedtype State: Hashable & Sendable
    /// What was asked and, where it is known, what was answered.
    associatedtype Operation: Hashable & Sendable

    static var initial: State { get }

    /// The state after the operation; nil if an object in this state does not answer so.
    static func step(_ operation: Operation, from state: State) -> State?

    /// Whether the operation, answered so, changes no state it can happen in.
    static func isObserver(_ operation: Operation) -> Bool

    /// Values that tie an operation to others: a read to the write that it has seen. Leaving out of a linearizable
    /// history everything that has to do with a set of values leaves a linearizable one, as long as no operation that
    /// stays has to do with them.
    static func values(of operation: Operation) -> [ValueID]

    /// The same history with less to try: without operations of unknown outcome that nobody can have noticed, and with
    /// an end for those whose effect was seen.
    static func narrowed(_ operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>]

    /// Operations that cannot go together whatever the order, where that can be seen without a search. Nothing is said of
    /// histories in which none are found.
    static func contradiction(in operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>]?

    /// For each operation what the rest of the history demands of its place. Without any the search is as right, but for
    /// some objects hopeless: a wrong order of two pushes shows only when they are popped.
    static func constraints(_ operations: [TimedOperation<Operation>]) -> [OrderConstraint]
}

/// An operation cannot happen while one is left whose `before` is earlier than its own `after`.
package struct OrderConstraint: Hashable, Sendable {
    package static let none = OrderConstraint(before: .max, after: .min)

    package var before: Int64
    package var after: Int64

    package init(before: Int64, after: Int64) {
        self.before = before
        self.after = after
    }
}

extension SequentialModel {
    package static func contradiction(in operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>]? {
        nil
    }

    package static func constraints(_ operations: [TimedOperation<Operation>]) -> [OrderConstraint] {
        Array(repeating: .none, count: operations.count)
    }
}

/// A value of a history, by the number it was given when it was first seen.
package typealias ValueID = Int32

/// An operation and when it was under way, on one clock for the whole history.
package struct TimedOperation<Operation: Hashable & Sendable>: Hashable, Sendable {
    package var operation: Operation
    package var call: Int64
    /// When its answer came. Nil: the outcome is unknown, so it may take effect at any time after its call, or never.
    package var end: Int64?
    /// Where it came from, for people: the line of the history.
    package var line: Int

    package init(_ operation: Operation, call: Int64, end: Int64?, line: Int = 0) {
        self.operation = operation
        self.call = call
        self.end = end
        self.line = line
    }
}
