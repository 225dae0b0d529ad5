/// `/meshnode/queue/{key}`: first in, first out.
package enum QueueModel: SequentialModel {
    package enum Operation: Hashable, Sendable {
        case push(ValueID, answer: ValueID? = nil)
        /// Answers what was first, or null if there was nothing. Nil: it is not known what.
        case pop(ValueID?)
        /// A pop that answers null where null is never pushed: there was nothing.
        case popNothing
    }

    /// Null, which a pop answers that finds nothing: the first value that any history knows.
    private static let null: ValueID = 0

    package static let initial: [ValueID] = []

    package static func step(_ operation: Operation, from state: [ValueID]) -> [ValueID]? {
        switch operation {
        case .push(let value, let answer): return answer == nil || answer == value ? state + [value] : nil
        case .pop(let value):
            guard let first = state.first else { return value == nil || value == Self.null ? state : nil }
            return value == nil || value == first ? Array(state.dropFirst()) : nil
        case .popNothing: return state.isEmpty ? state : nil
        }
    }

    package static func isObserver(_ operation: Operation) -> Bool { operation == .popNothing }

    package static func values(of operation: Operation) -> [ValueID] {
        switch operation {
        case .push(let value, _): [value]
        case .pop(let value): value.map { [$0] } ?? []
        case .popNothing: []
        }
    }

    /// A push of unknown outcome whose value was never popped can as well never have happened: all that was popped was
    /// before it. One whose value was popped was over by then. And values that were never popped are all the same: nobody
    /// can tell which of them is where.
    package static func narrowed(_ operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>] {
        var pops: [ValueID: [Int64]] = [:]
        var pushes: [ValueID: Int] = [:]
        for operation in operations {
            switch operation.operation {
            case .push(let value, _): pushes[value, default: 0] += 1
            case .pop(let value?): pops[value, default: []].append(operation.end ?? .max)
            case .pop(nil), .popNothing: break
            }
        }
        return operations.compactMap { operation in
            guard case .push(let value, let answer) = operation.operation else { return operation }
            var operation = operation
            guard let ends = pops[value] else {
                if answer == nil || answer == value { operation.operation = .push(Self.neverPopped) }
                return operation.end == nil ? nil : operation
            }
            guard operation.end == nil else { return operation }
            // If there is one push alone, it is the one that was popped; unless null was answered for want of an element.
            if value != Self.null, pushes[value] == 1, let first = ends.min(), operation.call <= first, first < .max {
                operation.end = first
            }
            return operation
        }
    }

    private static let neverPopped: ValueID = -1

    /// What was popped earlier was pushed earlier: a push cannot happen while one is left whose value was popped before
    /// its own was. One that was never popped comes behind all that were, unless a pop of unknown outcome took it.
    package static func constraints(_ operations: [TimedOperation<Operation>]) -> [OrderConstraint] {
        var pops: [ValueID: [TimedOperation<Operation>]] = [:]
        var pushes: [ValueID: Int] = [:]
        var isTakenUnseen = false
        for operation in operations {
            switch operation.operation {
            case .push(let value, _): pushes[value, default: 0] += 1
            case .pop(let value?): pops[value, default: []].append(operation)
            case .pop(nil): isTakenUnseen = true
            case .popNothing: break
            }
        }
        return operations.map { operation in
            guard case .push(let value, _) = operation.operation, value != Self.null else { return .none }
            switch (pops[value] ?? []).count {
            case 1... where pushes[value] != 1: return .none
            case 0: return OrderConstraint(before: .max, after: isTakenUnseen ? .min : .max)
            case 1: return OrderConstraint(before: pops[value]?[0].end ?? .max, after: pops[value]?[0].call ?? .min)
            default: return .none
            }
        }
    }
}
