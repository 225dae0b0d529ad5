import MeshCore
import Testing

/// Milliseconds since 1970 in UTC.
private func utc(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0, _ second: Int = 0) -> UInt64
{
    UInt64(CivilDate(year, month, day).dayNumber * 86_400 + hour * 3600 + minute * 60 + second) * 1000
}

private func occurrences(
    _ text: String, after start: UInt64, in zone: ZoneOffsets = .utc, count: Int
) throws -> [UInt64] {
    let cron = try Cron(parsing: text)
    var (times, time) = ([UInt64](), start)
    while times.count < count, let next = cron.next(after: time, in: zone) {
        times.append(next)
        time = next
    }
    return times
}

/// Berlin in 2026: an hour ahead, two from 29 March 01:00 UTC to 25 October 01:00 UTC.
private let berlin = ZoneOffsets(
    first: 3600,
    changes: [
        .init(at: Int64(utc(2026, 3, 29, 1) / 1000), offset: 7200),
        .init(at: Int64(utc(2026, 10, 25, 1) / 1000), offset: 3600),
    ])!

@Suite("Civil dates") struct CivilDateTests {
    @Test("days and dates correspond, over 800 years") func roundTrip() {
        var date = CivilDate(1600, 1, 1)
        var weekday = 6
        for number in date.dayNumber..<CivilDate(2400, 1, 1).dayNumber {
            guard date.dayNumber == number, CivilDate(dayNumber: number) == date, date.weekday == weekday else {
                Issue.record("\(date) is not day \(number)")
                return
            }
            let isLeap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0)
            let last = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][date.month - 1]
            date = date.day < last ? CivilDate(date.year, date.month, date.day + 1) : date.firstOfNextMonth
            weekday = (weekday + 1) % 7
        }
        #expect(CivilDate(1970, 1, 1).dayNumber == 0)
        #expect(CivilDate(2026, 11, 21).weekday == 6)
    }
}

@Suite("Cron expressions") struct CronTests {
    @Test(
        "fields, names, ranges, steps, lists and nicknames",
        arguments: [
            ("* * * * *", utc(2026, 11, 21, 12, 1)), ("*/15 * * * *", utc(2026, 11, 21, 12, 15)),
            ("7/20 * * * *", utc(2026, 11, 21, 12, 7)), ("30 4 * * *", utc(2026, 11, 22, 4, 30)),
            ("0 9-17/4 * * *", utc(2026, 11, 21, 13)), ("0 0 * * MON", utc(2026, 11, 23)),
            ("0 0 * * mon-fri", utc(2026, 11, 23)), ("0 0 * * 0", utc(2026, 11, 22)), ("0 0 * * 7", utc(2026, 11, 22)),
            ("0 0 * * 6,7", utc(2026, 11, 22)), ("0 0 * * 5-7", utc(2026, 11, 22)),
            ("0 0 1 jan,JUL *", utc(2027, 1, 1)),
            ("15,45 * * * * *", utc(2026, 11, 21, 12, 0, 15)), ("*/7 * * * * *", utc(2026, 11, 21, 12, 0, 7)),
            ("0 59 23 31 12 *", utc(2026, 12, 31, 23, 59)), ("@yearly", utc(2027, 1, 1)),
            ("@annually", utc(2027, 1, 1)),
            ("@monthly", utc(2026, 12, 1)), ("@weekly", utc(2026, 11, 22)), ("@daily", utc(2026, 11, 22)),
            ("@Midnight", utc(2026, 11, 22)), ("@hourly", utc(2026, 11, 21, 13)), ("\t0  0 * *\t* ", utc(2026, 11, 22)),
        ])
    func first(_ text: String, _ expected: UInt64) throws {
        let found = try Cron(parsing: text).next(after: utc(2026, 11, 21, 12))
        #expect(found == expected)
    }

