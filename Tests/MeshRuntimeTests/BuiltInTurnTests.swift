import MeshCore
import MeshRuntime
import Testing

/// A built-in actor and what it remembers, without a node around it.
private struct Bench {
    let actor: BuiltIn
    var state = ActorState()

    mutating func turn(_ body: String) throws(MeshError) -> String {
        text(try self.actor.turn(Array(body.utf8), state: &self.state))
    }
}

@Suite("Turns of built-in actors") struct BuiltInTurnTests {
    @Test(
        "only calls that can change nothing count as reads",
        arguments: [
            ("/meshnode/counter/a", "{\"read\":true}", true), ("/meshnode/counter/a", "{\"add\":0}", false),
            ("/meshnode/counter/a", "{\"read\":true,\"add\":1}", false), ("/meshnode/counter/a", "nonsense", false),
            ("/meshnode/register/a", " {\"read\": true}", true), ("/meshnode/register/a", "{\"write\":1}", false),
            ("/meshnode/register/a", "{\"read\":false}", false), ("/meshnode/queue/a", "{\"pop\":true}", false),
            ("/meshnode/echo/a", "anything", true),
        ])
    func reads(_ place: String, _ body: String, _ isRead: Bool) throws {
        let path = try ActorPath(place)
        let actor = try #require(BuiltIn(path))
        let message = Message(id: MessageID(high: 0, low: 1), body: Array(body.utf8))
        #expect(actor.onlyReads(Letter(path, Envelope(message, kind: .ask))) == isRead)
        // Of a message that is told, the acceptance is what counts; under a key, that it is remembered.
        #expect(!actor.onlyReads(Letter(path, Envelope(message, kind: .tell))))
        var keyed = message
        keyed.idempotency = Fingerprint(ofKey: "k", path: path)
        #expect(!actor.onlyReads(Letter(path, Envelope(keyed, kind: .ask))))
    }

    @Test("a register holds null, then what was last written, as it was written") func register() throws {
        var register = Bench(actor: .register)
        #expect(try register.turn("{\"read\":true}") == "{\"value\":null,\"swapped\":false}")
        #expect(try register.turn(" { \"write\" : {\"b\": 1.0} } ") == "{\"value\":{\"b\": 1.0},\"swapped\":true}")
        #expect(try register.turn("{\"read\": true }") == "{\"value\":{\"b\": 1.0},\"swapped\":false}")
    }

    @Test("cas compares values and not their spelling, and tells what is there when it fails") func cas() throws {
        var register = Bench(actor: .register)
        #expect(
            try register.turn("{\"cas\":[null,{\"a\":1,\"b\":[2]}]}")
                == "{\"value\":{\"a\":1,\"b\":[2]},\"swapped\":true}")
        #expect(try register.turn("{\"cas\":[1, 2]}") == "{\"value\":{\"a\":1,\"b\":[2]},\"swapped\":false}")
        #expect(
            try register.turn("{\"cas\":[{\"b\":[2.0],\"\\u0061\":10e-1} , 2 ]}") == "{\"value\":2,\"swapped\":true}")
    }

    @Test(
        "a register refuses what it cannot read, and keeps its value",
        arguments: [
            "", "1", "{}", "[]", "{\"read\":false}", "{\"write\":1,\"read\":true}", "{\"cas\":1}", "{\"cas\":[1]}",
            "{\"cas\":[1,2,3]}", "{\"swap\":[1,2]}", "{\"write\":{\"a\":1,\"a\":2}}", "{\"write\":1e9999999999}",
            "{\"cas\":[7,{\"a\":1,\"a\":2}]}",
        ])
    func badRegister(_ body: String) throws {
        var register = Bench(actor: .register)
        _ = try register.turn("{\"write\":7}")
        let error = #expect(throws: MeshError.self) { try register.turn(body) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.accepted == .yes)
        #expect(error?.hint.isEmpty == false)
        #expect(try register.turn("{\"read\":true}") == "{\"value\":7,\"swapped\":false}")
    }

    @Test("a value of 64 KiB is kept and one byte more is refused") func size() throws {
        let largest = "\"" + String(repeating: "x", count: (64 << 10) - 2) + "\""
        for (actor, verb) in [(BuiltIn.register, "write"), (.queue, "push")] {
            var bench = Bench(actor: actor)
            #expect(try bench.turn("{\"\(verb)\":\(largest)}").contains(largest))
            let error = #expect(throws: MeshError.self) { try bench.turn("{\"\(verb)\":[\(largest)]}") }
            #expect(error?.code == .tooLarge)
        }
    }

    @Test("a queue gives what was pushed in the order of pushing, then null, and then remembers nothing")
    func queue() throws {
        var queue = Bench(actor: .queue)
        #expect(try queue.turn("{\"pop\":true}") == "{\"value\":null}")
        for value in ["1", "{\"a\": 2}", "null"] {
            #expect(try queue.turn("{\"push\":\(value)}") == "{\"value\":\(value)}")
        }
        #expect(try queue.turn("{\"pop\":true}") == "{\"value\":1}")
        #expect(try queue.turn("{\"push\":4}") == "{\"value\":4}")
        for value in ["{\"a\": 2}", "null", "4", "null"] {
            #expect(try queue.turn("{\"pop\":true}") == "{\"value\":\(value)}")
        }
        #expect(queue.state.isEmpty)
    }

    @Test("a full queue refuses, by number and by size, until something is popped") func fullQueue() throws {
        var byNumber = Bench(actor: .queue)
        for number in 0..<1000 { _ = try byNumber.turn("{\"push\":\(number)}") }
        let long = "\"" + String(repeating: "x", count: 60_000) + "\""
        var bySize = Bench(actor: .queue)
        for _ in 0..<((4 << 20) / 60_002) { _ = try bySize.turn("{\"push\":\(long)}") }
        for var queue in [byNumber, bySize] {
            let error = #expect(throws: MeshError.self) { try queue.turn("{\"push\":\(long)}") }
            #expect(error?.code == .overloaded)
            #expect(error?.accepted == .yes)
            _ = try queue.turn("{\"pop\":true}")
            #expect(try queue.turn("{\"push\":\(long)}").contains(long))
        }
    }

    @Test(
        "a queue refuses what it cannot read",
        arguments: ["", "1", "{}", "{\"pop\":false}", "{\"push\":1,\"pop\":true}", "{\"push\":}", "{\"peek\":true}"])
    func badQueue(_ body: String) throws {
        var queue = Bench(actor: .queue)
        let error = #expect(throws: MeshError.self) { try queue.turn(body) }
        #expect(error?.code == .invalidArgument)
        #expect(queue.state.isEmpty)
    }

    @Test("state that nobody here wrote is damage, and said to be", arguments: [BuiltIn.counter, .queue])
    func damaged(_ actor: BuiltIn) {
        var state = ActorState()
        state["value"] = [1, 2, 3]
        state["bounds"] = [1, 2, 3]
        let body = actor == .counter ? "{\"add\":1}" : "{\"pop\":true}"
        let error = #expect(throws: MeshError.self) { try actor.turn(Array(body.utf8), state: &state) }
        #expect(error?.code == .internalError)
    }
}
