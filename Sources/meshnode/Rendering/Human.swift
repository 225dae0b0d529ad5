/// Numbers as people read them.
package enum Human {
    /// Two units at most: `45s`, `12m5s`, `3h12m`, `5d4h`.
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "-" }
        let total = Int(seconds)
        let (days, hours, minutes, rest) = (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60)
        if days > 0 { return hours > 0 && days < 100 ? "\(days)d\(hours)h" : "\(days)d" }
        if hours > 0 { return minutes > 0 ? "\(hours)h\(minutes)m" : "\(hours)h" }
        if minutes > 0 { return rest > 0 ? "\(minutes)m\(rest)s" : "\(minutes)m" }
        return "\(rest)s"
    }

    /// Three digits: `0.42ms`, `12.3ms`, `1.20s`.
    package static func milliseconds(_ value: Double?) -> String {
        guard let value, value.isFinite, value >= 0, value < 1e9 else { return "-" }
        if value >= 1_000 { return fixed(value / 1_000, places: 2) + "s" }
        return fixed(value, places: value < 1 ? 2 : value < 100 ? 1 : 0) + "ms"
    }

    /// Three digits and a binary unit: `512MiB`, `15.6GiB`, `1.08TiB`.
    package static func bytes(_ value: Int?) -> String {
        guard let value, value >= 0 else { return "-" }
        let (number, unit) = scaled(value)
        return number + unit
    }

    /// `3.20/15.6GiB`: what is free of the whole, both in the unit of the whole.
    package static func bytes(_ part: Int?, of whole: Int?) -> String {
        guard let part, let whole, 0...whole ~= part else { return self.bytes(whole ?? part) }
        let (number, unit) = scaled(whole)
        return scaled(part, as: whole).number + "/" + number + unit
    }

    package static func count(_ value: Int?) -> String { value.map { String($0) } ?? "-" }

    /// `a=1,b=2`, sorted, so that equal labels look equal.
    package static func labels(_ labels: [String: String]) -> String {
        labels.isEmpty
            ? "-" : labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }

    package static func text(_ text: String) -> String { text.isEmpty ? "-" : text }
}

/// Three digits in the unit that suits `other`, or the number itself.
private func scaled(_ value: Int, as other: Int? = nil) -> (number: String, unit: String) {
    let exponent = min((0...4).last { (other ?? value) >> (10 * $0 + 20) > 0 } ?? 0, 4)
    let number = Double(value) / Double(1 << (10 * exponent + 20))
    return (
        fixed(number, places: number < 9.995 ? 2 : number < 99.95 ? 1 : 0),
        ["MiB", "GiB", "TiB", "PiB", "EiB"][exponent]
    )
}

private func fixed(_ value: Double, places: Int) -> String {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = Int((value * scale).rounded())
    guard places > 0 else { return String(scaled) }
    let digits = String(scaled % Int(scale))
    return "\(scaled / Int(scale))." + String(repeating: "0", count: places - digits.count) + digits
}
