import MeshCore
import MeshRuntime
import Testing

@Suite struct BuiltInTests {
    @Test("an echo answers its body") func echo() async throws {
        try await withNode { node in
            let reply = try await node.runtime.call(.init(path: path("/meshnode/echo/a"), body: Array("hello".utf8)))
            #expect(text(reply.body) == "hello")
            #expect(reply.id.count == 32)
        }
    }

    @Test("a counter adds, and remembers after a restart") func counter() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            var node = try await TestNode(1, in: mesh, folder: folder, begins: true)
            let counter = path("/meshnode/counter/a")
            for expected in 1...3 {
                let reply = try await node.runtime.call(.init(path: counter, body: Array("{\"add\":1}".utf8)))
                #expect(text(reply.body) == "{\"value\":\(expected)}")
            }
            await node.stop()
            node = try await TestNode(1, in: mesh, folder: folder)
            let reply = try await node.runtime.call(.init(path: counter, body: Array("{\"read\":true}".utf8)))
            #expect(text(reply.body) == "{\"value\":3}")
            await node.stop()
        }
    }

    @Test(
        "a counter refuses what it cannot add",
        arguments: [
            "", "1", "{}", "{\"add\":1.5}", "{\"add\":\"x\"}", "{\"add\":1e3}", "{\"add\":1 2}",
            "{\"add\":9223372036854775808}", "{\"read\":false}",
        ])
    func badBody(_ body: String) async throws {
        try await withNode { node in
            let error = await code {
                _ = try await node.runtime.call(.init(path: path("/meshnode/counter/a"), body: Array(body.utf8)))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.accepted == .yes)
        }
    }

    @Test("a counter refuses a sum beyond 64 bits and keeps its value") func overflow() async throws {
        try await withNode { node in
            let counter = path("/meshnode/counter/a")
            _ = try await node.runtime.call(.init(path: counter, body: Array("{\"add\":\(Int64.max)}".utf8)))
            let error = await code {
                _ = try await node.runtime.call(.init(path: counter, body: Array("{\"add\":1}".utf8)))
            }
            #expect(error?.code == .invalidArgument)
            let reply = try await node.runtime.call(.init(path: counter, body: Array("{\"read\":true}".utf8)))
            #expect(text(reply.body) == "{\"value\":\(Int64.max)}")
        }
    }

    @Test("a register and a queue remember after a restart") func registerAndQueue() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            func ask(_ node: TestNode, _ kind: String, _ body: String) async throws -> String {
                text(try await node.runtime.call(.init(path: path("/meshnode/\(kind)/a"), body: Array(body.utf8))).body)
            }
            var node = try await TestNode(1, in: mesh, folder: folder, begins: true)
            #expect(try await ask(node, "register", "{\"cas\":[null,\"x\"]}") == "{\"value\":\"x\",\"swapped\":true}")
            for number in 1...3 { _ = try await ask(node, "queue", "{\"push\":\(number)}") }
            #expect(try await ask(node, "queue", "{\"pop\":true}") == "{\"value\":1}")
            await node.stop()
            node = try await TestNode(1, in: mesh, folder: folder)
            #expect(try await ask(node, "register", "{\"read\":true}") == "{\"value\":\"x\",\"swapped\":false}")
            for number in ["2", "3", "null"] {
                #expect(try await ask(node, "queue", "{\"pop\":true}") == "{\"value\":\(number)}")
            }
            await node.stop()
        }
    }

    @Test("a path that nobody answers is not found, with the mend") func notFound() async throws {
        try await withNode { node in
            let builtIn = await code {
                _ = try await node.runtime.send(.init(path: path("/meshnode/nothing"), body: []))
            }
            #expect(builtIn?.code == .notFound)
            #expect(builtIn?.hint.contains("/meshnode/queue/{key}") == true)
            let undefined = await code { _ = try await node.runtime.send(.init(path: path("/text/words/a"), body: [])) }
            #expect(undefined?.code == .notFound)
            #expect(undefined?.hint.contains("meshnode apply") == true)
            #expect(undefined?.accepted == .no)
        }
    }
}
