internal import Logging
internal import MeshCore
package import MeshRuntime

/// A record of the log as a line, without its end: what the daemon writes and what `meshnode logs` shows.
///
/// Values are escaped: what a peer or a worker sends cannot forge a line.
package enum LogText {
    package static func text(_ record: LogRecord, at time: String) -> String {
        var line = time + " " + record.level.rawValue.uppercased().padded(to: 8) + record.part.padded(to: 10)
        appendEscaped(record.message, to: &line, quotes: false)
        for field in record.fields {
            line += " \(field.key)="
            let plain =
                !field.value.isEmpty
                && field.value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
            if !plain { line += "\"" }
            appendEscaped(field.value, to: &line, quotes: true)
            if !plain { line += "\"" }
        }
        return line
    }

    package static func json(_ record: LogRecord, at time: String) -> String {
        var line = "{"
        let members =
            [
                Label("time", time), Label("level", record.level.rawValue), Label("part", record.part),
                Label("message", record.message),
            ] + record.fields
        for (index, member) in members.enumerated() {
            line += index == 0 ? "\"" : ",\""
            appendEscaped(member.key, to: &line, quotes: true)
            line += "\":\""
            appendEscaped(member.value, to: &line, quotes: true)
            line += "\""
        }
        return line + "}"
    }
}

/// JSON's escapes (RFC 8259, 7) serve both formats.
private func appendEscaped(_ text: String, to line: inout String, quotes: Bool) {
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": line += "\\n"
        case "\t": line += "\\t"
        case "\"" where quotes: line += "\\\""
        case "\\" where quotes: line += "\\\\"
        case let control where control.value < 0x20 || (0x7F...0x9F).contains(control.value):
            let digits = String(control.value, radix: 16)
            line += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: line.unicodeScalars.append(scalar)
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - self.utf8.count))
    }
}
