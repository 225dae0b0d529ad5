import MeshSimulation
import Testing

private typealias Register = TimedOperation<RegisterModel.Operation>
private typealias Queue = TimedOperation<QueueModel.Operation>

private func verdict<Model: SequentialModel>(
    _ operations: [TimedOperation<Model.Operation>], _ model: Model.Type, steps: Int = 1_000_000
) -> LinearizabilityVerdict {
    var steps = steps
    var operations = operations
    for index in operations.indices { operations[index].line = index + 1 }
    return linearizability(of: operations, model: model, steps: &steps)
}

private func isLinearizable(_ operations: [Register]) -> Bool { verdict(operations, RegisterModel.self) == .ok }
private func isLinearizable(_ operations: [Queue]) -> Bool { verdict(operations, QueueModel.self) == .ok }

/// From a call to an answer; without the latter the outcome is unknown.
private func write(_ value: ValueID, _ call: Int64, _ end: Int64?) -> Register {
    Register(.write(value), call: call, end: end)
}
private func read(_ value: ValueID, _ call: Int64, _ end: Int64) -> Register {
    Register(.read(value), call: call, end: end)
}
private func cas(_ old: ValueID, _ new: ValueID, _ answer: (ValueID, Bool)?, _ call: Int64, _ end: Int64?) -> Register {
    Register(
        .cas(old: old, new: new, answer: answer.map { .init(value: $0.0, swapped: $0.1) }), call: call, end: end)
}
private func push(_ value: ValueID, _ call: Int64, _ end: Int64?) -> Queue { Queue(.push(value), call: call, end: end) }
private func pop(_ value: ValueID?, _ call: Int64, _ end: Int64?) -> Queue { Queue(.pop(value), call: call, end: end) }
private func popNothing(_ call: Int64, _ end: Int64) -> Queue { Queue(.popNothing, call: call, end: end) }

@Suite("Linearizability of registers") struct RegisterLinearizabilityTests {
    @Test("H1 to H4 of Herlihy and Wing's registers are judged as in their paper") func herlihyWing() {
        // Figure 2 of the paper, with x = 0 and y = 1 written to one register.
        #expect(isLinearizable([write(1, 0, 4), read(1, 1, 3), read(1, 5, 6)]))
        #expect(isLinearizable([write(1, 0, 6), read(0, 1, 2), read(1, 3, 4)]))
        #expect(!isLinearizable([write(1, 0, 6), read(1, 1, 2), read(0, 3, 4)]), "a new value, then the old one")
        #expect(!isLinearizable([write(1, 0, 1), read(0, 2, 3)]), "a stale read")
    }

    @Test("a read may overlap many writes and see any of them, but two reads in a row see them in one order")
    func overlapping() {
        let writes = [write(1, 0, 10), write(2, 0, 10), write(3, 0, 10)]
        for value in 0...3 as ClosedRange<ValueID> { #expect(isLinearizable(writes + [read(value, 1, 2)])) }
        #expect(isLinearizable(writes + [read(2, 1, 2), read(1, 3, 4), read(3, 5, 6)]))
        #expect(!isLinearizable(writes + [read(2, 1, 2), read(1, 3, 4), read(2, 5, 6)]))
        #expect(!isLinearizable(writes + [read(1, 11, 12), read(2, 13, 14)]))
    }

    @Test("touching at one moment counts as overlapping") func touching() {
        #expect(isLinearizable([write(1, 0, 5), read(0, 5, 6)]))
        #expect(!isLinearizable([write(1, 0, 5), read(0, 6, 7)]))
    }

    @Test("of two cas from one value one wins, and the other says so") func cas2() {
        #expect(isLinearizable([cas(0, 1, (1, true), 0, 5), cas(0, 2, (1, false), 0, 5)]))
        #expect(!isLinearizable([cas(0, 1, (1, true), 0, 5), cas(0, 2, (2, true), 0, 5)]))
        #expect(!isLinearizable([cas(0, 1, (0, false), 0, 5)]), "it failed, and nothing stood in its way")
        #expect(isLinearizable([cas(0, 1, (1, true), 0, 5), cas(1, 2, (2, true), 0, 5), cas(2, 0, (0, true), 0, 5)]))
    }

    @Test("an operation of unknown outcome may take effect late, early or never, but not before its call")
    func unknown() {
        #expect(isLinearizable([write(1, 0, nil), read(0, 1, 2), read(1, 100, 101)]))
        #expect(isLinearizable([write(1, 0, nil), read(0, 1, 2), read(0, 100, 101)]))
        #expect(isLinearizable([write(1, 0, nil), read(1, 1, 2), read(1, 100, 101)]))
        #expect(!isLinearizable([write(1, 0, nil), read(1, 1, 2), read(0, 100, 101)]), "it took effect and was undone")
        #expect(!isLinearizable([read(1, 0, 1), write(1, 2, nil)]))
        #expect(!isLinearizable([write(1, 0, nil), write(2, 5, 6), read(1, 10, 11), read(2, 12, 13)]))
        // One cas makes the next possible, and nobody has answered.
        #expect(isLinearizable([cas(0, 1, nil, 0, nil), cas(1, 2, nil, 1, nil), read(2, 10, 11)]))
        #expect(!isLinearizable([cas(0, 1, nil, 0, nil), cas(5, 2, nil, 1, nil), read(2, 10, 11)]))
    }

    @Test("an answer that the operation itself contradicts is found") func impossible() {
        #expect(!isLinearizable([Register(.write(1, answer: 2), call: 0, end: 1)]))
        #expect(isLinearizable([Register(.write(1, answer: 1), call: 0, end: 1)]))
    }

    @Test("many unknown outcomes cost little") func manyUnknown() {
        var operations: [Register] = []
        for number in 0..<2000 as Range<Int64> {
            operations.append(write(ValueID(number + 10), number * 10, number % 3 == 0 ? nil : number * 10 + 15))
            if number % 3 != 0 { operations.append(read(ValueID(number + 10), number * 10 + 16, number * 10 + 17)) }
        }
        // Each of those that are read was over before the next is.
        #expect(verdict(operations, RegisterModel.self, steps: 20_000) == .ok)
    }

    @Test("a question that is too hard is not answered, and says so") func gaveUp() {
        let writes = (1...24).map { write($0, 0, 100) }
        let reads = (1...24).map { read($0 % 2 == 0 ? $0 : 25 - $0, 101 + Int64($0) * 2, 102 + Int64($0) * 2) }
        guard case .gaveUp(let reason) = verdict(writes + reads, RegisterModel.self, steps: 1000) else {
            Issue.record("decided")
            return
        }
        #expect(reason.contains("too many"))
        guard case .gaveUp = verdict((1...257).map { write($0, 0, 9) }, RegisterModel.self) else {
            Issue.record("decided")
            return
        }
    }

    @Test("what is shown of a violation is no more than it takes") func smallest() {
        var operations: [Register] = []
        for number in 0..<50 as Range<Int64> {
            operations.append(write(ValueID(number + 1), number * 10, number * 10 + 5))
            operations.append(read(ValueID(number + 1), number * 10 + 6, number * 10 + 7))
        }
        #expect(verdict(operations, RegisterModel.self) == .ok)
        // What line 41 wrote is read after it was overwritten, by whichever.
        operations.append(read(21, 236, 237))
        #expect(self.shown(operations).count == 3)
        #expect(self.shown(operations).first == 41 && self.shown(operations).last == 101)
    }

    private func shown(_ operations: [Register]) -> [Int] {
        if case .violated(let lines) = verdict(operations, RegisterModel.self) { lines } else { [] }
    }
}

@Suite("Linearizability of queues") struct QueueLinearizabilityTests {
    @Test("the queue histories of Herlihy and Wing are judged as in their paper") func herlihyWing() {
        // Figure 1: (a) and (c) are acceptable, (b) and (d) are not. x is 1, y is 2.
        #expect(isLinearizable([push(1, 0, 3), push(2, 1, 4), pop(2, 5, 7), pop(1, 6, 8)]), "a")
        #expect(!isLinearizable([push(1, 0, 1), push(2, 2, 3), pop(2, 4, 5)]), "b")
        #expect(isLinearizable([push(1, 0, 2), pop(1, 1, 3)]), "c")
        #expect(!isLinearizable([push(1, 0, 3), push(2, 1, 4), pop(2, 5, 6), pop(2, 7, 8)]), "d")
    }

