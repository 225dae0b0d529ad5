/// A cron expression: which seconds, minutes, hours, days, months and days of the week.
///
/// If both the day of the month and the day of the week are restricted, either is enough, as in crontab(5). When clocks
/// are changed, an expression for every hour goes on with the time that passes; any other has its occurrence once: what
/// falls into the hour that is left out happens when that hour would have begun, and of an hour that comes twice only
/// the first counts.
package struct Cron: Hashable, Sendable, CustomStringConvertible {
    /// As it was written.
    package let description: String
    /// A bit per value; days and months count from 1.
    let seconds, minutes, hours, days, months, weekdays: UInt64
    /// Days of the month and of the week are both restricted.
    let isEitherDay: Bool

    /// Nobody waits longer, and no expression that ever occurs has longer to wait: a 29 February on a given day of the
    /// week comes at least every 40 years.
    private static let yearsMax = 48

    /// The first occurrence later than a time, both in milliseconds since 1970; nil if none comes.
    package func next(after time: UInt64, in zone: ZoneOffsets = .utc) -> UInt64? {
        let after = Int64(clamping: time / 1000)
        let horizon = after + Int64(Self.yearsMax) * 366 * 86_400
        for period in zone.periods(from: after) {
            var from = after + 1
            if let start = period.start {
                guard start < horizon else { return nil }
                from = max(from, start)
                let (old, new) = (start + period.offsetBefore, start + period.offset)
                if !self.isHourly {
                    // Clocks went forward over an occurrence.
                    if start > after, self.nextLocal(from: old, before: new) != nil { return Self.milliseconds(start) }
                    // Clocks went back: these hours have been.
                    from = max(from, old - period.offset)
                }
            }
            let end = min(period.end ?? horizon, horizon)
            if let local = self.nextLocal(from: from + period.offset, before: end + period.offset) {
                return Self.milliseconds(local - period.offset)
            }
        }
        return nil
    }

    private var isHourly: Bool { self.hours == 0xFF_FFFF }

    private static func milliseconds(_ second: Int64) -> UInt64? { second < 0 ? nil : UInt64(second) * 1000 }

    // MARK: in the time of one place

    /// The first match in `from ..< end`, in seconds of a clock that runs evenly.
    private func nextLocal(from: Int64, before end: Int64) -> Int64? {
        guard from < end else { return nil }
        var (number, second) = floorDivided(from, 86_400)
        let last = floorDivided(end - 1, 86_400).quotient
        while number <= last {
            let date = CivilDate(dayNumber: Int(number))
            if self.matches(date), let match = self.next(inDayFrom: second) {
                let found = number * 86_400 + match
                return found < end ? found : nil
            }
            second = 0
            number = contains(self.months, date.month) ? number + 1 : Int64(date.firstOfNextMonth.dayNumber)
        }
        return nil
    }

    private func matches(_ date: CivilDate) -> Bool {
        guard contains(self.months, date.month) else { return false }
        let (isDay, isWeekday) = (contains(self.days, date.day), contains(self.weekdays, date.weekday))
        return self.isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    /// The first matching second of a day, not before `second`.
    private func next(inDayFrom second: Int64) -> Int64? {
        var (hour, minute, rest) = (Int(second / 3600), Int(second / 60 % 60), Int(second % 60))
        while let matchingHour = first(of: self.hours, from: hour) {
            if matchingHour > hour { (minute, rest) = (0, 0) }
            while let matchingMinute = first(of: self.minutes, from: minute) {
                if matchingMinute > minute { rest = 0 }
                if let matchingSecond = first(of: self.seconds, from: rest) {
                    return Int64(matchingHour * 3600 + matchingMinute * 60 + matchingSecond)
                }
                (minute, rest) = (matchingMinute + 1, 0)
            }
            (hour, minute, rest) = (matchingHour + 1, 0, 0)
        }
        return nil
    }
}

private func contains(_ set: UInt64, _ value: Int) -> Bool { set & (1 << UInt64(value)) != 0 }

private func first(of set: UInt64, from value: Int) -> Int? {
    let rest = value < 64 ? set >> UInt64(value) : 0
    return rest == 0 ? nil : value + rest.trailingZeroBitCount
}

private func floorDivided(_ dividend: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
