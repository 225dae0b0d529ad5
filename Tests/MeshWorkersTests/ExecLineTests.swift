import MeshCore
import MeshRuntime
import MeshWorkers
import Testing

@Suite("Lines of the exec protocol")
struct ExecLineTests {
    let id = MessageID(high: 1, low: 2)

    private func request(_ body: [UInt8], state: [UInt8]? = nil) throws -> String {
        let message = Message(id: self.id, sender: "a \"b\"", body: body)
        let line = ExecLine.request(message, id: self.id.description, path: try ActorPath("/x/y"), state: state)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.dropLast().allSatisfy { $0 != UInt8(ascii: "\n") })
        #expect(isJSON(line))
        return String(decoding: line, as: UTF8.self)
    }

    @Test("a JSON body stands in the line as it was sent, on one line")
    func jsonBody() throws {
        let line = try self.request(Array("{\n \"n\": 1.10e2\n}".utf8))
        #expect(line.contains("\"body\":{  \"n\": 1.10e2 }"))
        #expect(line.contains("\"v\":1"))
        #expect(line.contains("\"path\":\"/x/y\""))
        #expect(line.contains("\"sender\":\"a \\\"b\\\"\""))
    }

    @Test("a body that is text becomes a JSON string, any other becomes base64")
    func otherBodies() throws {
        #expect(try self.request(Array("plain".utf8)).contains("\"body\":\"plain\""))
        #expect(try self.request([0xff, 0xfe]).contains("\"body_base64\":\"//4=\""))
        #expect(try self.request([]).contains("\"body\":\"\""))
    }

    @Test("a reply is taken out as the program wrote it")
    func reply() throws {
        let line = Array("{\"id\":\"\(self.id)\", \"reply\": {\"big\": 12345678901234567890123} }".utf8)
        let answer = try ExecLine.answer(in: line, to: self.id.description)
        #expect(answer.state == nil)
        #expect(String(decoding: answer.reply, as: UTF8.self) == "{\"big\": 12345678901234567890123}")
    }

    @Test("what an actor remembers goes along as it was written, and what it shall remember is taken out so")
    func state() throws {
        let line = try self.request(Array("1".utf8), state: Array("{\n\"n\": 1.10}".utf8))
        #expect(line.contains("\"state\":{ \"n\": 1.10}") && line.contains("\"body\":1"))
        #expect(try !self.request(Array("1".utf8)).contains("state"))
        let answer = try ExecLine.answer(
            in: Array("{\"id\":\"\(self.id)\",\"reply\":1,\"state\": {\"n\": 2.0} }".utf8), to: self.id.description)
        #expect(answer.state.map { String(decoding: $0, as: UTF8.self) } == "{\"n\": 2.0}")
        let large = "\"" + String(repeating: "x", count: 1 << 20) + "\""
        let tooLarge = Array("{\"id\":\"\(self.id)\",\"reply\":1,\"state\":\(large)}".utf8)
        #expect(throws: TurnFailure.self) { try ExecLine.answer(in: tooLarge, to: self.id.description) }
    }

    @Test("a program's error reaches the caller with code and message")
    func failure() {
        let line = Array("{\"id\":\"\(self.id)\",\"error\":{\"code\":\"bad\",\"message\":\"no\"}}".utf8)
        do {
            _ = try ExecLine.answer(in: line, to: self.id.description)
            Issue.record("an error was taken for a reply")
        } catch {
            guard case .refused(let refused, as: _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(refused.code == .handlerFailed)
            #expect(refused.message == "bad: no")
        }
    }

    @Test(
        "an answer that breaks the rules is not guessed at",
        arguments: [
            "", "[]", "nonsense", "{\"reply\":1}", "{\"id\":\"other\",\"reply\":1}", "{\"id\":\"ID\"}",
            "{\"id\":\"ID\",\"reply\":1,\"error\":{\"code\":\"a\",\"message\":\"b\"}}",
            "{\"id\":\"ID\",\"error\":\"no\"}",
            "{\"id\":\"ID\",\"error\":{\"code\":\"a\",\"message\":\"b\"},\"state\":1}",
            "{\"id\":\"ID\",\"reply\":}",
        ])
    func broken(text: String) {
        let line = Array(text.replacing("ID", with: self.id.description).utf8)
        do {
            _ = try ExecLine.answer(in: line, to: self.id.description)
            Issue.record("\(text) was taken for a reply")
        } catch {
            guard case .crashed = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test("lines are cut where they end, and no longer than allowed")
    func splitting() {
        var splitter = LineSplitter(lineBytesMax: 4)
        #expect(splitter.add(Array("ab".utf8).raw).isEmpty)
        let lines = splitter.add(Array("c\r\n\nlonger\nx".utf8).raw)
        #expect(lines.map { String(decoding: $0.bytes, as: UTF8.self) } == ["abc", "", "long"])
        #expect(lines.map(\.isCut) == [false, false, true])
        #expect(splitter.add(Array("\n".utf8).raw).map(\.bytes) == [Array("x".utf8)])
    }
}
