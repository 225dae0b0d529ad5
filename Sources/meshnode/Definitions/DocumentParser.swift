internal import MeshCore

/// Text to documents, within bounds: the text comes from outside and may be made to hurt.
package enum DocumentParser {
    static let bytesMax = 1 << 20
    static let documentsMax = 256
    static let depthMax = 32
    static let nodesMax = 20_000

    /// One document of a stream and its text.
    package struct Part: Sendable {
        package var document: Document
        package var text: String
        /// Lines of the stream before it.
        package var firstLine: Int

        /// Whether a `!` stands at a place, also behind an anchor: YAML takes it for the name of a type, and not for
        /// part of the text.
        func hasTag(at place: Document.Place) -> Bool {
            let lines = self.text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
            let line = place.line - 1 - self.firstLine
            guard lines.indices.contains(line) else { return false }
            var rest = lines[line].dropFirst(place.column - 1)
            if rest.first == "&" { rest = rest.drop { $0 != " " }.drop { $0 == " " } }
            return rest.first == "!"
        }
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
            guard let document = try DocumentBuilder.document(in: piece, firstLine: line) else { continue }
            if case .null = document.content { continue }
            guard parts.count < self.documentsMax else {
                throw DocumentError("more than \(self.documentsMax) documents", at: nil, hint: "split the file")
            }
            parts.append(Part(document: document, text: piece, firstLine: line))
        }
        return parts
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
