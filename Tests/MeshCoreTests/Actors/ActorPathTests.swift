import MeshCore
import Testing

@Suite("Actor paths")
struct ActorPathTests {
    @Test(
        "equal paths have one spelling",
        arguments: [
            ("/agents/researcher/session-42", "/agents/researcher/session-42"),
            ("agents/a", "/agents/a"),
            ("/a/%41", "/a/A"),
            ("/a/%7e", "/a/~"),
            ("/a/%2f", "/a/%2F"),
            ("/a/b c", "/a/b%20c"),
            ("/a/ü", "/a/%C3%BC"),
            ("/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/8"),
        ])
    func canonical(text: String, expected: String) throws {
        let path = try ActorPath(text)
        #expect(path.description == expected)
        #expect(try ActorPath(path.description) == path)
    }

    @Test(
        "what is no path is refused with its place",
        arguments: [
            ("", 0), ("/", 0), ("//a", 1), ("/a//b", 3), ("/a/", 3), ("/a/%4", 3), ("/a/%zz", 3),
            ("/1/2/3/4/5/6/7/8/9", 17),
            ("/" + String(repeating: "x", count: 129), 1),
        ])
    func refused(text: String, position: Int) {
        let error = #expect(throws: ActorPathError.self) { try ActorPath(text) }
        #expect(error?.position == position)
    }

    @Test("512 bytes are the most a path can have")
    func length() throws {
        let segment = String(repeating: "x", count: 127)
        let longest = "/" + [segment, segment, segment, segment].joined(separator: "/")
        #expect(try ActorPath(longest).description.utf8.count == 512)
        #expect(throws: ActorPathError.self) { try ActorPath(longest + "/y") }
    }

    @Test(
        "built-in paths are reserved, and only those",
        arguments: [("/meshnode/echo/a", true), ("/meshnodes/a", false), ("/a/meshnode", false)])
    func reserved(text: String, reserved: Bool) throws { #expect(try ActorPath(text).isReserved == reserved) }
}

@Suite("Path patterns")
struct PathPatternTests {
    @Test("a placeholder stands for exactly one segment")
    func matching() throws {
        let pattern = try PathPattern("/text/wordcount/{key}")
        #expect(pattern.matches(try ActorPath("/text/wordcount/docs")))
        #expect(!pattern.matches(try ActorPath("/text/wordcount")))
        #expect(!pattern.matches(try ActorPath("/text/wordcount/a/b")))
        #expect(!pattern.matches(try ActorPath("/text/other/a")))
        #expect(pattern.literalPrefix == 2)
        #expect(pattern.description == "/text/wordcount/{key}")
    }

    @Test("a slash divides segments whatever combines with it, and a brace is one")
    func combiningMarks() throws {
        let pattern = try PathPattern("/a/\u{35C}b")
        #expect(pattern.segments == [.literal("a"), .literal("%CD%9Cb")])
        #expect(pattern.matches(try ActorPath("/a/\u{35C}b")))
        #expect(throws: ActorPathError.self) { try PathPattern("/{\u{35C}}") }
    }

    @Test(
        "what is no pattern is refused",
        arguments: [
            "", "text/{key}", "/a/{", "/a/{}", "/a/x{key}", "/a/{key}/{key}", "/a//b", "/a/{k-y}",
            "/1/2/3/4/5/6/7/8/{nine}",
        ])
    func refused(text: String) { #expect(throws: ActorPathError.self) { try PathPattern(text) } }
}
