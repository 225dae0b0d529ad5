import MeshCore
import MeshSimulation
import Testing

/// A history of a linearizable object: each operation takes effect at one moment, somewhere between its call and its
/// answer. A client has one operation at a time; now and then it does not hear the answer, and goes on as another.
private func history<Model: SequentialModel>(
    of model: Model.Type, seed: UInt64, operations count: Int, clients: Int, unknown: Int = 0,
    ask: (inout RandomSource, Int) -> Model.Operation,
    answered: (Model.Operation, Model.State, Model.State) -> Model.Operation
) -> [TimedOperation<Model.Operation>] {
    var random = RandomSource(seed: seed)
    var free = (0..<clients).map { _ in Int64.random(in: 0..<20, using: &random) }
    var plan: [(effect: Int64, operation: TimedOperation<Model.Operation>, isKnown: Bool)] = []
    for number in 0..<count {
        let client = free.indices.min { (free[$0], $0) < (free[$1], $1) } ?? 0
        let call = free[client]
        let effect = call + Int64.random(in: 1..<30, using: &random)
        let end = effect + Int64.random(in: 1..<30, using: &random)
        let isKnown = Int.random(in: 0..<100, using: &random) >= unknown
        plan.append(
            (
                effect, TimedOperation(ask(&random, number), call: call, end: isKnown ? end : nil, line: number + 1),
                isKnown
            ))
        free[client] = end + Int64.random(in: 1..<10, using: &random)
    }
    var state = Model.initial
    for index in plan.indices.sorted(by: { (plan[$0].effect, $0) < (plan[$1].effect, $1) }) {
        // Some of those nobody has heard of never take effect.
        if !plan[index].isKnown, Bool.random(using: &random) { continue }
        let asked = plan[index].operation.operation
        guard let next = Model.step(asked, from: state) else { continue }
        if plan[index].isKnown { plan[index].operation.operation = answered(asked, state, next) }
        state = next
    }
    return plan.map(\.operation)
}

private func registerHistory(_ seed: UInt64, operations: Int = 200, clients: Int = 6, unknown: Int = 5)
    -> [TimedOperation<RegisterModel.Operation>]
{
    history(
        of: RegisterModel.self, seed: seed, operations: operations, clients: clients, unknown: unknown,
        ask: { random, number in
            switch Int.random(in: 0..<4, using: &random) {
            case 0: .write(ValueID(number + 1))
            case 1:
                .cas(
                    old: ValueID.random(in: 0...ValueID(number), using: &random), new: ValueID(number + 1), answer: nil)
            default: .read(nil)
            }
        },
        answered: { asked, before, after in
            switch asked {
            case .read: .read(before)
            case .write(let value, _): .write(value, answer: value)
            case .cas(let old, let new, _):
                .cas(old: old, new: new, answer: .init(value: after, swapped: old == before))
            }
        })
}

private func queueHistory(_ seed: UInt64, operations: Int = 200, clients: Int = 6, unknown: Int = 5)
    -> [TimedOperation<QueueModel.Operation>]
{
    history(
        of: QueueModel.self, seed: seed, operations: operations, clients: clients, unknown: unknown,
        ask: { random, number in Bool.random(using: &random) ? .push(ValueID(number + 1)) : .pop(nil) },
        answered: { asked, before, _ in
            switch asked {
            case .push(let value, _): .push(value, answer: value)
            case .pop, .popNothing: before.first.map { .pop($0) } ?? .popNothing
            }
        })
}

private func verdict<Model: SequentialModel>(
    _ operations: [TimedOperation<Model.Operation>], _ model: Model.Type
) -> LinearizabilityVerdict {
    var steps = 1_000_000
    return linearizability(of: operations, model: model, steps: &steps)
}

