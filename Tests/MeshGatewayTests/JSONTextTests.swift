import MeshGateway
import Testing

@Suite("JSON or not")
struct JSONTextTests {
    @Test(
        "JSON texts are recognised",
        arguments: [
            "{}", "[]", "null", "true", "false", "0", "-0", "12.5e-3", "1E9", #""""#, #""a\"\\\/\b\f\n\r\té""#,
            #"{"a":[1,{"b":null},[[]]],"c":"d"}"#, " \n\t{ \"a\" : 1 } \r\n", #""😀""#,
        ])
    func accepts(text: String) { #expect(isJSON(Array(text.utf8))) }

    @Test(
        "anything else is not",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "'a'", "01", "1.", ".5", "1e",
            "+1",
            "-", "nul", "truee", "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "\"open", "[1 2]", "{} {}", "[1]]", "NaN", "1,2",
        ])
    func refuses(text: String) { #expect(!isJSON(Array(text.utf8))) }

    @Test("strings must be UTF-8, and nesting has an end")
    func bounds() {
        #expect(!isJSON([0x22, 0xFF, 0x22]))
        #expect(isJSON(Array((String(repeating: "[", count: 512) + String(repeating: "]", count: 512)).utf8)))
        #expect(!isJSON(Array(String(repeating: "[", count: 100_000).utf8)))
    }
}
