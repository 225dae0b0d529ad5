/// `/meshnode/register/{key}`: one value, read, written, and compared and swapped.
package enum RegisterModel: SequentialModel {
    package enum Operation: Hashable, Sendable {
        /// Answers what the register holds.
        case read(ValueID?)
        case write(ValueID, answer: ValueID? = nil)
        /// Answers what the register holds afterwards, and whether that is its doing.
        case cas(old: ValueID, new: ValueID, answer: Answer?)

        package struct Answer: Hashable, Sendable {
            package var value: ValueID
            package var swapped: Bool

            package init(value: ValueID, swapped: Bool) {
                self.value = value
                self.swapped = swapped
            }
        }
    }

    /// Null is the first value that any history knows.
    package static let initial: ValueID = 0

    package static func step(_ operation: Operation, from state: ValueID) -> ValueID? {
        switch operation {
        case .read(let seen): return seen == nil || seen == state ? state : nil
        case .write(let value, let answer): return answer == nil || answer == value ? value : nil
        case .cas(let old, let new, let answer):
            let result = Operation.Answer(value: state == old ? new : state, swapped: state == old)
            return answer == nil || answer == result ? result.value : nil
        }
    }

    package static func isObserver(_ operation: Operation) -> Bool {
        switch operation {
        case .read: true
        case .write: false
        case .cas(_, _, let answer): answer?.swapped == false
        }
    }

    package static func values(of operation: Operation) -> [ValueID] {
        switch operation {
        case .read(let seen): seen.map { [$0] } ?? []
        case .write(let value, _): [value]
        case .cas(let old, let new, let answer):
            if let answer, !answer.swapped { [answer.value] } else { [old, new] }
        }
    }

    /// A write of unknown outcome whose value nobody has seen can as well never have happened: whatever came next
    /// overwrote it. What a cas has replaced was seen by it.
    package static func narrowed(_ operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>] {
        var seen = Set(operations.lazy.filter { $0.end != nil }.compactMap { Self.seen(by: $0.operation) })
        var waiting = operations.filter { $0.end == nil }
        var kept = operations.filter { $0.end != nil }
        while let index = waiting.firstIndex(where: { Self.written(by: $0.operation).map(seen.contains) ?? false }) {
            let operation = waiting.remove(at: index)
            kept.append(operation)
            if case .cas(let old, _, _) = operation.operation { seen.insert(old) }
        }
        return kept
    }

    private static func written(by operation: Operation) -> ValueID? {
        switch operation {
        case .read: nil
        case .write(let value, _), .cas(_, let value, _): value
        }
    }

    private static func seen(by operation: Operation) -> ValueID? {
        switch operation {
        case .read(let value): value
        case .write: nil
        case .cas(let old, _, let answer): answer.map { $0.swapped ? old : $0.value }
        }
    }
}
