/// An invariant that did not hold: which, when, for whom, and what was seen.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    package var check: String
    package var at: VirtualTime
    package var host: Int?
    package var text: String

    init(_ check: String, at: VirtualTime, host: Int? = nil, _ text: String) {
        self.check = check
        self.at = at
        self.host = host
        self.text = text
    }

    package var description: String {
        "\(self.check) broken at \(self.at)\(self.host.map { " on host \($0)" } ?? ""): \(self.text)"
    }
}
