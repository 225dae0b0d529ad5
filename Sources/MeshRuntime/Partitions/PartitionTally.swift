internal import MeshCore
internal import Metrics
internal import Synchronization

/// What leads have counted, brought to the counters of the node when somebody reads them.
final class PartitionTally: Sendable {
    private struct Last: Sendable {
        var tallies: [GroupID: LeadTally] = [:]
        var malformed = 0
    }

    private let metrics: RuntimeMetrics
    private let last = Mutex(Last())

    init(_ metrics: RuntimeMetrics) { self.metrics = metrics }

    /// A replica that came back after it was removed counts from the beginning.
    func note(_ tally: LeadTally, of group: GroupID) {
        let before = self.last.withLock { last in
            let before = last.tallies.updateValue(tally, forKey: group) ?? LeadTally()
            return tally.accepted < before.accepted || tally.processed < before.processed ? LeadTally() : before
        }
        func count(_ counter: Counter, _ field: KeyPath<LeadTally, UInt64>) {
            let (now, then) = (tally[keyPath: field], before[keyPath: field])
            if now > then { counter.increment(by: Int64(clamping: now - then)) }
        }
        count(self.metrics.accepted, \.accepted)
        count(self.metrics.processed, \.processed)
        count(self.metrics.failed, \.failed)
        count(self.metrics.redelivered, \.retried)
        count(self.metrics.expired, \.expired)
        count(self.metrics.deadLetters, \.deadLetters)
        count(self.metrics.deadLettersDropped, \.deadLettersDropped)
        for (code, now) in tally.refused {
            let then = before.refused[code] ?? 0
            if now > then { self.metrics.refused(code, by: Int64(clamping: now - then)) }
        }
    }

    func note(malformed: Int) {
        let before = self.last.withLock { last in
            defer { last.malformed = malformed }
            return last.malformed
        }
        if malformed > before { self.metrics.malformed.increment(by: Int64(malformed - before)) }
    }
}

extension Shard where Lead == PartitionLead {
    var tallies: [(group: GroupID, tally: LeadTally)] {
        self.groups.compactMap { group in self.replicas[group].map { (group, $0.lead.tally) } }
    }
}
