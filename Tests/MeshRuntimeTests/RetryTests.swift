import MeshCore
import MeshRuntime
import Synchronization
import Testing

private let work = path("/jobs/a")

/// Answers an error of the type that the body names, so often as it says, then echoes.
private final class Flaky: Sendable {
    private let seen = Mutex<[[UInt8]]>([])

    /// Bodies in the order of turns.
    var turns: [String] { self.seen.withLock { $0.map { text($0) } } }

    var handlers: ScriptedHandlers {
        ScriptedHandlers { message, _ async throws(TurnFailure) in
            let parts = text(message.body).split(separator: " ")
            let attempt = self.seen.withLock { seen in
                seen.append(message.body)
                return seen.count { $0 == message.body }
            }
            guard parts.count == 2, let failures = Int(parts[1]), attempt <= failures else { return message.body }
            if parts[0] == "timeout" { throw .crashed("too slow", as: .timeout) }
            throw .refused(MeshError(.handlerFailed, "\(parts[0])", accepted: .yes), as: FailureType(parts[0]))
        }
    }
}

@Suite("Retries by definition") struct RetryTests {
    private func withPolicy(
        _ rules: [RetryPolicy.Rule], _ body: (TestNode, Flaky) async throws -> Void
    ) async throws {
        let flaky = Flaky()
        try await withNode(handlers: flaky.handlers) { node in
            var jobs = try definition("work", "/jobs/{key}")
            jobs.retry = RetryPolicy(rules)
            _ = try await node.runtime.apply([jobs])
            try await body(node, flaky)
        }
    }

    private func call(_ node: TestNode, _ body: String) async -> Result<String, MeshError> {
        do { return .success(text(try await node.runtime.call(.init(path: work, body: Array(body.utf8))).body)) } catch
        {
            return .failure(error as? MeshError ?? MeshError(.internalError, "\(error)"))
        }
    }

    @Test("an error that a rule names is tried again until it is answered otherwise") func retried() async throws {
        try await self.withPolicy([quickRule([FailureType("busy")], attempts: 5)]) { node, flaky in
            #expect(await self.call(node, "busy 4") == .success("busy 4"))
            #expect(flaky.turns.count == 5)
        }
    }

    @Test("an error that no rule names is the answer") func answered() async throws {
        try await self.withPolicy([quickRule([FailureType("busy")], attempts: 5)]) { node, flaky in
            guard case .failure(let error) = await self.call(node, "rude 1") else { return #expect(Bool(false)) }
            #expect(error.message == "rude")
            #expect(flaky.turns.count == 1)
        }
    }

    @Test("one that comes back too often is a dead letter, its sender is told, and the next message runs")
    func exhausted() async throws {
        try await self.withPolicy([quickRule([FailureType("busy")], attempts: 3)]) { node, flaky in
            guard case .failure(let error) = await self.call(node, "busy 9") else { return #expect(Bool(false)) }
            #expect(error.hint == "it was tried 3 times and is a dead letter now")
            #expect(error.accepted == .yes)
            #expect(flaky.turns.count == 3)
            #expect(await self.call(node, "hello") == .success("hello"))
        }
    }

    @Test("a rule about time-outs leaves crashes to the standard one") func timeouts() async throws {
        try await self.withPolicy([quickRule([.timeout], attempts: 2)]) { node, flaky in
            guard case .failure(let error) = await self.call(node, "timeout 9") else { return #expect(Bool(false)) }
            #expect(error.hint == "it was tried 2 times and is a dead letter now")
        }
    }

    @Test("messages behind one that is tried again wait, so the order of their sender holds") func order() async throws
    {
        try await self.withPolicy([quickRule([FailureType("busy")], attempts: 9)]) { node, flaky in
            for body in ["one", "busy 3", "two"] {
                _ = try await node.runtime.send(.init(path: work, body: Array(body.utf8)))
            }
            try await eventually("all are processed") { node.runtime.load.depth == 0 }
            #expect(flaky.turns == ["one", "busy 3", "busy 3", "busy 3", "busy 3", "two"])
        }
    }

    @Test("an ephemeral message is not tried again, whatever the rules say") func ephemeral() async throws {
        try await self.withPolicy([quickRule([], attempts: 5)]) { node, flaky in
            let error = await code {
                _ = try await node.runtime.call(.init(path: work, body: Array("busy 2".utf8), delivery: .ephemeral))
            }
            #expect(error?.message == "busy")
            #expect(flaky.turns.count == 1)
        }
    }
}
