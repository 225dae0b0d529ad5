/// Whether a history of one object is linearizable (Herlihy and Wing 1990): whether each operation can be given a moment
/// between its call and its answer so that the answers are those of the sequential model.
///
/// The search of Wing and Gong (1993) with Lowe's just-in-time linearization and cache (*Testing for linearizability*,
/// 2017): it goes through calls and answers in the order of time and decides that an operation has happened only when one
/// must have, for its answer comes now. Which operations have happened, and the state they leave, is a configuration; one
/// that was met before at the same place is not tried again. Operations without an answer stay open until the end.
struct LinearizabilitySearch<Model: SequentialModel> {
    enum Result: Hashable {
        case linearizable
        /// No way leads beyond the answer of this operation; others that were called later do not matter.
        case violated(at: Int64)
        case gaveUp(String)
    }

    /// Operations under way, a bit for each that has happened.
    private typealias Bits = SIMD4<UInt64>
    private static var bitsMax: Int { 256 }

    private struct Place: Hashable {
        var event: Int
        var state: Model.State
        /// Of those that will be answered.
        var happened: Bits
    }

    private struct Configuration {
        var place: Place
        /// Of those that never were.
        var open: Bits
    }

    private let operations: [TimedOperation<Model.Operation>]
    /// Answers in the order of time.
    private var answers: [Int] = []
    /// For each answer: who is under way, the one that is answered included, and how many open ones were called before.
    private var underWay: [[Int]] = []
    private var openBefore: [Int] = []
    private var slots: [Int]
    /// Of unknown outcome, in the order of calls, and for each an equal one before it.
    private var open: [Int] = []
    private var twin: [Int?] = []
    private let constraints: [OrderConstraint]
    /// For each answer: the earliest `before` of those that were called after it, or never answered.
    private var earliestLater: [Int64] = []
    private var overflow: String?

    init(_ operations: [TimedOperation<Model.Operation>]) {
        self.operations = operations
        self.constraints = Model.constraints(operations)
        self.slots = Array(repeating: 0, count: operations.count)
        self.arrange()
    }

    /// Puts calls and answers in order. At one moment calls come first: what is not known to have been before may have
    /// been meanwhile.
    private mutating func arrange() {
        var events: [(time: Int64, isAnswer: Bool, operation: Int)] = []
        for (index, operation) in self.operations.enumerated() {
            events.append((operation.call, false, index))
            if let end = operation.end { events.append((max(end, operation.call), true, index)) }
        }
        events.sort { ($0.time, $0.isAnswer ? 1 : 0, $0.operation) < ($1.time, $1.isAnswer ? 1 : 0, $1.operation) }
        var (current, free, last): ([Int], [Int], [Model.Operation: Int]) = (
            [], Array((0..<Self.bitsMax).reversed()), [:]
        )
        for event in events {
            if event.isAnswer {
                self.answers.append(event.operation)
                self.underWay.append(current)
                self.openBefore.append(self.open.count)
                current.removeAll { $0 == event.operation }
                free.append(self.slots[event.operation])
            } else if self.operations[event.operation].end == nil {
                let operation = self.operations[event.operation].operation
                self.twin.append(last[operation])
                last[operation] = self.open.count
                self.open.append(event.operation)
            } else {
                guard let slot = free.popLast() else {
                    self.overflow = "more than \(Self.bitsMax) operations are under way at once"
                    return
                }
                self.slots[event.operation] = slot
                current.append(event.operation)
            }
        }
        var earliest = Int64.max
        for event in events.reversed() {
            if event.isAnswer {
                self.earliestLater.append(earliest)
            } else {
                earliest = min(earliest, self.constraints[event.operation].before)
            }
        }
        self.earliestLater.reverse()
        if self.open.count > Self.bitsMax {
            self.overflow = "\(self.open.count) operations of unknown outcome matter, more than \(Self.bitsMax)"
        }
    }

