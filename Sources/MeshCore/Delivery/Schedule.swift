/// When something that is to happen by itself happens: a delayed message, a reminder, a periodic one.
///
/// Wall-clock times in milliseconds since 1970. Which occurrence comes next is computed by whoever proposes it, and the
/// result is recorded: offsets of time zones may differ from one machine to the next, recorded occurrences do not.
package enum Schedule: Hashable, Sendable {
    case once(at: UInt64)
    /// At `anchor` and every so many milliseconds after it.
    case every(milliseconds: UInt64, anchor: UInt64)
    case cron(Cron, ZoneOffsets)

    package static let intervals: ClosedRange<UInt64> = 1_000...(366 * 86_400_000)

    /// The first occurrence later than `time`.
    package func next(after time: UInt64) -> UInt64? {
        switch self {
        case .once(let at): return at > time ? at : nil
        case .every(let interval, let anchor):
            precondition(Self.intervals.contains(interval), "an interval of \(interval) ms")
            guard time >= anchor else { return anchor }
            let (next, overflow) = (anchor + (time - anchor) / interval * interval).addingReportingOverflow(interval)
            return overflow ? nil : next
        case .cron(let cron, let zone): return cron.next(after: time, in: zone)
        }
    }

    /// What comes after an occurrence that was told at `now`: those that passed meanwhile are not made up for, so a
    /// schedule that was down for a day goes on with one occurrence and not with a day's worth. It is never lost either:
    /// one that is due is told, however late.
    package func next(afterOccurrence occurrence: UInt64, toldAt now: UInt64) -> UInt64? {
        self.next(after: max(occurrence, now))
    }
}
