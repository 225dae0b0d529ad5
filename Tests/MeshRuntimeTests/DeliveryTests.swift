import MeshCore
import MeshRuntime
import Synchronization
import Testing

private let work = path("/jobs/a")

/// Bodies in the order they were processed.
private final class Seen: Sendable {
    private let bodies = Mutex<[[UInt8]]>([])
    var all: [[UInt8]] { self.bodies.withLock { $0 } }
    func add(_ body: [UInt8]) { self.bodies.withLock { $0.append(body) } }
    var handlers: ScriptedHandlers {
        ScriptedHandlers { message, _ in
            self.add(message.body)
            return message.body
        }
    }
}

@Suite struct DeliveryTests {
    @Test("accepted messages wait for their node and are processed in order, however many") func restart() async throws
    {
        try await withFolder { folder in
            let mesh = TestMesh()
            // Most of the mailbox is on disk only.
            var limits = LeadLimits()
            limits.tailMax = 4
            let gate = Gate()
            let blocked = ScriptedHandlers { _, _ async throws(TurnFailure) in
                await gate.pass()
                throw .crashed("never finished")
            }
            var node = try await TestNode(
                1, in: mesh, folder: folder, begins: true, handlers: blocked, limits: limits)
            _ = try await node.runtime.apply([definition("work", "/jobs/{key}", limit: 1000)])
            for number in 0..<300 {
                _ = try await node.runtime.send(.init(path: work, body: Array("\(number)".utf8)))
            }
            await node.stop(grace: .zero)
            let seen = Seen()
            node = try await TestNode(1, in: mesh, folder: folder, handlers: seen.handlers, limits: limits)
            try await eventually("all are processed") { seen.all.count == 300 }
            #expect(seen.all == (0..<300).map { Array("\($0)".utf8) })
            try await eventually("none waits") { node.runtime.load.depth == 0 }
            await node.stop()
        }
    }

    @Test("one key and body: one effect, one id, the same reply, also after a restart") func idempotency() async throws
    {
        try await withFolder { folder in
            let mesh = TestMesh()
            var node = try await TestNode(1, in: mesh, folder: folder, begins: true)
            let counter = path("/meshnode/counter/a")
            let message = OutgoingMessage(path: counter, body: Array("{\"add\":5}".utf8), idempotencyKey: "k")
            let first = try await node.runtime.call(message)
            for _ in 0..<3 {
                let again = try await node.runtime.call(message)
                #expect(again.id == first.id)
                #expect(again.body == first.body)
            }
            #expect(try await node.runtime.send(message).id == first.id)
            await node.stop()
            node = try await TestNode(1, in: mesh, folder: folder)
            let later = try await node.runtime.call(message)
            #expect(later.id == first.id)
            #expect(text(later.body) == "{\"value\":5}")
            let other = OutgoingMessage(path: counter, body: Array("{\"add\":6}".utf8), idempotencyKey: "k")
            #expect(await code { _ = try await node.runtime.call(other) }?.code == .conflict)
            // The key of another path is another key.
            let elsewhere = OutgoingMessage(
                path: path("/meshnode/counter/b"), body: Array("{\"add\":6}".utf8), idempotencyKey: "k")
            #expect(text(try await node.runtime.call(elsewhere).body) == "{\"value\":6}")
            await node.stop()
        }
    }

    @Test("a repeated call while the first is running gets the same reply") func concurrentDuplicates() async throws {
        let gate = Gate()
        let seen = Seen()
        try await withNode(
            handlers: ScriptedHandlers { message, _ in
                await gate.pass()
                seen.add(message.body)
                return message.body
            }
        ) { node in
            _ = try await node.runtime.apply([definition("work", "/jobs/{key}")])
            let runtime = node.runtime
            let message = OutgoingMessage(path: work, body: [1], idempotencyKey: "k")
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<5 { group.addTask { try await runtime.call(message).id } }
                try await eventually("one waits") { runtime.load.depth == 1 }
                gate.open()
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(seen.all == [[1]])
        }
    }

    @Test("an error is the reply of its key too; a long reply is not kept, and says so") func keptOutcomes()
        async throws
    {
        try await withNode { node in
            let bad = OutgoingMessage(path: path("/meshnode/counter/a"), body: [], idempotencyKey: "k")
            let first = await code { _ = try await node.runtime.call(bad) }
            #expect(first?.code == .invalidArgument)
            #expect(await code { _ = try await node.runtime.call(bad) } == first)
            let count = PartitionRules().keptReplyBytesMax + 1
            let long = OutgoingMessage(
                path: path("/meshnode/echo/a"), body: Array(repeating: 1, count: count), idempotencyKey: "k")
            let whole = try await node.runtime.call(long)
            #expect(whole.body.count == count)
            let again = await code { _ = try await node.runtime.call(long) }
            #expect(again?.code == .tooLarge)
            #expect(again?.accepted == .yes)
        }
    }

    @Test("a message past its deadline is not run") func expired() async throws {
        let gate = Gate()
        let seen = Seen()
        try await withNode(
            handlers: ScriptedHandlers { message, _ in
                await gate.pass()
                seen.add(message.body)
                return []
            }
        ) { node in
            _ = try await node.runtime.apply([definition("work", "/jobs/{key}")])
            _ = try await node.runtime.send(.init(path: work, body: [1]))
            try await withPatience(from: .milliseconds(20)) { timeout in
                let error = await code {
                    _ = try await node.runtime.call(.init(path: work, body: [2], timeout: timeout))
                }
                #expect(error?.code == .deadlineExceeded)
                // Unknown, if the disk was slower than the deadline.
                return error?.accepted == .yes
            }
            _ = try await node.runtime.send(.init(path: work, body: [3]))
            gate.open()
            try await eventually("none waits") { node.runtime.load.depth == 0 }
            #expect(seen.all == [[1], [3]])
        }
    }

    @Test("a node that shuts down finishes the turn in flight, and loses nothing that waits") func shutdown()
        async throws
    {
        try await withFolder { folder in
            let mesh = TestMesh()
            let gate = Gate()
            let seen = Seen()
            let node = try await TestNode(
                1, in: mesh, folder: folder, begins: true,
                handlers: ScriptedHandlers { message, _ in
                    seen.add(message.body)
                    await gate.pass()
                    return message.body
                })
            _ = try await node.runtime.apply([definition("work", "/jobs/{key}")])
            let runtime = node.runtime
            async let reply = runtime.call(.init(path: work, body: [1]))
            try await eventually("its turn has begun") { seen.all == [[1]] }
            _ = try await runtime.send(.init(path: work, body: [2]))
            async let stopped: Void = node.stop(grace: .seconds(120))
            gate.open()
            #expect(try await reply.body == [1])
            await stopped
            let again = try await TestNode(1, in: mesh, folder: folder, handlers: seen.handlers)
            try await eventually("the second is processed") { seen.all == [[1], [2]] }
            await again.stop()
        }
    }
}
