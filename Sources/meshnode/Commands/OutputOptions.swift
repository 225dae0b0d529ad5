internal import ArgumentParser

enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case text, json, yaml }

/// How a command prints. Every command that prints data does it here, so that all formats of an answer hold the same.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .long],
        help: "How to print: text for people, JSON or YAML (of the same schema) for programs.")
    var format = OutputFormat.text

    /// Whether people read it.
    var isText: Bool { self.format == .text }

    /// An answer as the node gave it; `text` is what people see in its place.
    func show(_ json: [UInt8], text: () throws -> Void) throws {
        switch self.format {
        case .text: try text()
        case .json: printRaw(json.last == UInt8(ascii: "\n") ? json : json + [UInt8(ascii: "\n")])
        case .yaml: printRaw(Array(try YAMLText.converting(json).utf8))
        }
    }

    func show(_ value: some Encodable, text: () throws -> Void) throws {
        try self.show(try jsonBytes(value), text: text)
    }

    /// One of many that come one by one: JSON on a line of its own, or a YAML document.
    func showNext(_ json: [UInt8], text: () throws -> Void) throws {
        if self.format == .yaml { printLine("---") }
        try self.show(json, text: text)
    }
}
