import MeshCore
import MeshRuntime
import Synchronization
import Testing

private let work = path("/jobs/a")

private var impatient: RuntimeConfiguration {
    var configuration = RuntimeConfiguration.patient
    configuration.backoff = .milliseconds(1) ... .milliseconds(5)
    return configuration
}

/// What crashes is tried five times, at once.
private func jobs(attempts: Int = 5) throws -> ActorDefinition {
    var jobs = try definition("work", "/jobs/{key}")
    jobs.retry = RetryPolicy([quickRule(attempts: attempts)])
    return jobs
}

@Suite struct SupervisionTests {
    @Test("an error of the handler is the reply, and the message is consumed") func refused() async throws {
        let error = MeshError(.handlerFailed, "no such document", hint: "send one that exists", accepted: .yes)
        try await withNode(
            handlers: ScriptedHandlers { _, _ async throws(TurnFailure) in throw .refused(error) }
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            #expect(await code { _ = try await node.runtime.call(.init(path: work, body: [])) } == error)
            #expect(node.runtime.load.depth == 0)
        }
    }

    @Test("a message whose handler crashes is delivered again") func crash() async throws {
        let attempts = Mutex(0)
        try await withNode(
            handlers: ScriptedHandlers { message, _ async throws(TurnFailure) in
                if attempts.withLock({
                    $0 += 1
                    return $0
                }) < 3 {
                    throw .crashed("killed")
                }
                return message.body
            }, configuration: impatient
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            #expect(try await node.runtime.call(.init(path: work, body: [1])).body == [1])
            #expect(attempts.withLock { $0 } == 3)
        }
    }

    @Test("a handler that ends while it is idle is taken down at once, and the next message gets another")
    func endsIdle()
        async throws
    {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await withNode(
            handlers: ScriptedHandlers(gone: { for await _ in ended { return } }) { message, _ in message.body }
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            #expect(try await node.runtime.call(.init(path: work, body: [1])).body == [1])
            #expect(node.runtime.load.actors == 1)
            end.yield()
            try await eventually("no activation lives") { node.runtime.load.actors == 0 }
            #expect(try await node.runtime.call(.init(path: work, body: [2])).body == [2])
        }
    }

    @Test("a message whose handler was gone before it came gets another") func gone() async throws {
        let turns = Mutex(0)
        try await withNode(
            handlers: ScriptedHandlers { message, _ async throws(TurnFailure) in
                if turns.withLock({
                    $0 += 1
                    return $0
                }) <= 2 {
                    throw .gone("it ended")
                }
                return message.body
            }, configuration: impatient
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            _ = try await node.runtime.send(.init(path: work, body: [1]))
            try await eventually("it is processed") { node.runtime.load.depth == 0 }
            #expect(turns.withLock { $0 } == 3)
        }
    }

    @Test("a message that crashes its handler five times is a dead letter, and the next one runs") func poison()
        async throws
    {
        let attempts = Mutex(0)
        try await withNode(
            handlers: ScriptedHandlers { message, _ async throws(TurnFailure) in
                guard message.body == [13] else { return message.body }
                attempts.withLock { $0 += 1 }
                throw .crashed("segmentation fault")
            }, configuration: impatient
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            let error = await code { _ = try await node.runtime.call(.init(path: work, body: [13])) }
            #expect(error?.code == .handlerFailed)
            #expect(error?.message.contains("segmentation fault") == true)
            #expect(error?.accepted == .yes)
            #expect(attempts.withLock { $0 } == 5)
            #expect(try await node.runtime.call(.init(path: work, body: [1])).body == [1])
            #expect(error?.hint.contains("dead letter") == true)
        }
    }

    @Test("an ephemeral message is not delivered again") func ephemeralCrash() async throws {
        let attempts = Mutex(0)
        try await withNode(
            handlers: ScriptedHandlers { _, _ async throws(TurnFailure) in
                attempts.withLock { $0 += 1 }
                throw .crashed("killed")
            }, configuration: impatient
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            let error = await code {
                _ = try await node.runtime.call(.init(path: work, body: [], delivery: .ephemeral))
            }
            #expect(error?.code == .handlerFailed)
            #expect(attempts.withLock { $0 } == 1)
        }
    }

