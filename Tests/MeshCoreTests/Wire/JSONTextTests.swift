import MeshCore
import Testing

@Suite("JSON text")
struct JSONTextTests {
    @Test(
        "JSON is JSON",
        arguments: [
            "1", " -0.5e+3 ", "\"a\\u00e9\\n\"", "[]", "{}", "[1,[2,{\"a\":[]}]]", "null",
            "{\"a\": {\"b\": 1}, \"c\": []}",
        ])
    func valid(text: String) { #expect(isJSON(Array(text.utf8))) }

    @Test(
        "what is not JSON is not",
        arguments: [
            "", " ", "01", "1 2", "{", "{\"a\"}", "{\"a\":1,}", "[1,]", "nul", "\"a", "\"\u{1}\"", "{a:1}", "+1", "1.",
            "]",
        ])
    func invalid(text: String) { #expect(!isJSON(Array(text.utf8))) }

    @Test("the values of an object are found as they were written")
    func members() throws {
        let bytes = Array(
            " {\"id\": \"x\", \"reply\" : {\"n\": 12345678901234567890.0, \"s\": \"},\"} , \"z\":[1, 2]} ".utf8)
        let members = try #require(jsonMembers(of: bytes))
        let text = { (range: Range<Int>?) in range.map { String(decoding: bytes[$0], as: UTF8.self) } }
        #expect(members.count == 3)
        #expect(text(members["id"]) == "\"x\"")
        #expect(text(members["reply"]) == "{\"n\": 12345678901234567890.0, \"s\": \"},\"} ")
        #expect(text(members["z"]) == "[1, 2]")
        #expect(jsonMembers(of: Array("{}".utf8))?.isEmpty == true)
    }

    @Test(
        "what is no object with keys that differ has no members",
        arguments: [
            "[]", "1", "{\"a\":1", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "{\"a\":}", "{\"a\" 1}", "{,}", "{\"a\":1,}",
        ])
    func noMembers(text: String) { #expect(jsonMembers(of: Array(text.utf8)) == nil) }
}
