// What a queue never answers, found in pairs of values and without a search: the violations of Henzinger, Sezgin and
// Vafeiadis (*Aspect-Oriented Linearizability Proofs*, CONCUR 2013). If every value is pushed once and every outcome is
// known, a history without them is linearizable; but for their last one, about pops that find nothing, only the plain case
// is looked for here, and the rest is left to the search.

extension QueueModel {
    private typealias Timed = TimedOperation<Operation>

    /// One value's push and pops.
    private struct Life {
        var push: Timed?
        var pushes = 0
        var pops: [Timed] = []

        /// From then on it was pushed for certain; `.max` if it may never have been.
        var pushed: Int64 { self.push?.end ?? .max }
        /// Before then it was not popped for certain.
        var popped: Int64 { self.pops.first?.call ?? .max }
        var all: [Timed] { (self.push.map { [$0] } ?? []) + self.pops }
    }

    package static func contradiction(in operations: [TimedOperation<Operation>]) -> [TimedOperation<Operation>]? {
        var lives: [ValueID: Life] = [:]
        var nothing: [Timed] = []
        var isTakenUnseen = false
        for operation in operations {
            switch operation.operation {
            case .push(let value, _):
                lives[value, default: Life()].pushes += 1
                lives[value]?.push = operation
            case .pop(0?): break  // an element, or that there was none
            case .pop(let value?): lives[value, default: Life()].pops.append(operation)
            case .pop(nil): isTakenUnseen = true
            case .popNothing: nothing.append(operation)
            }
        }
        if let life = lives.values.filter(Self.isImpossible).min(by: { Self.isEarlier($0.all, $1.all) }) {
            return life.all
        }
        // What is pushed more than once could have been popped more than once: that is for the search.
        let single = lives.filter { $0.key != 0 && $0.value.pushes == 1 }.map(\.value)
        return Self.overtaken(single, isTakenUnseen: isTakenUnseen)
            ?? (isTakenUnseen ? nil : Self.overlooked(by: nothing, single))
    }

    /// Popped more often than it was pushed, or before.
    private static func isImpossible(_ life: Life) -> Bool {
        guard life.pops.count <= life.pushes else { return true }
        return life.pushes == 1 && life.pops.contains { ($0.end ?? .max) < life.push?.call ?? .min }
    }

    /// Pushed after another, and popped before it or instead of it.
    private static func overtaken(_ lives: [Life], isTakenUnseen: Bool) -> [Timed]? {
        // By when its pop was over: whoever is popped later, if at all, and was pushed earlier, was overtaken.
        let popped = lives.filter { !$0.pops.isEmpty }.sorted { ($0.pops[0].end ?? .max) < ($1.pops[0].end ?? .max) }
        let waiting = lives.filter { !$0.pops.isEmpty || !isTakenUnseen }.sorted { $0.popped > $1.popped }
        // Of those whose pop begins later than a moment, the one that was surely pushed first.
        var first: [Life] = []
        for life in waiting { first.append(first.last.map { $0.pushed <= life.pushed ? $0 : life } ?? life) }
        for life in popped {
            guard let call = life.push?.call, let end = life.pops[0].end else { continue }
            // How many of `waiting` begin later than this one's pop was over.
            let count = Self.count(in: waiting) { $0.popped > end }
            guard count > 0, first[count - 1].pushed < call else { continue }
            return first[count - 1].all + life.all
        }
        return nil
    }

    /// While somebody looked and found nothing, there was always an element: one or several that hand over.
    private static func overlooked(by looks: [Timed], _ lives: [Life]) -> [Timed]? {
        let certain = lives.filter { $0.pushed < $0.popped }.sorted { ($0.pushed, $0.popped) < ($1.pushed, $1.popped) }
        for look in looks {
            guard let end = look.end else { continue }
            var (covered, witnesses) = (look.call, [Timed]())
            while covered <= end {
                let reaching = certain.prefix { $0.pushed < covered }.max { $0.popped < $1.popped }
                guard let reaching, reaching.popped > covered else { break }
                witnesses += reaching.all
                covered = reaching.popped
            }
            if covered > end { return [look] + witnesses }
        }
        return nil
    }

    /// Of a list whose first so many fulfil something.
    private static func count(in lives: [Life], where fulfils: (Life) -> Bool) -> Int {
        var (low, high) = (0, lives.count)
        while low < high {
            let middle = (low + high) / 2
            if fulfils(lives[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func isEarlier(_ left: [Timed], _ right: [Timed]) -> Bool {
        (left.map(\.line).min() ?? 0) < (right.map(\.line).min() ?? 0)
    }
}
