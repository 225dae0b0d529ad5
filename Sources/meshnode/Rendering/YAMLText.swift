internal import FoundationEssentials
internal import Yams

/// JSON as YAML for people who prefer to read that: the same keys and values, so the same schema.
package enum YAMLText {
    /// Ends with a newline.
    package static func converting(_ json: [UInt8]) throws -> String {
        let value: Value
        do { value = try JSONDecoder().decode(Value.self, from: Data(json)) } catch {
            throw CommandFailure(
                "the answer is not JSON and cannot be shown as YAML", hint: "see it with --format json")
        }
        return try Yams.serialize(node: value.node, width: -1, allowUnicode: true)
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

        var node: Node {
            switch self {
            case .null: .scalar(Node.Scalar("null"))
            case .bool(let value): .scalar(Node.Scalar(value ? "true" : "false"))
            case .number(let text): .scalar(Node.Scalar(text))
            // In quotes where bare text would be read as something else, such as no, 1.0 or a date.
            case .text(let text): .scalar(text.represented())
            case .list(let values):
                .sequence(Node.Sequence(values.map(\.node), Tag(.seq), values.isEmpty ? .flow : .block))
            case .mapping(let values):
                .mapping(
                    Node.Mapping(
                        values.sorted { $0.key < $1.key }.map { (.scalar($0.key.represented()), $0.value.node) },
                        Tag(.map), values.isEmpty ? .flow : .block))
            }
        }
    }
}
