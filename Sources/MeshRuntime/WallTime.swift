/// A date and a time of day in UTC.
package struct CivilTime: Hashable, Sendable {
    package var year: Int
    /// From 1.
    package var month: Int
    package var day: Int
    /// 0 is Sunday.
    package var weekday: Int
    package var hour: Int
    package var minute: Int
    package var second: Int

    /// From 1970 on.
    package init(secondsSince1970 seconds: Int) {
        let (days, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
        // Days to civil date by eras of 400 years that begin in March (Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms"): the leap day is the last of its year, so months have fixed beginnings.
        let shifted = days + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        self.year = yearOfEra + shifted / 146_097 * 400 + (monthFromMarch >= 10 ? 1 : 0)
        self.month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        self.weekday = (days + 4) % 7
        (self.hour, self.minute, self.second) = (time / 3_600, time / 60 % 60, time % 60)
    }
}

/// A time as every log line and event says it: RFC 3339 in UTC with milliseconds, `2026-11-21T12:00:00.123Z`.
///
/// In whole numbers, so that a line has the same time wherever it is read: a fraction of seconds in a `Double` can come out
/// a millisecond less.
package func wallTime(_ milliseconds: UInt64) -> String {
    let time = CivilTime(secondsSince1970: Int(milliseconds / 1000))
    let fraction = padded(Int(milliseconds % 1000), to: 3)
    return "\(padded(time.year, to: 4))-\(padded(time.month, to: 2))-\(padded(time.day, to: 2))"
        + "T\(padded(time.hour, to: 2)):\(padded(time.minute, to: 2)):\(padded(time.second, to: 2)).\(fraction)Z"
}

/// With zeros before it.
package func padded(_ number: Int, to width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
