/// Bytes as people write them: `64MiB`, `1GiB`; a whole number and a binary unit.
package struct ByteCountText: Sendable {
    package var bytes: Int

    package init(parsing text: String) throws(InvalidValue) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit: Int? =
            switch text.dropFirst(digits.count) {
            case "KiB": 1 << 10
            case "MiB": 1 << 20
            case "GiB": 1 << 30
            default: nil
            }
        guard let unit, let number = Int(digits) else {
            throw InvalidValue("'\(text.prefix(64))' is not a size such as 512KiB, 64MiB or 1GiB")
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, bytes <= 1 << 50 else { throw InvalidValue("'\(text.prefix(64))' is more than 1024TiB") }
        self.bytes = bytes
    }

    package init(_ bytes: Int) { self.bytes = bytes }
}

extension ByteCountText: CustomStringConvertible {
    /// In the largest unit that leaves a whole number.
    package var description: String {
        for (shift, unit) in [(30, "GiB"), (20, "MiB")] where self.bytes % (1 << shift) == 0 && self.bytes > 0 {
            return "\(self.bytes >> shift)\(unit)"
        }
        return "\(self.bytes >> 10)KiB"
    }
}
