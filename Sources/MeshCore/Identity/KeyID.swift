/// Names a key of the mesh; the first 32 bits of a hash of the key, so that name and key cannot disagree.
package struct KeyID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt32

    package init(_ value: UInt32) { self.value = value }

    /// Reads what `description` writes.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 8, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let value = UInt32(text, radix: 16)
        else { return nil }
        self.value = value
    }

    /// 8 lower-case hexadecimal digits.
    package var description: String {
        let digits = String(self.value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    package static func < (left: KeyID, right: KeyID) -> Bool { left.value < right.value }
}
