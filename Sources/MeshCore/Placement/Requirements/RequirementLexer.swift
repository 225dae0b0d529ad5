/// One word of a requirement and where it stands.
struct RequirementToken {
    enum Kind: Hashable {
        /// `gpu.memory.free`, `in`, `label`.
        case name(String)
        /// Quotes and escapes resolved.
        case text(String)
        /// With its unit, as written.
        case number(String)
        case relation(Requirement.Relation)
        case and, or, not
        case open, close, openList, closeList, comma
        case end
    }

    var kind: Kind
    /// In scalars of the whole text.
    var range: Range<Int>
}

/// Text to words. The text has bounded length, so there is a bounded number of them.
struct RequirementLexer {
    private let scalars: [Unicode.Scalar]
    private var position = 0

    static func tokens(of text: String) throws(RequirementError) -> [RequirementToken] {
        var lexer = RequirementLexer(text)
        guard text.utf8.count <= Requirement.bytesMax else {
            throw lexer.error(
                .tooLong, "the requirement has \(text.utf8.count) bytes of at most \(Requirement.bytesMax)", at: 0..<1)
        }
        var tokens: [RequirementToken] = []
        while true {
            let token = try lexer.next()
            tokens.append(token)
            if token.kind == .end { return tokens }
        }
    }

    init(_ text: String) { self.scalars = Array(text.unicodeScalars) }

    private mutating func next() throws(RequirementError) -> RequirementToken {
        self.skip { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }
        let start = self.position
        guard let scalar = self.peek else { return RequirementToken(kind: .end, range: start..<start + 1) }
        let kind: RequirementToken.Kind
        switch scalar {
        case "\"": kind = .text(try self.quotedText())
        case "0"..."9": kind = .number(self.number())
        case _ where Self.beginsName(scalar):
            self.skip { Self.beginsName($0) || "0"..."9" ~= $0 || $0 == "." }
            kind = .name(self.text(from: start))
        default: kind = try self.symbol(scalar)
        }
        return RequirementToken(kind: kind, range: start..<self.position)
    }

    private static func beginsName(_ scalar: Unicode.Scalar) -> Bool {
        "a"..."z" ~= scalar || "A"..."Z" ~= scalar || scalar == "_"
    }

    /// Digits, dots and whatever letters follow: a unit that is none is told as such.
    private mutating func number() -> String {
        let start = self.position
        self.skip { "0"..."9" ~= $0 || $0 == "." }
        self.skip { Self.beginsName($0) || $0 == "%" || $0 == "µ" || $0 == "°" }
        return self.text(from: start)
    }

    private mutating func quotedText() throws(RequirementError) -> String {
        let start = self.position
        var result = String.UnicodeScalarView()
        self.position += 1
        while let scalar = self.peek, scalar != "\"" {
            if isControl(scalar) { break }
            self.position += 1
            guard scalar == "\\" else {
                result.append(scalar)
                continue
            }
            guard let escaped = self.peek, escaped == "\"" || escaped == "\\" else {
                throw self.error(
                    .unexpectedCharacter, "nothing but \" and \\ is written with a \\ before it",
                    hint: "write \\\\ for a single \\", at: self.position - 1..<self.position)
            }
            result.append(escaped)
            self.position += 1
        }
        guard self.peek == "\"" else {
            if let scalar = self.peek, scalar != "\n" { _ = try self.symbol(scalar) }
            throw self.error(
                .unterminatedText, "this text does not end", hint: "close it with \" on the same line",
                at: start..<self.position)
        }
        self.position += 1
        return String(result)
    }

    private mutating func symbol(_ scalar: Unicode.Scalar) throws(RequirementError) -> RequirementToken.Kind {
        let start = self.position
        let following = start + 1 < self.scalars.count ? self.scalars[start + 1] : " "
        self.position += 2
        switch (scalar, following) {
        case ("&", "&"): return .and
        case ("|", "|"): return .or
        case ("=", "="): return .relation(.equal)
        case ("!", "="): return .relation(.notEqual)
        case ("<", "="): return .relation(.lessOrEqual)
        case (">", "="): return .relation(.greaterOrEqual)
        default: self.position -= 1
        }
        let hint: String
        switch scalar {
        case "!": return .not
        case "<": return .relation(.less)
        case ">": return .relation(.greater)
        case "(": return .open
        case ")": return .close
        case "[": return .openList
        case "]": return .closeList
        case ",": return .comma
        case "&": hint = "write && for 'and'"
        case "|": hint = "write || for 'or'"
        case "=": hint = "write == to compare"
        case "'", "“", "”", "`": hint = "texts stand in double quotes: \"…\""
        case "-": hint = "no value is below zero; a name with a - is written capability(\"…\") or label(\"…\")"
        default: hint = ""
        }
        let shown =
            isControl(scalar)
            ? "the control character U+\(hexadecimal(UInt64(scalar.value)).suffix(4).uppercased())" : "'\(scalar)'"
        throw self.error(.unexpectedCharacter, "\(shown) means nothing here", hint: hint, at: start..<start + 1)
    }

    private var peek: Unicode.Scalar? { self.position < self.scalars.count ? self.scalars[self.position] : nil }

    private mutating func skip(_ belongs: (Unicode.Scalar) -> Bool) {
        while let scalar = self.peek, belongs(scalar) { self.position += 1 }
    }

    private func text(from start: Int) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: self.scalars[start..<self.position])
        return String(view)
    }

    /// With line and column of where it happened.
    func error(
        _ code: RequirementError.Code, _ message: String, hint: String = "", at range: Range<Int>
    ) -> RequirementError {
        let place = min(range.lowerBound, self.scalars.count)
        let before = self.scalars[..<place]
        let lineStart = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        let lineEnd = self.scalars[place...].firstIndex(of: "\n") ?? self.scalars.count
        var line = String.UnicodeScalarView()
        line.append(contentsOf: self.scalars[lineStart..<lineEnd])
        return RequirementError(
            code: code, message: message, hint: hint, line: 1 + before.count { $0 == "\n" },
            column: place - lineStart + 1,
            length: max(1, min(range.upperBound, lineEnd) - place), text: String(line))
    }
}