    @Test("an element is popped once, after it was pushed, in the order of pushing") func order() {
        #expect(!isLinearizable([pop(1, 0, 1), push(1, 2, 3)]))
        #expect(!isLinearizable([push(1, 0, 1), pop(1, 2, 5), pop(1, 2, 5)]))
        #expect(isLinearizable([push(1, 0, 1), push(2, 2, 3), pop(2, 4, 9), pop(1, 4, 9)]), "pops overlap")
    }

    @Test("nothing is popped only from a queue that may be empty") func empty() {
        #expect(isLinearizable([popNothing(0, 1), push(1, 2, 5), popNothing(3, 4), pop(1, 6, 7), popNothing(8, 9)]))
        #expect(!isLinearizable([push(1, 0, 1), popNothing(2, 3), pop(1, 4, 5)]))
        #expect(!isLinearizable([push(1, 0, 1), popNothing(2, 3)]), "an element was lost")
    }

    @Test("a push or a pop of unknown outcome may have taken effect or not") func unknown() {
        #expect(isLinearizable([push(1, 0, nil), popNothing(1, 2), pop(1, 50, 51), popNothing(60, 61)]))
        #expect(isLinearizable([push(1, 0, 1), push(2, 2, 3), pop(nil, 4, nil), pop(2, 50, 51)]))
        #expect(isLinearizable([push(1, 0, 1), push(2, 2, 3), pop(nil, 4, nil), pop(1, 50, 51), pop(2, 52, 53)]))
        #expect(!isLinearizable([push(1, 0, 1), push(2, 2, 3), push(3, 4, 5), pop(nil, 6, nil), pop(3, 50, 51)]))
        #expect(!isLinearizable([push(1, 0, nil), pop(1, 5, 6), pop(1, 7, 8)]))
    }

    @Test("many unknown pushes cost little") func manyUnknown() {
        var operations: [Queue] = []
        for number in 0..<1000 as Range<Int64> {
            operations.append(push(ValueID(number + 1), number * 10, number % 4 == 0 ? nil : number * 10 + 5))
            let isThere = number % 8 != 0
            if isThere { operations.append(pop(ValueID(number + 1), number * 10 + 6, number * 10 + 9)) }
        }
        #expect(verdict(operations, QueueModel.self, steps: 20_000) == .ok)
    }

    @Test("what is shown of a violation is no more than it takes") func smallest() {
        var operations: [Queue] = (1...40).map { push($0, Int64($0) * 2, Int64($0) * 2 + 1) }
        operations += (1...40).map { pop($0 == 17 ? 18 : $0 == 18 ? 17 : $0, 100 + Int64($0) * 2, 101 + Int64($0) * 2) }
        #expect(verdict(operations, QueueModel.self) == .violated(lines: [17, 18, 57, 58]))
    }
}
