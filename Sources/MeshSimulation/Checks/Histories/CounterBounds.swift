/// What a counter may answer: what was added for certain, and at most what may have been added besides.
///
/// Cheaper than a search, and it finds what matters: an addition that was lost or that took effect twice.
struct CounterBounds {
    /// Those that can have taken effect.
    private let additions: [History.Addition]
    /// Times of calls in order, and the sums of all additions up to each.
    private var calls: [Int64] = []
    private var sums: [Sums] = []

    init(additions: [History.Addition]) {
        self.additions = additions.filter { $0.outcome != .failed }
        var sum = Sums()
        for addition in self.additions.sorted(by: { $0.call < $1.call }) {
            sum.add(addition.addend)
            self.calls.append(addition.call)
            self.sums.append(sum)
        }
    }

    private func called(by time: Int64) -> Sums {
        var (low, high) = (0, self.calls.count)
        while low < high {
            let middle = (low + high) / 2
            if self.calls[middle] <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? Sums() : self.sums[low - 1]
    }

    /// The first line whose answer cannot be, and why.
    func violation() -> (line: Int, reason: String)? {
        let byEnd = self.additions.filter { $0.end != nil && $0.sum != nil }.sorted { ($0.end ?? 0) < ($1.end ?? 0) }
        let answered = byEnd.sorted { $0.call < $1.call }
        let onlyGrows = self.additions.allSatisfy { $0.addend >= 0 }
        var certain = Sums()
        var over = 0
        var highest: (sum: Int64, line: Int)?
        for operation in answered {
            while over < byEnd.count, let end = byEnd[over].end, end < operation.call {
                certain.add(byEnd[over].addend)
                if let sum = byEnd[over].sum, sum >= highest?.sum ?? .min { highest = (sum, byEnd[over].line) }
                over += 1
            }
            guard let sum = operation.sum, let end = operation.end else { continue }
            // Of the others that may have been: those called by then that are not certain. Its own addition is.
            let called = self.called(by: end)
            let own = Int128(operation.addend)
            let low = certain.all + own + (called.negative - min(own, 0) - certain.negative)
            let high = certain.all + own + (called.positive - max(own, 0) - certain.positive)
            guard low...high ~= Int128(sum) else {
                return (operation.line, "answered \(sum), and it can only be \(low) to \(high)")
            }
            if onlyGrows, let highest, Int128(sum) < Int128(highest.sum) + own {
                return (
                    operation.line,
                    "answered \(sum), though line \(highest.line) had answered \(highest.sum) before it was called"
                )
            }
        }
        return onlyGrows ? self.twice(byEnd) : nil
    }

    /// Two additions never lead to the same sum, if none takes away.
    private func twice(_ operations: [History.Addition]) -> (line: Int, reason: String)? {
        var lines: [Int64: Int] = [:]
        for operation in operations where operation.addend > 0 {
            guard let sum = operation.sum else { continue }
            if let other = lines.updateValue(operation.line, forKey: sum) {
                return (operation.line, "answered \(sum), as line \(other) did; both had added something")
            }
        }
        return nil
    }
}

/// Wide enough not to overflow, whatever a history says.
private struct Sums {
    var positive: Int128 = 0
    var negative: Int128 = 0
    var all: Int128 { self.positive + self.negative }

    mutating func add(_ addend: Int64) {
        if addend > 0 { self.positive += Int128(addend) } else { self.negative += Int128(addend) }
    }
}