@Suite("Random histories") struct RandomHistoryTests {
    @Test("those of a linearizable register pass", arguments: 0..<40 as Range<UInt64>)
    func registers(seed: UInt64) { #expect(verdict(registerHistory(seed), RegisterModel.self) == .ok, "seed \(seed)") }

    @Test("those of a linearizable queue pass", arguments: 0..<40 as Range<UInt64>)
    func queues(seed: UInt64) { #expect(verdict(queueHistory(seed), QueueModel.self) == .ok, "seed \(seed)") }

    /// One answered read tells of a value that was overwritten before it was called, by a write that was over.
    @Test("a stale read is found, always") func staleReads() {
        var (tried, found) = (0, 0)
        for seed in 0..<30 as Range<UInt64> {
            var operations = registerHistory(seed, unknown: 0)
            var random = RandomSource(seed: seed)
            let reads = operations.indices.filter { if case .read = operations[$0].operation { true } else { false } }
            guard let index = reads.randomElement(using: &random),
                let stale = self.overwritten(before: operations[index].call, in: operations)
            else { continue }
            operations[index].operation = .read(stale)
            tried += 1
            if case .violated(let lines) = verdict(operations, RegisterModel.self) {
                found += 1
                #expect(lines.contains(operations[index].line), "seed \(seed)")
                #expect(lines.count <= 30, "seed \(seed): \(lines.count) lines")
            }
        }
        #expect(tried > 20)
        #expect(found == tried)
    }

    /// A value that was written, seen, and whose successor was seen too, all before a moment.
    private func overwritten(before time: Int64, in operations: [TimedOperation<RegisterModel.Operation>]) -> ValueID? {
        let seen = operations.filter { ($0.end ?? .max) < time }.compactMap { operation -> (Int64, Int64, ValueID)? in
            guard case .read(let value?) = operation.operation, let end = operation.end else { return nil }
            return (operation.call, end, value)
        }
        // The last sight of the one was over before the first of another began, and it is never seen again.
        for (_, end, value) in seen.reversed() {
            let later = seen.contains { $0.0 > end && $0.2 != value }
            if later, !seen.contains(where: { $0.2 == value && $0.1 > end }) { return value }
        }
        return nil
    }

    @Test("an element that is lost or comes twice is found, always") func queueMutations() {
        var (tried, found) = (0, 0)
        for seed in 0..<30 as Range<UInt64> {
            var random = RandomSource(seed: seed)
            let operations = queueHistory(seed, unknown: 0)
            let pops = operations.indices.filter { self.popped(by: operations[$0]) != nil }
            // Others came out that were pushed after it was: until then nobody can miss it.
            let pushes = pops.compactMap { index in
                operations.first { operation in
                    if case .push(let value, _) = operation.operation {
                        value == self.popped(by: operations[index])
                    } else {
                        false
                    }
                }
            }
            let missed = zip(pops, pushes).filter { _, push in
                pushes.contains { $0.call > push.end ?? .max }
            }.map(\.0)
            guard let index = missed.randomElement(using: &random), let value = self.popped(by: operations[index])
            else { continue }
            // Lost: its pop never was. Twice: another pop gets it again.
            var lost = operations
            lost.remove(at: index)
            var twice = operations
            if let other = pops.last(where: { $0 != index }) { twice[other].operation = .pop(value) }
            for (name, mutated) in [("lost", lost), ("twice", twice)] {
                tried += 1
                let verdict = verdict(mutated, QueueModel.self)
                if case .violated = verdict { found += 1 } else { Issue.record("seed \(seed), \(name): \(verdict)") }
            }
        }
        #expect(tried > 40)
        #expect(found == tried)
    }

    @Test("an acknowledged write that is undone is found as soon as somebody looks") func lostWrites() {
        var (tried, found) = (0, 0)
        for seed in 0..<50 as Range<UInt64> {
            var operations = registerHistory(seed, unknown: 0)
            let writes = operations.indices.filter { self.written(by: operations[$0]) != nil }
            var random = RandomSource(seed: seed)
            guard let index = writes.randomElement(using: &random), let end = operations[index].end,
                let value = self.written(by: operations[index]),
                let old = operations.last(where: {
                    ($0.end ?? .max) < operations[index].call && self.seen(by: $0) != nil
                })
            else { continue }
            // Who looked afterwards sees what was there before.
            let after = operations.indices.filter {
                operations[$0].call > end && self.seen(by: operations[$0]) == value
            }
            guard !after.isEmpty else { continue }
            for other in after { operations[other].operation = old.operation }
            tried += 1
            if case .violated = verdict(operations, RegisterModel.self) { found += 1 }
        }
        #expect(tried > 10)
        #expect(found == tried)
    }

    private func popped(by operation: TimedOperation<QueueModel.Operation>) -> ValueID? {
        if case .pop(let value) = operation.operation { value } else { nil }
    }

    private func written(by operation: TimedOperation<RegisterModel.Operation>) -> ValueID? {
        if case .write(let value, _) = operation.operation { value } else { nil }
    }

    private func seen(by operation: TimedOperation<RegisterModel.Operation>) -> ValueID? {
        if case .read(let value) = operation.operation { value } else { nil }
    }
}
