/// What is wrong in a requirement's text, where, and what was probably meant.
package struct RequirementError: Error, Hashable, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        case tooLong, tooDeep
        case unexpectedCharacter, unterminatedText, invalidNumber
        /// Something else belongs here.
        case unexpected
        case unknownName
        /// The two sides of a comparison are of different kinds.
        case wrongKind
    }

    package var code: Code
    package var message: String
    /// The mend; empty if nothing is known.
    package var hint: String
    /// Both from 1; the column counts Unicode scalars.
    package var line: Int
    package var column: Int
    /// How many scalars of the line are meant; at least 1.
    package var length: Int
    /// The line of the text that it is in.
    package var text: String
}

extension RequirementError: CustomStringConvertible {
    private static let shownMax = 100

    package var description: String {
        let sentence = self.hint.isEmpty ? self.message : "\(self.message); \(self.hint)"
        return "line \(self.line), column \(self.column): \(sentence)\n\(self.snippet)"
    }

    /// The line and carets under what is meant; of a long line, what surrounds it.
    package var snippet: String {
        let scalars = Array(self.text.unicodeScalars.map { isControl($0) ? " " : $0 })
        let start = max(0, min(self.column - 1 - Self.shownMax / 2, scalars.count - Self.shownMax))
        var shown = String.UnicodeScalarView()
        shown.append(contentsOf: scalars[start..<min(scalars.count, start + Self.shownMax)])
        let indent = self.column - 1 - start
        let carets = max(1, min(self.length, Self.shownMax - indent))
        return "  \(String(shown))\n  \(String(repeating: " ", count: indent))\(String(repeating: "^", count: carets))"
    }
}
