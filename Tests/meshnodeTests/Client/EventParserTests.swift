import Testing

@testable import meshnode

@Suite("Server-sent events")
struct EventParserTests {
    private static let stream =
        ": connected\n\nid: 7-1\nevent: user\ndata: {\"a\":1}\n\n: keep-alive\n\r\nevent:member\r\ndata:x\r\n\r\n"

    @Test("events arrive however the bytes are cut", arguments: [1, 2, 3, 7, 1_000])
    func cuts(size: Int) throws {
        var parser = EventParser()
        var events: [EventParser.Event] = []
        var rest = Array(Self.stream.utf8)[...]
        while !rest.isEmpty {
            events += try parser.feed(rest.prefix(size))
            rest = rest.dropFirst(size)
        }
        #expect(
            events == [
                .init(kind: "user", id: "7-1", data: Array(#"{"a":1}"#.utf8)),
                .init(kind: "member", id: "7-1", data: Array("x".utf8)),
            ])
    }

    @Test("a line without an end is an error, not a full memory")
    func bound() {
        var parser = EventParser()
        #expect(throws: CommandFailure.self) {
            _ = try parser.feed([UInt8](repeating: 0x61, count: (1 << 20) + 1))
        }
    }
}
