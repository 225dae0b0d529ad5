import MeshCore
import Testing

private func canonical(_ text: String) throws(JSONValueError) -> String {
    String(decoding: try canonicalJSON(Array(text.utf8)), as: UTF8.self)
}

@Suite("Canonical JSON") struct JSONCanonicalTests {
    @Test(
        "texts that mean the same have one spelling",
        arguments: [
            ["1", "1.0", " 10e-1", "0.1E+1", "1e0", "100E-0002"],
            ["0", "-0", "0.00", "0e5", "-0e-9"],
            ["-250", "-2.5e2", "-25e1"],
            ["12345678901234567890123", "1234567890123456789012.3e1"],
            ["\"é\\\"/\"", "\"\\u00e9\\u0022\\/\"", "\"\\u00E9\\\"\\u002f\""],
            ["\"\\n\\u0001\"", "\"\\u000a\\u0001\""],
            ["\"😀\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\""],
            ["{\"a\":[1,2],\"b\":{}}", " { \"b\" : { } , \"\\u0061\" : [ 1.0 , 2 ] } "],
            ["[]", "[ ]"], ["[[],{},\"\"]", " [ [ ] , { } , \"\" ] "], ["true", " true\n"], ["null", "null "],
        ])
    func equal(_ texts: [String]) throws {
        let spellings = try texts.map { try canonical($0) }
        #expect(Set(spellings).count == 1, "\(spellings)")
        #expect(try canonical(spellings[0]) == spellings[0])
    }

    @Test("texts that mean different things have different spellings") func different() throws {
        let texts = [
            "1", "-1", "10", "1e-1", "\"1\"", "\"\"", "null", "true", "false", "[]", "{}", "[1]", "[[1]]", "[1,1]",
            "[11]",
            "{\"1\":1}", "{\"1\":[1]}", "9007199254740993", "9007199254740992", "\"\\ud83d\"", "\"\\ud83d\\ud83d\"",
            "\"\\\\n\"", "\"\\n\"", "1e999999999", "1e-999999999",
        ]
        let spellings = try texts.map { try canonical($0) }
        #expect(Set(spellings).count == texts.count)
    }

    @Test(
        "what cannot be compared is refused, with the reason",
        arguments: [
            ("{\"a\":1,\"\\u0061\":2}", JSONValueError.repeatedKey("\"a\"")),
            ("1e1234567890", .exponentTooLong("1e1234567890")),
            (String(repeating: "[", count: 65) + "1" + String(repeating: "]", count: 65), .tooDeep),
            ("[1,]", .notJSON), ("", .notJSON), ("nul", .notJSON),
        ])
    func refused(_ text: String, _ error: JSONValueError) {
        #expect(throws: error) { try canonical(text) }
    }

    @Test("the elements of an array are found as they were written") func elements() throws {
        let bytes = Array(" [ 1.0 , {\"a\":[2, 3]},\"],\" ] ".utf8)
        let elements = try #require(jsonElements(of: bytes))
        #expect(elements.map { String(decoding: bytes[$0], as: UTF8.self) } == ["1.0 ", "{\"a\":[2, 3]}", "\"],\" "])
        #expect(jsonElements(of: Array("[]".utf8))?.isEmpty == true)
        for text in ["{}", "1", "[1", "[1,]", "[1]2", "[,]", ""] { #expect(jsonElements(of: Array(text.utf8)) == nil) }
    }
}