    /// Tries at most `steps` configurations, which bounds time and memory; those used are subtracted.
    func run(steps: inout Int) -> Result {
        if let overflow = self.overflow { return .gaveUp(overflow) }
        var seen: [Place: [Bits]] = [:]
        var stack = [Configuration(place: Place(event: 0, state: Model.initial, happened: Bits()), open: Bits())]
        var deepest = 0
        while var configuration = stack.popLast() {
            guard steps > 0 else { return .gaveUp("too many ways to order the operations of one object") }
            steps -= 1
            guard let answered = self.advance(&configuration.place) else { return .linearizable }
            deepest = max(deepest, configuration.place.event)
            guard self.isNew(configuration, &seen) else { continue }
            self.branch(configuration, answered: answered, onto: &stack)
        }
        return .violated(at: self.operations[self.answers[deepest]].end ?? .max)
    }

    /// To the next answer of an operation that has not happened; nil behind the last.
    private func advance(_ place: inout Place) -> Int? {
        while place.event < self.answers.count {
            let answered = self.answers[place.event]
            // What only looks can look now: it leaves the state as it is, so to wait would gain nothing.
            for other in self.underWay[place.event] where !place.happened.has(self.slots[other]) {
                let operation = self.operations[other].operation
                if Model.isObserver(operation), Model.step(operation, from: place.state) != nil {
                    place.happened.insert(self.slots[other])
                }
            }
            guard place.happened.has(self.slots[answered]) else { return answered }
            // Over: its bit is for whoever comes next.
            place.happened.remove(self.slots[answered])
            place.event += 1
        }
        return nil
    }

    /// Whether it was not met before, also not with fewer of the open ones spent: who has spent fewer can do all that who
    /// has spent more can.
    private func isNew(_ configuration: Configuration, _ seen: inout [Place: [Bits]]) -> Bool {
        var spent = seen[configuration.place] ?? []
        guard !spent.contains(where: { $0.isSubset(of: configuration.open) }) else { return false }
        spent.removeAll { configuration.open.isSubset(of: $0) }
        spent.append(configuration.open)
        seen[configuration.place] = spent
        return true
    }

    /// Who may happen now. First, so last on the stack, the one that is about to be answered; of those that constrain each
    /// other, the one that others have to wait for.
    private func branch(_ configuration: Configuration, answered: Int, onto stack: inout [Configuration]) {
        let place = configuration.place
        for index in 0..<self.openBefore[place.event] where !configuration.open.has(index) {
            // Of equal ones the first: which of them it was, nobody can tell.
            if let twin = self.twin[index], !configuration.open.has(twin) { continue }
            guard let state = Model.step(self.operations[self.open[index]].operation, from: place.state),
                state != place.state
            else { continue }
            var next = configuration
            next.place.state = state
            next.open.insert(index)
            stack.append(next)
        }
        let waiting = self.underWay[place.event].filter { !place.happened.has(self.slots[$0]) }
        let isFree = self.constraints[answered].before == .max
        func rank(_ operation: Int) -> (Int64, Int, Int) {
            operation == answered
                ? (isFree ? .min : self.constraints[operation].before, 0, 0)
                : (self.constraints[operation].before, 1, operation)
        }
        for other in waiting.sorted(by: { rank($0) > rank($1) }) {
            let after = self.constraints[other].after
            guard self.earliestLater[place.event] >= after,
                waiting.allSatisfy({ $0 == other || self.constraints[$0].before >= after })
            else { continue }
            guard let state = Model.step(self.operations[other].operation, from: place.state) else { continue }
            var next = configuration
            next.place.state = state
            next.place.happened.insert(self.slots[other])
            stack.append(next)
        }
    }
}

extension SIMD4<UInt64> {
    fileprivate func has(_ bit: Int) -> Bool { self[bit >> 6] & (1 << UInt64(bit & 63)) != 0 }
    fileprivate mutating func insert(_ bit: Int) { self[bit >> 6] |= 1 << UInt64(bit & 63) }
    fileprivate mutating func remove(_ bit: Int) { self[bit >> 6] &= ~(1 << UInt64(bit & 63)) }
    fileprivate func isSubset(of other: Self) -> Bool { self & ~other == Self() }
}
