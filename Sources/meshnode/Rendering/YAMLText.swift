internal import FoundationEssentials

/// JSON as YAML for people who prefer to read that: the same keys and values, so the same schema.
package enum YAMLText {
    /// Ends with a newline.
    package static func converting(_ json: [UInt8]) throws -> String {
        let value: Value
        do { value = try JSONDecoder().decode(Value.self, from: Data(json)) } catch {
            throw CommandFailure(
                "the answer is not JSON and cannot be shown as YAML", hint: "see it with --format json")
        }
        return value.lines.map { $0 + "\n" }.joined()
    }

    private enum Value: Decodable {
        case null
        case bool(Bool)
        /// As YAML writes it.
        case number(String)
        case text(String)
        case list([Value])
        case mapping([String: Value])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .bool(value)
            } else if let value = try? container.decode(Int64.self) {
                self = .number("\(value)")
            } else if let value = try? container.decode(UInt64.self) {
                self = .number("\(value)")
            } else if let value = try? container.decode(Double.self) {
                // The decimal keeps every digit of a number that a Double would round.
                let exact = try? container.decode(Decimal.self)
                self = .number(exact.map { "\($0)" } ?? "\(value)")
            } else if let value = try? container.decode(String.self) {
                self = .text(value)
            } else if let value = try? container.decode([Value].self) {
                self = .list(value)
            } else {
                self = .mapping(try container.decode([String: Value].self))
            }
        }

        /// What stands in one line behind a key or a dash; nil for what needs lines of its own.
        private var inline: String? {
            switch self {
            case .null: "null"
            case .bool(let value): value ? "true" : "false"
            case .number(let text): text
            case .text(let text): YAMLText.scalar(text)
            case .list(let values): values.isEmpty ? "[]" : nil
            case .mapping(let values): values.isEmpty ? "{}" : nil
            }
        }

        /// The lines of a document within the document, such as a definition's source, which people want to read as it is;
        /// nil for text that needs quotes all the same.
        private var block: [Substring]? {
            guard case .text(let text) = self, text.hasSuffix("\n"), !text.hasSuffix("\n\n"), text.first != " ",
                text.first != "\n", text.unicodeScalars.allSatisfy({ $0 == "\n" || YAMLText.isPrintable($0) })
            else { return nil }
            return text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        }

        var lines: [String] {
            switch self {
            case .list(let values) where !values.isEmpty:
                values.flatMap { value in
                    value.lines.enumerated().map { $0.offset == 0 ? "- " + $0.element : YAMLText.indented($0.element) }
                }
            case .mapping(let values) where !values.isEmpty:
                values.sorted { $0.key < $1.key }.flatMap { key, value in
                    if let block = value.block {
                        return [YAMLText.scalar(key) + ": |"] + block.map { YAMLText.indented(String($0)) }
                    }
                    if let text = value.inline { return [YAMLText.scalar(key) + ": " + text] }
                    // A list needs no indentation: its dashes tell it apart from the next key.
                    if case .list = value { return [YAMLText.scalar(key) + ":"] + value.lines }
                    return [YAMLText.scalar(key) + ":"] + value.lines.map(YAMLText.indented)
                }
            default: [self.inline ?? ""]
            }
        }
    }

    /// An empty line of a text stays empty.
    private static func indented(_ line: String) -> String { line.isEmpty ? "" : "  " + line }

    /// Text as a scalar in one line: in quotes where bare text would be read as something else, such as no, 1.0 or a date.
    private static func scalar(_ text: String) -> String {
        if self.isPlain(text) { return text }
        if text.unicodeScalars.allSatisfy(self.isPrintable) { return "'" + text.replacing("'", with: "''") + "'" }
        var quoted = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\"", "\\": quoted += "\\\(character)"
            case _ where self.isPrintable(character): quoted.unicodeScalars.append(character)
            default:
                let digits = String(character.value, radix: 16)
                quoted += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return quoted + "\""
    }

    /// Words that YAML 1.1 or 1.2 takes for something else than text.
    private static let words: Set<String> = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"]

    /// Begins with a letter or a slash, so that it is no number and no sign of YAML's, and holds none.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first,
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= first | 0x20 || first == UInt8(ascii: "/")
        else { return false }
        let isSimple = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_-./+@ ".utf8.contains(byte)
            }
        }
        return isSimple && text.utf8.last != UInt8(ascii: " ") && !self.words.contains(text.lowercased())
    }

    /// YAML 1.2, 5.1, without the line breaks.
    private static func isPrintable(_ character: Unicode.Scalar) -> Bool {
        switch character.value {
        case 0x20...0x7E, 0xA0...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }
}
