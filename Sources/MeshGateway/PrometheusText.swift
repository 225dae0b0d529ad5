/// Writes the Prometheus text format, version 0.0.4.
struct PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func begin(_ name: String, kind: Series.Kind, help: String?) {
        if let help { self.text += "# HELP \(name) \(escaped(help, quotes: false))\n" }
        let type =
            switch kind {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        self.text += "# TYPE \(name) \(type)\n"
    }

    mutating func add(_ name: String, labels: String, _ reading: Series.Reading) {
        switch reading {
        case .value(let value): self.line(name, labels, value)
        case .histogram(let histogram):
            let separator = labels.isEmpty ? "" : ","
            var cumulative: UInt64 = 0
            for (index, count) in histogram.counts.enumerated() {
                cumulative += count
                let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
                self.line(name + "_bucket", "\(labels)\(separator)le=\"\(bound)\"", Double(cumulative))
            }
            self.line(name + "_sum", labels, histogram.sum)
            self.line(name + "_count", labels, Double(cumulative))
        }
    }

    private mutating func line(_ name: String, _ labels: String, _ value: Double) {
        self.text += labels.isEmpty ? "\(name) \(number(value))\n" : "\(name){\(labels)} \(number(value))\n"
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`: anything else becomes `_`.
func metricName(_ label: String) -> String { identifier(label, allowsColon: true) }

/// Labels sorted by name, so that one set of dimensions is one series however it was written.
func renderedLabels(_ dimensions: ArraySlice<(String, String)>) -> String {
    dimensions
        .map { (name: identifier($0.0, allowsColon: false), value: bounded($0.1)) }
        .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        .map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
        .joined(separator: ",")
}

private func identifier(_ text: String, allowsColon: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(200) {
        let isLetter = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
        let isLegal = isLetter || ("0"..."9").contains(scalar) || (allowsColon && scalar == ":")
        result.unicodeScalars.append(isLegal ? scalar : "_")
    }
    guard let first = result.unicodeScalars.first, !("0"..."9").contains(first) else { return "_" + result }
    return result
}

private func bounded(_ value: String) -> String {
    value.utf8.count <= PrometheusRegistry.labelValueBytesMax
        ? value : String(value.unicodeScalars.prefix(PrometheusRegistry.labelValueBytesMax / 4))
}

private func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\"" where quotes: result += "\\\""
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// Whole numbers without `.0`: counters read better, and 2^53 is exact either way.
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && value.magnitude < 9e15 ? String(Int64(value)) : String(value)
}
