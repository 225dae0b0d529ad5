import Testing

@testable import meshnode

@Suite("JSON as YAML")
struct YAMLTextTests {
    @Test("keys and values stay what they are")
    func values() throws {
        let json = #"{"b":[1,-2,3.5,1e300,18446744073709551615],"a":{"t":true,"n":null,"e":{},"l":[]},"c":"text"}"#
        #expect(
            try YAMLText.converting(Array(json.utf8)) == """
                a:
                  e: {}
                  l: []
                  'n': null
                  t: true
                b:
                - 1
                - -2
                - 3.5
                - 1e+300
                - 18446744073709551615
                c: text

                """)
    }

    @Test(
        "text that would be read as something else stands in quotes",
        arguments: [
            "true", "no", "null", "~", "", "12", "1.5", "0x1F", "1e3", "2026-11-21", "2026-11-21T12:00:00.123Z", ".inf",
        ])
    func quotes(text: String) throws {
        let yaml = try YAMLText.converting(Array("{\"k\":\"\(text)\",\"\(text)x\":1}".utf8))
        #expect(yaml.contains("k: '\(text)'\n"))
    }

    @Test("text with line ends, control characters, quotes and other scripts comes back the same")
    func texts() throws {
        for text in [
            "a: b", "- x", "# no comment", "line\\nline\\n", "tab\\tend ", "é \\ud83d\\ude00", "\\u0007", "'\\\"",
            "{a}", "&x *y !z", "a: b\\n\\n  c: 'd'\\n# e\\n", "a\\n\\n", " a\\nb\\n", "\\na\\n", "\\n",
        ] {
            let yaml = try YAMLText.converting(Array("{\"k\":\"\(text)\"}".utf8))
            let document = try #require(try DocumentParser.parse(Array(yaml.utf8)).first?.document)
            let field = try #require(try document.fields(of: "it", known: ["k"]).fields.first)
            let plain = text.replacing("\\n", with: "\n").replacing("\\t", with: "\t").replacing("\\\"", with: "\"")
                .replacing("\\ud83d\\ude00", with: "😀").replacing("\\u0007", with: "\u{7}")
            #expect(try field.value.string("k") == plain)
        }
    }

    @Test("text of several lines is shown as it is")
    func block() throws {
        #expect(
            try YAMLText.converting(Array(#"{"a":{"source":"x: 1\n\n  y\n"},"b":1}"#.utf8)) == """
                a:
                  source: |
                    x: 1

                      y
                b: 1

                """)
    }

    @Test("what is no JSON is refused")
    func refused() {
        #expect(throws: CommandFailure.self) { try YAMLText.converting(Array("{".utf8)) }
    }
}
