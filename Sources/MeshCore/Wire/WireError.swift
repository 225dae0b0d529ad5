/// Why bytes from outside were refused: a stable code, which metrics count by, and the offset where reading stopped.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable {
        case truncated, trailingBytes, tooLong, unknownKind, unsupportedVersion, invalidText, invalidValue
    }
    package var code: Code
    package var offset: Int

    package init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }

    package var description: String { "\(self.code.rawValue) at byte \(self.offset)" }
}
