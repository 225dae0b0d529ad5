/// An exact amount: `24GiB`, `12.5%`, `20ms`, `1.5`.
///
/// Requirements decide where actors run, and every member must decide alike, so a fraction is a fixed-point number and
/// never a floating one.
package struct Quantity: Hashable, Sendable {
    package enum Unit: Hashable, Sendable { case none, bytes, percent, celsius, duration }

    package enum Fault: Error, Hashable, Sendable {
        case notANumber
        case unknownUnit(String)
        /// More decimals than are kept, or half a byte.
        case notExact
        case tooLarge
    }

    /// One of each unit in `steps`: bytes, nanoseconds, and millionths of whatever has no smallest part.
    private struct Scale {
        var suffix: String
        var unit: Unit
        var steps: Int64
    }

    /// Of two that fit, the earlier is printed.
    private static let scales = [
        Scale(suffix: "TiB", unit: .bytes, steps: 1 << 40), Scale(suffix: "TB", unit: .bytes, steps: 1_000_000_000_000),
        Scale(suffix: "GiB", unit: .bytes, steps: 1 << 30), Scale(suffix: "GB", unit: .bytes, steps: 1_000_000_000),
        Scale(suffix: "MiB", unit: .bytes, steps: 1 << 20), Scale(suffix: "MB", unit: .bytes, steps: 1_000_000),
        Scale(suffix: "KiB", unit: .bytes, steps: 1 << 10), Scale(suffix: "kB", unit: .bytes, steps: 1_000),
        Scale(suffix: "B", unit: .bytes, steps: 1),
        Scale(suffix: "s", unit: .duration, steps: 1_000_000_000),
        Scale(suffix: "ms", unit: .duration, steps: 1_000_000),
        Scale(suffix: "us", unit: .duration, steps: 1_000),
        Scale(suffix: "%", unit: .percent, steps: 1_000_000), Scale(suffix: "C", unit: .celsius, steps: 1_000_000),
        Scale(suffix: "", unit: .none, steps: 1_000_000),
    ]

    /// Of one unit, or of all.
    static func suffixes(of unit: Unit?) -> [String] {
        self.scales.filter { !$0.suffix.isEmpty && (unit == nil || $0.unit == unit) }.map(\.suffix)
    }

    private static let decimalsMax = 6

    package let unit: Unit
    package let steps: Int64

    package init(nanoseconds: Int64) {
        self.unit = .duration
        self.steps = nanoseconds
    }

    package init(_ text: String) throws(Fault) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let suffix = String(text[digits.endIndex...])
        guard 1...2 ~= parts.count, parts.allSatisfy({ !$0.isEmpty }) else { throw .notANumber }
        guard let scale = Self.scales.first(where: { $0.suffix == suffix }) else { throw .unknownUnit(suffix) }
        guard let whole = Int64(parts[0]) else { throw .tooLarge }
        var fraction = parts.count == 2 ? String(parts[1]) : ""
        while fraction.last == "0" { fraction.removeLast() }
        guard fraction.count <= Self.decimalsMax else { throw .notExact }
        let power = fraction.reduce(Int64(1)) { power, _ in power * 10 }
        // At most 999,999 · 2^40, which fits.
        let (small, rest) = ((Int64(fraction) ?? 0) * scale.steps).quotientAndRemainder(dividingBy: power)
        guard rest == 0 else { throw .notExact }
        let (large, overflow) = whole.multipliedReportingOverflow(by: scale.steps)
        let (steps, carry) = large.addingReportingOverflow(small)
        guard !overflow, !carry else { throw .tooLarge }
        self.unit = scale.unit
        self.steps = steps
    }

    private func decimal(_ scale: Scale, decimals: Int) -> String {
        let (whole, rest) = self.steps.quotientAndRemainder(dividingBy: scale.steps)
        var digits = ""
        var remainder = rest
        for _ in 0..<decimals where remainder != 0 {
            let (digit, next) = (remainder * 10).quotientAndRemainder(dividingBy: scale.steps)
            digits += String(digit)
            remainder = next
        }
        while digits.last == "0" { digits.removeLast() }
        return "\(whole)" + (digits.isEmpty ? "" : "." + digits) + scale.suffix
    }

    /// In round units, cut off after one decimal, for a sentence: `11.2GiB` for 11469MiB. What is short of a whole never
    /// reads as if it were the whole.
    package var rounded: String {
        let scales = Self.scales.filter { $0.unit == self.unit && !["TB", "GB", "MB", "kB"].contains($0.suffix) }
        return (scales.first { $0.steps <= self.steps } ?? scales.last).map { self.decimal($0, decimals: 1) } ?? ""
    }
}

extension Quantity: CustomStringConvertible {
    /// Exact; reads back as the same.
    package var description: String {
        let scales = Self.scales.filter { $0.unit == self.unit }
        // The fewest digits, and of equally short ones the first.
        let whole = scales.filter { self.steps % $0.steps == 0 }.min {
            (self.steps / $0.steps).description.count < (self.steps / $1.steps).description.count
        }
        return (whole ?? scales.last).map { self.decimal($0, decimals: Self.decimalsMax) } ?? ""
    }
}

extension Quantity.Unit {
    /// What the unit measures, and how it is written, for messages.
    var explained: (kind: String, example: String) {
        switch self {
        case .none: ("a number", "8 or 1.5")
        case .bytes: ("an amount of memory", "24GiB or 500MB")
        case .percent: ("a percentage", "50%")
        case .celsius: ("a temperature", "60C")
        case .duration: ("a duration", "20ms or 1s")
        }
    }
}

/// Numbers between dots, the first counting most: `12.10` comes after `12.9`.
package struct DottedVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    private static let numbersMax = 8

    /// Without zeros at the end: 13 and 13.0 are one version.
    private let numbers: [UInt32]

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard 1...Self.numbersMax ~= parts.count else { return nil }
        var numbers: [UInt32] = []
        for part in parts {
            guard let number = UInt32(part), part.first != "+" else { return nil }
            numbers.append(number)
        }
        while numbers.count > 1, numbers.last == 0 { numbers.removeLast() }
        self.numbers = numbers
    }

    package static func < (left: Self, right: Self) -> Bool { left.numbers.lexicographicallyPrecedes(right.numbers) }

    /// As a text: some would read back as a number with a unit that is none.
    package var description: String { self.numbers.map(String.init).joined(separator: ".") }
}