    @Test("the end of a month, and the 29 February of leap years alone") func monthEnds() throws {
        #expect(
            try occurrences("0 0 31 * *", after: utc(2026, 1, 31), count: 4)
                == [utc(2026, 3, 31), utc(2026, 5, 31), utc(2026, 7, 31), utc(2026, 8, 31)])
        #expect(
            try occurrences("0 0 29 2 *", after: utc(2092, 3, 1), count: 3)
                == [utc(2096, 2, 29), utc(2104, 2, 29), utc(2108, 2, 29)])
        #expect(
            try occurrences("59 23 28-31 2 *", after: utc(2028, 2, 28, 23, 59), count: 2)
                == [utc(2028, 2, 29, 23, 59), utc(2029, 2, 28, 23, 59)])
        // Each second of a year that begins, and of none before.
        #expect(
            try occurrences("59 59 23 31 12 *", after: utc(2026, 12, 31, 23, 59, 58), count: 1)
                == [utc(2026, 12, 31, 23, 59, 59)])
    }

    @Test("a restricted day of the month or of the week is enough; with a star both must fit") func eitherDay() throws {
        #expect(
            try occurrences("0 0 13 * FRI", after: utc(2026, 11, 1), count: 4)
                == [utc(2026, 11, 6), utc(2026, 11, 13), utc(2026, 11, 20), utc(2026, 11, 27)])
        // A Friday among the days 1, 8, 15, 22, 29.
        #expect(
            try occurrences("0 0 */7 * FRI", after: utc(2026, 11, 1), count: 2) == [utc(2027, 1, 1), utc(2027, 1, 8)])
    }

    @Test("a rare day is found, however far") func rare() throws {
        // A 29 February that is a Sunday, Tuesday, Thursday or Saturday; then one on whose weekday nothing is missing.
        #expect(
            try occurrences("0 0 29 2 */2", after: utc(2026, 1, 1), count: 2) == [utc(2028, 2, 29), utc(2032, 2, 29)])
        #expect(try occurrences("0 0 29 2 */6", after: utc(2080, 3, 1), count: 1) == [utc(2088, 2, 29)])
    }

    @Test("an occurrence in the hour that is left out comes when it would have begun") func gap() throws {
        #expect(
            try occurrences("30 2 * * *", after: utc(2026, 3, 28), in: berlin, count: 3)
                == [utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)])
        // Several in the gap are one, and one at its end is no second.
        #expect(
            try occurrences("0,30 2,3 29 3 *", after: utc(2026, 3, 1), in: berlin, count: 3)
                == [utc(2026, 3, 29, 1), utc(2026, 3, 29, 1, 30), utc(2027, 3, 29, 1)])
    }

    @Test("an occurrence in the hour that comes twice counts once") func overlap() throws {
        #expect(
            try occurrences("30 2 * * *", after: utc(2026, 10, 24), in: berlin, count: 3)
                == [utc(2026, 10, 24, 0, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)])
        // Asked in the middle of the second pass, it still does not come.
        let cron = try Cron(parsing: "30 2 * * *")
        #expect(cron.next(after: utc(2026, 10, 25, 1, 10), in: berlin) == utc(2026, 10, 26, 1, 30))
        #expect(cron.next(after: utc(2026, 10, 25, 0, 40), in: berlin) == utc(2026, 10, 26, 1, 30))
    }

    @Test("an hourly one goes on with the time that passes") func hourly() throws {
        let hours: (UInt64, Int) -> [UInt64] = { start, count in (1...UInt64(count)).map { start + $0 * 3_600_000 } }
        for start in [utc(2026, 3, 28, 22), utc(2026, 10, 24, 22)] {
            #expect(try occurrences("0 * * * *", after: start, in: berlin, count: 8) == hours(start, 8))
        }
    }

    @Test(
        "what no clock shows, and what is not written as a field is, is refused",
        arguments: [
            ("", "five fields"), ("* * * *", "here are 4"), ("* * * * * * *", "here are 7"), ("@reboot", "@daily"),
            ("@", "@daily"),
            ("60 * * * *", "the minute '60' is not 0 to 59"), ("* 24 * * *", "the hour"),
            ("* * 0 * *", "the day of the month"),
            ("* * * 13 *", "jan feb"), ("* * * * 8", "sun mon"), ("* * * * mo", "the day of the week 'mo'"),
            ("-1 * * * *", "the minute"), ("1- * * * *", "the minute"), ("1,,2 * * * *", "the minute ''"),
            ("*/0 * * * *", "step '0'"), ("*/60 * * * *", "step '60'"), ("*/ * * * *", "step ''"),
            ("5-2 * * * *", "ends before"),
            ("* * * * FRI-MON", "write two ranges"), ("* * 30 2 *", "never comes"),
            ("* * 31 4,6,9,11 *", "never comes"),
            ("* * L * *", "the day of the month 'L'"), ("* * ? * *", "the day of the month '?'"),
            ("٣ * * * *", "the minute"),
            ("99999999999999999999 * * * *", "the minute"), ("1-2-3 * * * *", "the minute"),
            (String(repeating: "1,", count: 200) + "1 * * * *", "at most 256 bytes"),
        ])
    func refused(_ text: String, _ part: String) {
        let error = #expect(throws: CronError.self) { try Cron(parsing: text) }
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
    }

    @Test("the next occurrence is the one that counting minutes finds", arguments: 0..<100 as Range<UInt64>)
    func againstCounting(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let text = randomExpression(&random)
        // Around both changes of the clocks, the end of a leap February, the turn of the year.
        let centre = [
            utc(2026, 3, 29), utc(2026, 10, 25), utc(2028, 2, 29), utc(2027, 1, 1),
        ][Int.random(in: 0..<4, using: &random)]
        let start = centre - 3 * 86_400_000 + UInt64.random(in: 0..<86_400_000, using: &random)
        let zone = Bool.random(using: &random) ? berlin : .utc
        let cron = try Cron(parsing: text)
        let counted = countedOccurrences(of: text, from: start, days: 6, in: zone)
        var found: [UInt64] = []
        var time = start
        while let next = cron.next(after: time, in: zone), next <= start + 6 * 86_400_000 {
            found.append(next)
            time = next
        }
        #expect(found == counted, "seed \(seed): \(text)")
    }
}

