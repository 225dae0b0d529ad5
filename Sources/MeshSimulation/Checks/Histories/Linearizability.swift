/// What became of the question whether a history is linearizable.
package enum LinearizabilityVerdict: Hashable, Sendable {
    case ok
    /// The lines of operations that cannot be put in order, so few that none can be left out.
    case violated(lines: [Int])
    /// The question was too hard for the steps that were allowed. It is not answered.
    case gaveUp(String)
}

/// Checks the history of one object against its model.
///
/// `steps` bounds time and memory: so many configurations are tried, a few hundred bytes each; what is used is subtracted.
package func linearizability<Model: SequentialModel>(
    of operations: [TimedOperation<Model.Operation>], model: Model.Type, steps: inout Int
) -> LinearizabilityVerdict {
    if let contradiction = Model.contradiction(in: operations) {
        return .violated(lines: contradiction.map(\.line).sorted())
    }
    switch search(operations, model, &steps) {
    case .linearizable: return .ok
    case .gaveUp(let reason): return .gaveUp(reason)
    case .violated(let time):
        // What was called after the answer that nothing could explain had no part in it; what was answered later may not
        // have happened yet, for it can depend on what was called later.
        let before = operations.filter { $0.call <= time }.map { operation in
            var operation = operation
            if let end = operation.end, end > time { operation.end = nil }
            return operation
        }
        var shrinking = Shrinking<Model>(operations: before, steps: steps)
        let left = shrinking.smallest()
        steps = shrinking.steps
        return .violated(lines: left.map(\.line).sorted())
    }
}

private func search<Model: SequentialModel>(
    _ operations: [TimedOperation<Model.Operation>], _ model: Model.Type, _ steps: inout Int
) -> LinearizabilitySearch<Model>.Result {
    LinearizabilitySearch<Model>(Model.narrowed(operations)).run(steps: &steps)
}

/// Leaves out of a history that is not linearizable whatever can go, such that the rest is none either.
///
/// Not anything may go: a read without its write would be a contradiction that was not there. An operation that only
/// looked may, and so may all that has to do with some values (`SequentialModel.values`).
private struct Shrinking<Model: SequentialModel> {
    typealias Operation = TimedOperation<Model.Operation>

    private var parts: [[Operation]]
    /// What has to stay: operations of unknown outcome that nobody can tie to others.
    private let rest: [Operation]
    var steps: Int

    init(operations: [Operation], steps: Int) {
        self.steps = steps
        var observers: [Operation] = []
        var rest: [Operation] = []
        var groups = ValueGroups()
        for operation in operations {
            let values = Model.values(of: operation.operation)
            if Model.isObserver(operation.operation), values.isEmpty {
                observers.append(operation)
            } else if values.isEmpty {
                rest.append(operation)
            } else {
                groups.tie(values)
            }
        }
        var members: [ValueID: [Operation]] = [:]
        for operation in operations {
            if let value = Model.values(of: operation.operation).first {
                members[groups.representative(of: value), default: []].append(operation)
            }
        }
        self.rest = rest
        self.parts = members.sorted { $0.key < $1.key }.map(\.value) + observers.map { [$0] }
    }

    mutating func smallest() -> [Operation] {
        self.dropParts()
        // Inside of a group that has to stay, those that only looked may still go.
        let kept = self.parts.flatMap(\.self)
        let mutators = kept.filter { !Model.isObserver($0.operation) }
        let (before, observers) = (self.parts, kept.filter { Model.isObserver($0.operation) })
        self.parts = observers.map { [$0] }
        self.dropParts(beside: mutators)
        let result = self.rest + mutators + self.parts.flatMap(\.self)
        self.parts = before
        return result
    }

    /// Halves, quarters, and so on down to single parts (Zeller's delta debugging).
    private mutating func dropParts(beside others: [Operation] = []) {
        var size = max(1, self.parts.count / 2)
        while true {
            var start = 0
            while start < self.parts.count {
                let end = min(start + size, self.parts.count)
                let left = Array(self.parts[..<start] + self.parts[end...])
                if self.isViolated(self.rest + others + left.flatMap(\.self)) {
                    self.parts = left
                } else {
                    start = end
                }
            }
            guard size > 1 else { return }
            size /= 2
        }
    }

    private mutating func isViolated(_ operations: [Operation]) -> Bool {
        if case .violated = search(operations, Model.self, &self.steps) { true } else { false }
    }
}

/// Values that belong together, by union and find.
private struct ValueGroups {
    private var parents: [ValueID: ValueID] = [:]

    func representative(of value: ValueID) -> ValueID {
        var value = value
        while let parent = self.parents[value] { value = parent }
        return value
    }

    mutating func tie(_ values: [ValueID]) {
        for (one, other) in zip(values, values.dropFirst()) {
            let (first, second) = (self.representative(of: one), self.representative(of: other))
            if first != second { self.parents[max(first, second)] = min(first, second) }
        }
    }
}
