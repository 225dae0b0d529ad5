internal import MeshCore
internal import Yams

/// Text to documents, within bounds: the text comes from outside and may be made to hurt.
package enum DocumentParser {
    static let bytesMax = 1 << 20
    static let documentsMax = 256
    static let depthMax = 32
    static let nodesMax = 20_000
    /// Each alias can multiply what it stands for; so many cannot blow up to more than a reader can take.
    static let aliasesMax = 32

    /// One document of a stream and its text.
    package struct Part: Sendable {
        package var document: Document
        package var text: String
    }

    package static func parse(_ bytes: [UInt8]) throws(DocumentError) -> [Part] {
        guard bytes.count <= self.bytesMax else {
            throw DocumentError("more than \(self.bytesMax) bytes", at: nil, hint: "split the file")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DocumentError("not UTF-8", at: nil, hint: "save the file as UTF-8")
        }
        // JSON may be indented with tabs, which YAML forbids; inside its strings there are none (RFC 8259, 7).
        let isTabbed = bytes.contains(UInt8(ascii: "\t")) && isJSON(bytes)
        let pieces = isTabbed ? [(0, text.map { $0 == "\t" ? " " : $0 }.map(String.init).joined())] : split(text)
        var parts: [Part] = []
        for (line, piece) in pieces {
            guard let document = try self.document(piece, firstLine: line) else { continue }
            guard parts.count < self.documentsMax else {
                throw DocumentError("more than \(self.documentsMax) documents", at: nil, hint: "split the file")
            }
            parts.append(Part(document: document, text: piece))
        }
        return parts
    }

    private static func document(_ text: String, firstLine: Int) throws(DocumentError) -> Document? {
        try self.checkAliases(text, firstLine)
        var builder = TreeBuilder(firstLine: firstLine)
        do {
            guard let root = try Yams.Parser(yaml: text).singleRoot() else { return nil }
            let document = try builder.build(root, depth: 0)
            if case .null = document.content { return nil }
            return document
        } catch let error as DocumentError {
            throw error
        } catch let error as YamlError {
            throw DocumentError(error, firstLine: firstLine)
        } catch {
            throw DocumentError("not YAML", at: nil)
        }
    }

    /// Refuses documents made of anchors and aliases before they reach the parser, which hashes what aliases stand
    /// for ("billion laughs"). What looks like an alias inside a text counts too, but only where there are anchors.
    private static func checkAliases(_ text: String, _ firstLine: Int) throws(DocumentError) {
        var (anchors, aliases, line) = (0, 0, 1)
        var previous = UInt8(ascii: " ")
        for byte in text.utf8 {
            if previous == UInt8(ascii: "&"), isName(byte) { anchors += 1 }
            if previous == UInt8(ascii: "*"), isName(byte) {
                aliases += 1
                guard anchors == 0 || aliases <= self.aliasesMax else {
                    throw DocumentError(
                        "more than \(self.aliasesMax) aliases", at: .init(line: firstLine + line, column: 1),
                        hint: "write the values out")
                }
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
            previous = byte
        }
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// At lines that begin with `---`: YAML ends a document there whatever it was in the middle of (YAML 1.2, 9.1.2).
private func split(_ text: String) -> [(firstLine: Int, text: String)] {
    var pieces: [(Int, String)] = []
    var current: [Substring] = []
    var first = 0
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
        let isMarker = line.hasPrefix("---") && (line.count == 3 || line.dropFirst(3).first?.isWhitespace == true)
        if isMarker {
            pieces.append((first, current.joined(separator: "\n")))
            // What follows on the line of the marker belongs to the document; columns stay what they were.
            current = ["   " + line.dropFirst(3)]
            first = index
        } else {
            current.append(line)
        }
    }
    pieces.append((first, current.joined(separator: "\n")))
    return pieces.filter { piece in
        !piece.1.split(separator: "\n").allSatisfy { line in
            let text = line.drop { $0.isWhitespace }
            return text.isEmpty || text.hasPrefix("#") || line.hasPrefix("%")
        }
    }
}

/// Copies the parser's tree into ours, counting.
private struct TreeBuilder {
    let firstLine: Int
    private var nodes = 0

    init(firstLine: Int) { self.firstLine = firstLine }

    mutating func build(_ node: Node, depth: Int) throws(DocumentError) -> Document {
        let place = Document.Place(
            line: (node.mark?.line ?? 1) + self.firstLine, column: node.mark?.column ?? 1)
        self.nodes += 1
        guard depth <= DocumentParser.depthMax else {
            throw DocumentError("nested deeper than \(DocumentParser.depthMax)", at: place)
        }
        guard self.nodes <= DocumentParser.nodesMax else {
            throw DocumentError("more than \(DocumentParser.nodesMax) values", at: place)
        }
        switch node {
        case .scalar(let scalar):
            let isNull = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
            return Document(content: isNull ? .null : .scalar(scalar.string), place: place)
        case .sequence(let sequence):
            var elements: [Document] = []
            for element in sequence { elements.append(try self.build(element, depth: depth + 1)) }
            return Document(content: .sequence(elements), place: place)
        case .mapping(let mapping):
            var fields: [Document.Field] = []
            for (key, value) in mapping {
                let field = try self.build(key, depth: depth + 1)
                guard case .scalar(let name) = field.content else {
                    throw DocumentError("a key is a text", at: field.place)
                }
                fields.append(
                    Document.Field(key: name, place: field.place, value: try self.build(value, depth: depth + 1)))
            }
            return Document(content: .mapping(fields), place: place)
        case .alias:
            throw DocumentError("an alias without its anchor", at: place)
        }
    }
}

extension DocumentError {
    fileprivate init(_ error: YamlError, firstLine: Int) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            let hint =
                problem.contains("tab") || problem.contains("cannot start any token")
                ? "indent with spaces, and quote texts that begin with @, `, % or a tab" : ""
            self.init(
                "not YAML: \(problem)", at: .init(line: mark.line + firstLine, column: mark.column), hint: hint)
        case .duplicatedKeysInMapping(let keys, let context):
            self.init(
                "the field '\(keys.first?.prefix(64) ?? "")' stands twice",
                at: .init(line: context.mark.line + firstLine, column: context.mark.column))
        case .reader(let problem, _, _, _):
            self.init("not YAML: \(problem)", at: nil, hint: "save the file as UTF-8 without control characters")
        default:
            self.init("not YAML", at: nil)
        }
    }
}