/// Of few values, so that they meet.
private func randomExpression(_ random: inout RandomSource) -> String {
    func field(_ choices: [String]) -> String { choices[Int.random(in: 0..<choices.count, using: &random)] }
    return [
        field(["0", "*/20", "30", "5,35", "59"]), field(["*", "2", "1-3", "*/6", "0,3,23"]),
        field(["*", "*", "28-31", "1", "*/9"]), field(["*", "*", "2,3", "10-12/2"]),
        field(["*", "*", "SUN", "1-5", "*/3"]),
    ].joined(separator: " ")
}

/// By trying every minute: the local time of each, whether it was there before, and what the clocks left out.
private func countedOccurrences(
    of text: String, from start: UInt64, days: Int, in zone: ZoneOffsets
) -> [UInt64] {
    func offset(at second: Int64) -> Int64 { zone.changes.last { $0.at <= second }?.offset ?? zone.first }
    let fields = text.split(separator: " ")
    func fits(_ local: Int64) -> Bool {
        let date = CivilDate(dayNumber: Int(local / 86_400))
        let isDay = fitsField(fields[2], date.day, from: 1)
        let isWeekday = fitsField(fields[4], date.weekday, from: 0)
        let hasStar = fields[2].first == "*" || fields[4].first == "*"
        return fitsField(fields[0], Int(local / 60 % 60), from: 0)
            && fitsField(fields[1], Int(local / 3600 % 24), from: 0)
            && fitsField(fields[3], date.month, from: 1) && (hasStar ? isDay && isWeekday : isDay || isWeekday)
    }
    let isHourly = fields[1] == "*"
    var found: [UInt64] = []
    let first = Int64(start / 1000) / 60 * 60 + 60
    for second in stride(from: first, through: Int64(start / 1000) + Int64(days) * 86_400, by: 60) {
        let (now, before) = (offset(at: second), offset(at: second - 60))
        let local = second + now
        let isRepeated =
            !isHourly
            && zone.changes.contains { change in
                change.at <= second && local < change.at + offset(at: change.at - 1)
            }
        let leftOut =
            !isHourly && now > before
            && stride(from: second + before, to: local, by: 60).contains { fits($0) }
        if leftOut || (fits(local) && !isRepeated) { found.append(UInt64(second) * 1000) }
    }
    return found
}

/// The expressions above, read as simply as can be.
private func fitsField(_ field: Substring, _ value: Int, from lowest: Int) -> Bool {
    field.replacing("SUN", with: "0").split(separator: ",").contains { part in
        let halves = part.split(separator: "/")
        let step = halves.count == 2 ? Int(halves[1]) ?? 0 : 1
        if halves[0] == "*" { return (value - lowest) % step == 0 }
        let ends = halves[0].split(separator: "-").compactMap { Int($0) }
        return ends[0] <= value && value <= ends[ends.count - 1] && (value - ends[0]) % step == 0
    }
}

@Suite("Schedules") struct ScheduleTests {
    @Test("once is once") func once() {
        let schedule = Schedule.once(at: 5000)
        #expect(schedule.next(after: 4999) == 5000)
        #expect(schedule.next(after: 5000) == nil)
        #expect(schedule.next(afterOccurrence: 5000, toldAt: 9000) == nil)
    }

    @Test("every so often counts from its anchor, whenever it is asked") func every() {
        let schedule = Schedule.every(milliseconds: 10_000, anchor: 3_000)
        #expect(schedule.next(after: 0) == 3_000)
        #expect(schedule.next(after: 3_000) == 13_000)
        #expect(schedule.next(after: 12_999) == 13_000)
        #expect(schedule.next(after: .max) == nil)
    }

    @Test("occurrences that were missed become one") func missed() throws {
        let cron = Schedule.cron(try Cron(parsing: "*/10 * * * *"), .utc)
        let due = utc(2026, 11, 21, 12, 10)
        #expect(cron.next(after: due - 1) == due)
        // Told on time, told late, told after a day.
        #expect(cron.next(afterOccurrence: due, toldAt: due) == utc(2026, 11, 21, 12, 20))
        #expect(cron.next(afterOccurrence: due, toldAt: due + 25 * 60_000) == utc(2026, 11, 21, 12, 40))
        #expect(cron.next(afterOccurrence: due, toldAt: due + 86_400_000) == utc(2026, 11, 22, 12, 20))
        // A clock that went back tells none twice.
        #expect(cron.next(afterOccurrence: due, toldAt: due - 3_600_000) == utc(2026, 11, 21, 12, 20))
    }

    @Test("offsets that no place has are refused") func zones() {
        #expect(ZoneOffsets(first: 90_000, changes: []) == nil)
        #expect(ZoneOffsets(first: 0, changes: [.init(at: 5, offset: 3600), .init(at: 5, offset: 0)]) == nil)
        #expect(ZoneOffsets(first: 0, changes: [.init(at: 5, offset: -90_000)]) == nil)
    }
}
