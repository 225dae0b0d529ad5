internal import HTTPTypes
internal import MeshCore

/// The secret that a listener asks for.
struct BearerToken: Sendable {
    private let bytes: [UInt8]

    init(_ text: String) { self.bytes = Array(text.utf8) }

    func check(_ headers: HTTPFields) throws(HTTPFailure) {
        guard let header = headers[.authorization] else {
            throw HTTPFailure(
                MeshError(
                    .unauthenticated, "this listener asks for a token",
                    hint: "send 'Authorization: Bearer' with the content of DATA/admin.token"))
        }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", self.matches(Array(parts[1].utf8)) else {
            throw HTTPFailure(
                MeshError(
                    .unauthenticated, "the token is not this node's",
                    hint: "it is the content of DATA/admin.token on the machine of the node"))
        }
    }

    /// In a time that depends on the length of what was offered and on nothing else, so that a guess cannot be
    /// improved byte by byte.
    private func matches(_ offered: [UInt8]) -> Bool {
        var difference = offered.count ^ self.bytes.count
        for (index, byte) in offered.enumerated() {
            difference |= Int(byte ^ self.bytes[index % max(1, self.bytes.count)])
        }
        return difference == 0 && !self.bytes.isEmpty
    }
}
