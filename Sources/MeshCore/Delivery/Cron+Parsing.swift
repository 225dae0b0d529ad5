/// What is wrong in a cron expression.
package struct CronError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
}

extension Cron {
    package static let bytesMax = 256
    private static let nicknames = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    /// Five fields (minute, hour, day of the month, month, day of the week), six with seconds before them, or one of
    /// `@yearly @annually @monthly @weekly @daily @midnight @hourly`.
    ///
    /// A field is `*`, a value, a range `2-5`, either of them with a step (`*/15`, `2-10/2`, `3/4`), or a list of these.
    /// Months and days of the week have names of three letters; Sunday is 0 and 7. There are no `L`, `W`, `#` and `?`.
    package init(parsing text: String) throws(CronError) {
        guard text.utf8.count <= Self.bytesMax else {
            throw CronError(description: "a schedule has at most \(Self.bytesMax) bytes")
        }
        let plain: String
        if text.hasPrefix("@") {
            guard let meaning = Self.nicknames[lowercased(text)] else {
                throw CronError(
                    description: "'\(text)' is not one of \(Self.nicknames.keys.sorted().joined(separator: ", "))")
            }
            plain = meaning
        } else {
            plain = text
        }
        var fields = plain.split { $0 == " " || $0 == "\t" }
        guard fields.count == 5 || fields.count == 6 else {
            throw CronError(
                description: "a schedule has five fields, or six with seconds, and here are \(fields.count): "
                    + "minute hour day-of-month month day-of-week, such as '30 4 * * MON-FRI'")
        }
        if fields.count == 5 { fields.insert("0", at: 0) }
        self.description = text
        self.seconds = try CronField.second.values(in: fields[0])
        self.minutes = try CronField.minute.values(in: fields[1])
        self.hours = try CronField.hour.values(in: fields[2])
        self.days = try CronField.day.values(in: fields[3])
        self.months = try CronField.month.values(in: fields[4])
        let weekdays = try CronField.weekday.values(in: fields[5])
        self.weekdays = (weekdays | weekdays >> 7) & 0x7F
        self.isEitherDay = !fields[3].hasPrefix("*") && !fields[5].hasPrefix("*")
        try self.requireOccurrence()
    }

    /// 30 February is well written and never comes.
    private func requireOccurrence() throws(CronError) {
        let longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        let comes = (1...12).contains { month in
            self.months & (1 << UInt64(month)) != 0 && self.days & ((2 << UInt64(longest[month - 1])) - 1) != 0
        }
        guard comes || self.isEitherDay else {
            throw CronError(description: "'\(self.description)' never comes: none of its months has such a day")
        }
    }
}

private enum CronField {
    case second, minute, hour, day, month, weekday

    private var range: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .day: 1...31
        case .month: 1...12
        case .weekday: 0...7
        }
    }

    private var label: String {
        switch self {
        case .second: "the second"
        case .minute: "the minute"
        case .hour: "the hour"
        case .day: "the day of the month"
        case .month: "the month"
        case .weekday: "the day of the week"
        }
    }

    private var names: [String] {
        switch self {
        case .second, .minute, .hour, .day: []
        case .month: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        case .weekday: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        }
    }

    /// A bit for each.
    func values(in field: Substring) throws(CronError) -> UInt64 {
        var values: UInt64 = 0
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            for value in try self.values(ofPart: part) { values |= 1 << UInt64(value) }
        }
        return values
    }

    private func values(ofPart part: Substring) throws(CronError) -> StrideThrough<Int> {
        let halves = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var bounds: ClosedRange<Int>
        if halves.first == "*" {
            // Sunday once.
            bounds = self.range.lowerBound...(self == .weekday ? 6 : self.range.upperBound)
        } else {
            let ends = (halves.first ?? "").split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let low = try self.value(ends.first ?? "", in: part)
            // A step from one value goes on to the end of the field.
            let high =
                ends.count == 2
                ? try self.value(ends[1], in: part)
                : halves.count == 2 ? max(low, self == .weekday ? 6 : self.range.upperBound) : low
            guard low <= high else {
                throw CronError(
                    description: "\(self.label) '\(part)' ends before it begins: write two ranges, with a comma between"
                )
            }
            bounds = low...high
        }
        guard halves.count == 2 else { return stride(from: bounds.lowerBound, through: bounds.upperBound, by: 1) }
        guard let step = number(halves[1]), 1...self.range.upperBound ~= step else {
            throw CronError(
                description: "\(self.label) '\(part)' has the step '\(halves[1])': it is 1 to \(self.range.upperBound)")
        }
        return stride(from: bounds.lowerBound, through: bounds.upperBound, by: step)
    }

    private func value(_ text: Substring, in part: Substring) throws(CronError) -> Int {
        if let index = self.names.firstIndex(of: lowercased(text)) { return index + (self == .month ? 1 : 0) }
        guard let value = number(text), self.range.contains(value) else {
            let names = self.names.isEmpty ? "" : ", or \(self.names.joined(separator: " "))"
            throw CronError(
                description:
                    "\(self.label) '\(part)' is not \(self.range.lowerBound) to \(self.range.upperBound)\(names)")
        }
        return value
    }
}

private func number(_ text: Substring) -> Int? {
    text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? Int(text) : nil
}

/// ASCII alone: what else there is, is refused anyway.
private func lowercased(_ text: some StringProtocol) -> String {
    String(decoding: text.utf8.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
}