    @Test("while a handler cannot start, its messages wait and the listing says failed") func cannotStart() async throws
    {
        let mended = Mutex(false)
        try await withNode(
            handlers: ScriptedHandlers(start: { _ throws(HandlerStartError) in
                guard mended.withLock({ $0 }) else {
                    throw HandlerStartError("no such command: nothing", hint: "install it")
                }
            }), configuration: impatient
        ) { node in
            _ = try await node.runtime.apply([jobs()])
            let error = await code { _ = try await node.runtime.call(.init(path: work, body: [1])) }
            #expect(error?.code == .handlerFailed)
            #expect(error?.message.contains("no such command: nothing") == true)
            #expect(error?.message.contains("install it") == true)
            #expect(error?.accepted == .yes)
            let view = try await node.runtime.actors(prefix: "/jobs/")
            #expect(view.actors.map(\.state) == ["failed"])
            #expect(view.actors.map(\.depth) == [1])
            mended.withLock { $0 = true }
            try await eventually("the message is processed") { node.runtime.load.depth == 0 }
            #expect(try await node.runtime.actors(prefix: "/jobs/").actors.map(\.state) == ["active"])
        }
    }

    @Test("an activation that is idle ends, and its actor remembers") func idle() async throws {
        var limits = LeadLimits()
        limits.idleAfter = .milliseconds(20)
        try await withNode(limits: limits) { node in
            let counter = path("/meshnode/counter/a")
            _ = try await node.runtime.call(.init(path: counter, body: Array("{\"add\":2}".utf8)))
            _ = try await node.runtime.call(.init(path: path("/meshnode/echo/a"), body: []))
            try await eventually("no activation lives") { node.runtime.load.actors == 0 }
            // The one that remembers is listed; the echo has left no trace, once its end is in the log.
            try await eventually("only the one that remembers is listed") {
                try await node.runtime.actors(prefix: "/").actors.map(\.path) == ["/meshnode/counter/a"]
            }
            let view = try await node.runtime.actors(prefix: "/")
            #expect(view.actors.map(\.state) == ["idle"])
            let reply = try await node.runtime.call(.init(path: counter, body: Array("{\"read\":true}".utf8)))
            #expect(text(reply.body) == "{\"value\":2}")
        }
    }

    @Test("more actors than places: the longest idle gives way, and all are served") func eviction() async throws {
        var limits = LeadLimits()
        limits.activationsMax = 1
        try await withNode(limits: limits) { node in
            let runtime = node.runtime
            for round in 1...2 {
                try await withThrowingTaskGroup(of: String.self) { group in
                    for key in 0..<40 {
                        group.addTask {
                            let counter = path("/meshnode/counter/\(key)")
                            return text(
                                try await runtime.call(.init(path: counter, body: Array("{\"add\":1}".utf8))).body)
                        }
                    }
                    for try await reply in group { #expect(reply == "{\"value\":\(round)}") }
                }
                #expect(runtime.load.actors <= TestNode.partitions)
            }
        }
    }

    @Test("actors that cannot run do not keep others from running") func failingCrowd() async throws {
        var configuration = RuntimeConfiguration.patient
        configuration.workersMax = 2
        configuration.backoff = .seconds(5) ... .seconds(5)
        try await withNode(
            handlers: ScriptedHandlers(start: { path throws(HandlerStartError) in
                if path != work { throw HandlerStartError("broken") }
            }), configuration: configuration
        ) { node in
            let runtime = node.runtime
            _ = try await runtime.apply([jobs()])
            for key in 0..<6 { _ = try await runtime.send(.init(path: path("/jobs/broken\(key)"), body: [])) }
            try await eventually("two have failed") {
                try await runtime.actors(prefix: "/jobs/").actors.count { $0.state == "failed" } >= 2
            }
            #expect(try await runtime.call(.init(path: work, body: [7])).body == [7])
            // One after the other they all had their try, and none was lost.
            try await eventually("all have failed") {
                try await runtime.actors(prefix: "/jobs/broken").actors.count { $0.state == "failed" } == 6
            }
            #expect(runtime.load.depth == 6)
        }
    }
}
