import Foundation
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
            var configuration = RuntimeConfiguration.patient
            // Most of the mailbox is on disk only.
            configuration.hotBytesMax = 2000
            let gate = Gate()
            let blocked = ScriptedHandlers { _, _ async throws(TurnFailure) in
                await gate.pass()
                throw .crashed("never finished")
            }
            var node = try await TestNode(1, in: mesh, folder: folder, handlers: blocked, configuration: configuration)
            _ = try await node.runtime.apply([definition("work", "/jobs/{key}", limit: 1000)])
            for number in 0..<300 {
                _ = try await node.runtime.send(.init(path: work, body: Array("\(number)".utf8)))
            }
            await node.stop(grace: .zero)
            let seen = Seen()
            node = try await TestNode(
                1, in: mesh, folder: folder, handlers: seen.handlers, configuration: configuration)
            try await eventually("all are processed") { seen.all.count == 300 }
            #expect(seen.all == (0..<300).map { Array("\($0)".utf8) })
            try await eventually("none waits") { node.runtime.load.depth == 0 }
            // Memory is ahead of the disk; behind an empty batch they agree.
            await node.storage.commit(StorageBatch())
            #expect(try await node.storage.scan(StorageRange(.messages), limit: 10).isEmpty)
            await node.stop()
        }
    }

    @Test("a node drains the mailboxes it holds when it owns them no longer") func drains() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            let gate = Gate()
            let seen = Seen()
            let handlers = ScriptedHandlers { message, _ in
                await gate.pass()
                seen.add(message.body)
                return []
            }
            let first = try await TestNode(1, in: mesh, folder: folder, handlers: handlers)
            _ = try await first.runtime.apply([definition("work", "/jobs/{key}")])
            _ = try await first.runtime.send(.init(path: work, body: [1]))
            let second = try await TestNode(2, in: mesh, folder: folder, handlers: handlers)
            first.ownership.fix(work, at: second.id)
            _ = try await first.runtime.send(.init(path: work, body: [2]))
            gate.open()
            try await eventually("both are processed") { Set(seen.all) == [[1], [2]] }
            await first.stop()
            await second.stop()
        }
    }

    @Test("one key and body: one effect, one id, the same reply, also after a restart") func idempotency() async throws
    {
        try await withFolder { folder in
            let mesh = TestMesh()
            var node = try await TestNode(1, in: mesh, folder: folder)
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

    @Test("killed at any moment: nothing acknowledged is lost, and repeats under their keys have one effect")
    func killed() async throws {
        try await withFolder { folder in
            let node = try await TestNode(1, in: TestMesh(), folder: folder + "/before")
            let runtime = node.runtime
            let counter = path("/meshnode/counter/a")
            let total = 300
            let acknowledged = Mutex(0)
            let add: @Sendable (Runtime, Int) async throws -> Void = { runtime, number in
                _ = try await runtime.call(
                    .init(path: counter, body: Array("{\"add\":1}".utf8), idempotencyKey: "\(number)"))
                acknowledged.withLock { $0 += 1 }
            }
            async let load: Void = withThrowingTaskGroup { group in
                for lane in 0..<10 {
                    group.addTask { for number in 0..<total / 10 { try await add(runtime, number * 10 + lane) } }
                }
                try await group.waitForAll()
            }
            try await eventually("some are acknowledged") { acknowledged.withLock { $0 } > total / 3 }
            let before = acknowledged.withLock { $0 }
            // The folder as a killed process would leave it, in the middle of everything.
            try FileManager.default.copyItem(atPath: folder + "/before", toPath: folder + "/after")
            try await load
            await node.stop()

            let survivor = try await TestNode(1, in: TestMesh(), folder: folder + "/after")
            let read = OutgoingMessage(path: counter, body: Array("{\"read\":true}".utf8))
            let value = text(try await survivor.runtime.call(read).body)
            #expect(try #require(Int(value.dropFirst(9).dropLast())) >= before)
            for number in 0..<total { try await add(survivor.runtime, number) }
            #expect(text(try await survivor.runtime.call(read).body) == "{\"value\":\(total)}")
            await survivor.stop()
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
        var configuration = RuntimeConfiguration.patient
        configuration.keptReplyBytesMax = 10
        try await withNode(configuration: configuration) { node in
            let bad = OutgoingMessage(path: path("/meshnode/counter/a"), body: [], idempotencyKey: "k")
            let first = await code { _ = try await node.runtime.call(bad) }
            #expect(first?.code == .invalidArgument)
            #expect(await code { _ = try await node.runtime.call(bad) } == first)
            let long = OutgoingMessage(
                path: path("/meshnode/echo/a"), body: Array(repeating: 1, count: 11), idempotencyKey: "k")
            let whole = try await node.runtime.call(long)
            #expect(whole.body.count == 11)
            let again = await code { _ = try await node.runtime.call(long) }
            #expect(again?.code == .tooLarge)
            #expect(again?.accepted == .yes)
        }
    }

    @Test("calls that wait for one message under one key have a limit") func crowdedKey() async throws {
        let gate = Gate()
        try await withNode(
            handlers: ScriptedHandlers { message, _ in
                await gate.pass()
                return message.body
            }
        ) { node in
            let runtime = node.runtime
            _ = try await runtime.apply([definition("work", "/jobs/{key}")])
            var message = OutgoingMessage(path: work, body: [], idempotencyKey: "k", timeout: .milliseconds(1))
            _ = try await runtime.send(.init(path: work, body: [], idempotencyKey: "k"))
            for _ in 0..<100 { #expect(await code { _ = try await runtime.call(message) } != nil) }
            // With more time than the refusal takes, on whatever machine.
            message.timeout = nil
            #expect(await code { _ = try await runtime.call(message) }?.code == .overloaded)
            gate.open()
        }
    }

    @Test("when no more keys fit, a message with a key is refused until old ones expire") func fullKeys() async throws {
        var configuration = RuntimeConfiguration.patient
        configuration.idempotencyKeysMax = 2
        try await withNode(configuration: configuration) { node in
            let echo = path("/meshnode/echo/a")
            for key in ["a", "b"] { _ = try await node.runtime.send(.init(path: echo, body: [], idempotencyKey: key)) }
            let error = await code { _ = try await node.runtime.send(.init(path: echo, body: [], idempotencyKey: "c")) }
            #expect(error?.code == .overloaded)
            _ = try await node.runtime.send(.init(path: echo, body: []))
            _ = try await node.runtime.send(.init(path: echo, body: [], idempotencyKey: "b"))
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

    @Test("damage in the database is refused at the start, or stops one actor and no other") func damage() async throws
    {
        try await withFolder { folder in
            let mesh = TestMesh()
            var node = try await TestNode(1, in: mesh, folder: folder)
            // A mailbox that promises messages which are not there.
            var batch = StorageBatch()
            let lost = path("/meshnode/echo/lost")
            batch.put(.mailboxes, MailboxKeys.mailbox(lost), MailboxRecord(head: 3, next: 5).encoded())
            await node.storage.commit(batch)
            await node.stop()
            node = try await TestNode(1, in: mesh, folder: folder)
            try await eventually("it has failed") {
                try await node.runtime.actors(prefix: "/meshnode/echo/").actors.map(\.state) == ["failed"]
            }
            let reply = try await node.runtime.call(.init(path: path("/meshnode/echo/other"), body: [1]))
            #expect(reply.body == [1])
            batch = StorageBatch()
            batch.put(.mailboxes, MailboxKeys.mailbox(lost), [1, 2, 3])
            await node.storage.commit(batch)
            await node.stop()
            await #expect {
                try await TestNode(1, in: mesh, folder: folder)
            } throws: { ($0 as? StorageError)?.code == .corrupt }
        }
    }

    @Test("a node that shuts down refuses messages and finishes the turn in flight") func shutdown() async throws {
        try await withFolder { folder in
            let gate = Gate()
            let seen = Seen()
            let node = try await TestNode(
                1, in: TestMesh(), folder: folder,
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
            try await eventually("nothing is accepted") {
                await code { _ = try await runtime.send(.init(path: work, body: [3])) }?.code == .unavailable
            }
            gate.open()
            #expect(try await reply.body == [1])
            await stopped
            #expect(seen.all == [[1]])
        }
    }
}
