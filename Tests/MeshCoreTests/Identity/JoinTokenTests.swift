import MeshCore
import Testing

@Suite("join tokens and keyrings")
struct JoinTokenTests {
    private let token = JoinToken(
        cluster: ClusterID(high: 1, low: 2),
        keys: [(0..<32).map { UInt8($0) }, (0..<32).map { UInt8($0 &* 7) }])

    @Test("a token survives its text, in either case", arguments: 1...Keyring.keysMax)
    func roundTrip(count: Int) throws {
        let keys = (0..<count).map { seed in (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) } }
        let token = JoinToken(cluster: ClusterID(high: .max, low: 0x0123), keys: keys)
        #expect(token.text.hasPrefix("mesh1."))
        #expect(token.text.utf8.allSatisfy { $0 < 0x80 && !(0x41...0x5A ~= $0) })
        #expect(try JoinToken(token.text) == token)
        #expect(try JoinToken(token.text.uppercased()) == token)
    }

    @Test("a token says how many equals make its mesh, if it was told", arguments: [2, 3, 255])
    func founders(count: Int) throws {
        var token = self.token
        token.founders = count
        #expect(try JoinToken(token.text) == token)
        #expect(try JoinToken(token.text).founders == count)
        #expect(try JoinToken(self.token.text).founders == nil)
    }

    @Test("every mistyped character is noticed", arguments: [nil, 5])
    func everyCharacter(founders: Int?) {
        var token = self.token
        token.founders = founders
        let text = Array(token.text.utf8)
        for index in text.indices {
            var changed = text
            changed[index] = text[index] == UInt8(ascii: "a") ? UInt8(ascii: "b") : UInt8(ascii: "a")
            #expect(throws: JoinTokenError.self, "byte \(index)") {
                try JoinToken(String(decoding: changed, as: UTF8.self))
            }
        }
    }

    @Test("every truncation is noticed")
    func everyTruncation() {
        for count in 0..<self.token.text.count {
            #expect(throws: JoinTokenError.self, "\(count) bytes") { try JoinToken(self.token.text.prefix(count)) }
        }
    }

    @Test("errors say what is wrong, and never repeat the token")
    func errors() {
        let body = self.token.text.dropFirst(6)
        #expect(throws: JoinTokenError.prefix) { try JoinToken("hello") }
        #expect(throws: JoinTokenError.prefix) { try JoinToken("") }
        #expect(throws: JoinTokenError.version(2)) { try JoinToken("mesh2." + body) }
        #expect(throws: JoinTokenError.character(position: 16)) {
            try JoinToken("mesh1." + body.prefix(10) + "!" + body.dropFirst(11))
        }
        #expect(throws: JoinTokenError.truncated) { try JoinToken("mesh1.aaaa") }
        #expect(throws: JoinTokenError.truncated) { try JoinToken("mesh1.") }
        #expect(throws: JoinTokenError.tooLong) { try JoinToken(String(repeating: "a", count: 1025)) }
        #expect(throws: JoinTokenError.checksum) { try JoinToken("mesh1.b" + body.dropFirst()) }
        for error in [JoinTokenError.checksum, .character(position: 3), .truncated, .tooLong, .prefix] {
            #expect(!error.description.contains(body.prefix(8)))
        }
    }
}
