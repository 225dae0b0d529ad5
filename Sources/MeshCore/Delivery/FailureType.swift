/// What kind of failure ended a turn, as definitions name it: one of ours, or the code of an error that the handler
/// answered.
package struct FailureType: Hashable, Sendable, CustomStringConvertible {
    package static let nameBytesMax = 64

    /// The handler died, or broke the protocol.
    package static let crashed = FailureType("crashed")
    /// It did not answer in time.
    package static let timeout = FailureType("timeout")
    /// The machine that ran the turn is gone.
    package static let hostLost = FailureType("host_lost")

    package let description: String

    package init(_ name: some StringProtocol) { self.description = String(name) }

    /// Names that can be written in a definition.
    package var isNameable: Bool {
        1...Self.nameBytesMax ~= self.description.utf8.count
            && self.description.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }
}
