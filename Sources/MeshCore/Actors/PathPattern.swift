/// A path with placeholders: `/text/wordcount/{key}`. A placeholder stands for exactly one segment.
package struct PathPattern: Hashable, Sendable, CustomStringConvertible {
    package enum Segment: Hashable, Sendable {
        case literal(String)
        case placeholder(String)
    }

    package let segments: [Segment]

    package var description: String {
        self.segments.map(Self.text).joined()
    }

    private static func text(of segment: Segment) -> String {
        switch segment {
        case .literal(let text): "/" + text
        case .placeholder(let name): "/{" + name + "}"
        }
    }

    /// Number of literal segments before the first placeholder; the longest wins among patterns that match.
    package var literalPrefix: Int {
        self.segments.prefix { if case .literal = $0 { true } else { false } }.count
    }

    package init(_ text: some StringProtocol) throws(ActorPathError) {
        guard text.utf8.first == UInt8(ascii: "/") else {
            throw ActorPathError(reason: "a pattern begins with /", position: 0)
        }
        var segments: [Segment] = []
        var names: Set<String> = []
        var position = 1
        // By bytes: as characters, a slash and a combining mark behind it are no slash.
        for bytes in Array(text.utf8.dropFirst()).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            defer { position += bytes.count + 1 }
            let part = String(decoding: bytes, as: UTF8.self)
            if bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count > 1 {
                let name = String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
                guard !name.isEmpty, name.utf8.count <= 64,
                    name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
                else {
                    throw ActorPathError(reason: "a placeholder is {name} of letters, digits and _", position: position)
                }
                guard names.insert(name).inserted else {
                    throw ActorPathError(reason: "the placeholder {\(name)} stands twice", position: position)
                }
                segments.append(.placeholder(name))
            } else {
                guard !bytes.contains(UInt8(ascii: "{")), !bytes.contains(UInt8(ascii: "}")) else {
                    throw ActorPathError(reason: "a placeholder fills a whole segment", position: position)
                }
                let canonical: ActorPath
                do { canonical = try ActorPath("/" + part) } catch {
                    throw ActorPathError(reason: error.reason, position: position + error.position)
                }
                segments.append(.literal(String(canonical.description.dropFirst())))
            }
        }
        guard segments.count <= ActorPath.segmentsMax else {
            throw ActorPathError(reason: "more than \(ActorPath.segmentsMax) segments", position: 0)
        }
        self.segments = segments
    }

    /// What it matches, whatever its placeholders are called: patterns of one shape match the same paths.
    var shape: [String?] {
        self.segments.map { segment in
            if case .literal(let text) = segment { text } else { nil }
        }
    }

    /// Every path that it matches begins so.
    package var prefix: String {
        let literals = self.segments.prefix(self.literalPrefix).map(Self.text).joined()
        return literals + (self.literalPrefix < self.segments.count ? "/" : "")
    }

    package func matches(_ path: ActorPath) -> Bool { self.matches(path.segments) }

    /// The segments of a path, for whoever tries several patterns on it.
    func matches(_ parts: [Substring]) -> Bool {
        guard parts.count == self.segments.count else { return false }
        return zip(parts, self.segments).allSatisfy { part, segment in
            if case .literal(let text) = segment { part == text } else { true }
        }
    }
}
