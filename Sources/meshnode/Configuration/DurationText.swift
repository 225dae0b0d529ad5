extension Duration {
    /// `500ms`, `30s`, `2m`, `1h`: a whole number and a unit.
    package init(parsing text: String) throws(InvalidValue) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit: Int64? =
            switch text.dropFirst(digits.count) {
            case "ms": 1
            case "s": 1_000
            case "m": 60_000
            case "h": 3_600_000
            default: nil
            }
        guard let unit, let number = Int64(digits) else {
            throw InvalidValue("'\(text.prefix(64))' is not a duration such as 500ms, 30s, 2m or 1h")
        }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, milliseconds <= 365 * 24 * 3_600_000 else {
            throw InvalidValue("'\(text.prefix(64))' is longer than a year")
        }
        self = .milliseconds(milliseconds)
    }
}
