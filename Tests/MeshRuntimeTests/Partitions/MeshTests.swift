import MeshCore
import MeshRuntime
import MeshStorage
import Synchronization
import Testing

@Suite("A mesh of runtimes", .serialized) struct MeshTests {
    private static func add(_ node: TestNode, _ key: String, idempotencyKey: String? = nil) async throws -> Int {
        let reply = try await node.runtime.call(
            .init(
                path: path("/meshnode/counter/\(key)"), body: Array("{\"add\":1}".utf8),
                idempotencyKey: idempotencyKey, timeout: .seconds(20)))
        return try #require(Int(text(reply.body).dropFirst("{\"value\":".count).dropLast()))
    }

    private static func value(_ node: TestNode, _ key: String) async throws -> Int {
        let reply = try await node.runtime.call(
            .init(path: path("/meshnode/counter/\(key)"), body: Array("{\"read\":true}".utf8), timeout: .seconds(20)))
        return try #require(Int(text(reply.body).dropFirst("{\"value\":".count).dropLast()))
    }

    private static func check(
        _ value: Int, _ expected: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) { #expect(value == expected, sourceLocation: sourceLocation) }

    @Test("answers alone, and remembers after a restart") func alone() async throws {
        try await withFolder { folder in
            let mesh = TestMesh()
            var node = try await TestNode(1, in: mesh, folder: folder, begins: true)
            for expected in 1...3 { Self.check(try await Self.add(node, "a"), expected) }
            _ = try await node.runtime.send(.init(path: path("/meshnode/counter/a"), body: Array("{\"add\":1}".utf8)))
            await node.stop()
            node = try await TestNode(1, in: mesh, folder: folder)
            Self.check(try await Self.add(node, "a"), 5)
            await node.stop()
        }
    }

    @Test("one key takes effect once, and another body under it is a conflict") func keys() async throws {
        try await withNode { node in
            Self.check(try await Self.add(node, "k", idempotencyKey: "one"), 1)
            Self.check(try await Self.add(node, "k", idempotencyKey: "one"), 1)
            let error = await code {
                _ = try await node.runtime.call(
                    .init(
                        path: path("/meshnode/counter/k"), body: Array("{\"add\":2}".utf8), idempotencyKey: "one"))
            }
            #expect(error?.code == .conflict)
            Self.check(try await Self.value(node, "k"), 1)
        }
    }

    @Test("a node alone knows that it leads, and refuses durable messages while its disk is short") func leads()
        async throws
    {
        try await withNode { node in
            Self.check(try await Self.add(node, "a"), 1)
            #expect(await node.runtime.explain(path("/meshnode/counter/a")).leader != nil)
            node.runtime.refuseMessages(because: MeshError(.overloaded, "the disk is full"))
            let refused = await code { _ = try await Self.add(node, "a") }
            #expect(refused?.code == .overloaded)
            #expect(refused?.accepted == .no)
            node.runtime.refuseMessages(because: nil)
            Self.check(try await Self.add(node, "a"), 2)
        }
    }

    @Test("a handler that refuses is answered so, and nobody is at a path without a definition") func refusals()
        async throws
    {
        try await withNode { node in
            let wrong = await code {
                _ = try await node.runtime.call(.init(path: path("/meshnode/counter/a"), body: Array("{}".utf8)))
            }
            #expect(wrong?.code == .invalidArgument)
            #expect(wrong?.accepted == .yes)
            let nobody = await code { _ = try await node.runtime.send(.init(path: path("/none"), body: [])) }
            #expect(nobody?.code == .notFound)
            #expect(nobody?.accepted == .no)
        }
    }

    @Test("programs answer, crash and are tried again, and wait while they cannot be started") func programs()
        async throws
    {
        let crashes = Mutex(0)
        let handlers = ScriptedHandlers { message, _ throws(TurnFailure) in
            if text(message.body) == "crash",
                crashes.withLock({
                    $0 += 1
                    return $0
                }) < 2
            {
                throw .crashed("on purpose")
            }
            return message.body
        }
        try await withNode(handlers: handlers) { node in
            _ = try await node.runtime.apply([try definition("echo", "/echo/{key}")])
            let reply = try await node.runtime.call(.init(path: path("/echo/a"), body: Array("hello".utf8)))
            #expect(text(reply.body) == "hello")
            let crashed = try await node.runtime.call(.init(path: path("/echo/a"), body: Array("crash".utf8)))
            #expect(text(crashed.body) == "crash")
            #expect(crashes.withLock { $0 } == 2)
            let listed = try await node.runtime.actors(prefix: "/echo")
            #expect(listed.actors.map(\.path) == ["/echo/a"])
        }
    }

    @Test("a program that cannot be started is said to be so") func noStart() async throws {
        let handlers = ScriptedHandlers(start: { _ throws(HandlerStartError) in
            throw HandlerStartError("it is not there")
        })
        try await withNode(handlers: handlers) { node in
            _ = try await node.runtime.apply([try definition("echo", "/echo/{key}")])
            let error = await code {
                _ = try await node.runtime.call(.init(path: path("/echo/a"), body: [], timeout: .seconds(20)))
            }
            #expect(error?.code == .handlerFailed)
            #expect(error?.accepted == .yes)
            #expect(error?.message.contains("it is not there") == true)
        }
    }

    @Test("three nodes reach every actor from anywhere, and their replicas have the same on their disks")
    func anywhere()
        async throws
    {
        try await withThreeNodes { nodes, _, _ in
            for key in 0..<12 {
                for (turn, node) in nodes.enumerated() { Self.check(try await Self.add(node, "c\(key)"), turn + 1) }
            }
            try await eventually("all replicas are at one entry") {
                await nodes[1].runtime.verifyPartitions().partitions.allSatisfy { $0.state != "moving" }
            }
            let view = await nodes[1].runtime.verifyPartitions()
            #expect(view.missing.isEmpty)
            #expect(view.partitions.map(\.state) == Array(repeating: "equal", count: TestNode.partitions))
            #expect(view.partitions.allSatisfy { $0.replicas.map(\.node) == ["node1", "node2", "node3"] })
            // Those that did something are not all alike.
            #expect(Set(view.partitions.map { $0.replicas[0].digest }).count > 2)
            for node in nodes { await node.stop(grace: .seconds(1)) }
        }
    }

    @Test("replicas with different states at one entry are told apart, and those at different entries are not judged")
    func verdicts() {
        func replica(_ node: String, _ applied: UInt64, _ digest: String) -> VerificationView.Replica {
            VerificationView.Replica(node: node, applied: applied, digest: digest)
        }
        func state(_ replicas: VerificationView.Replica...) -> String {
            VerificationView.Partition(partition: 0, replicas: replicas).state
        }
        #expect(state(replica("a", 7, "x"), replica("b", 7, "x")) == "equal")
        #expect(state(replica("a", 7, "x"), replica("b", 7, "y")) == "different")
        #expect(state(replica("a", 7, "x"), replica("b", 8, "y")) == "moving")
        #expect(state() == "moving")
    }

    @Test("equals begin once, by themselves when they are as many as they were told, or at one word") func equals()
        async throws
    {
        for founders in [3, nil] {
            try await withFolder { folder in
                let mesh = TestMesh()
                var nodes: [TestNode] = []
                for number in 1...3 as ClosedRange<UInt64> {
                    nodes.append(try await TestNode(number, in: mesh, folder: folder, founders: founders))
                }
                if founders == nil {
                    #expect(nodes[1].runtime.warnings.first?.contains("meshnode init") == true)
                    try await nodes[1].runtime.found(isForced: false)
                }
                try await haveThreeVoters(nodes)
                for (turn, node) in nodes.enumerated() {
                    Self.check(try await Self.add(node, "a"), turn + 1)
                    let again = await code { try await node.runtime.found(isForced: true) }
                    #expect(again?.code == .conflict)
                }
                for node in nodes { await node.stop(grace: .seconds(1)) }
            }
        }
    }

    @Test("a killed node loses nothing and doubles nothing") func killed() async throws {
        try await withThreeNodes { nodes, _, _ in
            let tally = Tally()
            let victim = try #require(nodes.max { $0.led.count < $1.led.count })
            let rest = nodes.filter { $0.id != victim.id }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for _ in 0..<40 {
                            let key = "w\(worker)"
                            do {
                                _ = try await Self.add(rest[worker % 2], key)
                                tally.acknowledged.withLock { $0[key, default: 0] += 1 }
                            } catch let error as MeshError where error.accepted != .no {
                                tally.unknown.withLock { $0[key, default: 0] += 1 }
                            }
                        }
                    }
                }
                group.addTask {
                    try await eventually("some are acknowledged") {
                        tally.acknowledged.withLock { $0.values.reduce(0, +) } > 40
                    }
                    await victim.kill()
                }
                try await group.waitForAll()
            }
            for worker in 0..<8 {
                let key = "w\(worker)"
                let value = try await Self.value(rest[0], key)
                let (sure, unsure) = (
                    tally.acknowledged.withLock { $0[key] ?? 0 }, tally.unknown.withLock { $0[key] ?? 0 }
                )
                #expect(value >= sure)
                #expect(value <= sure + unsure)
                #expect(unsure == 0)
            }
            for node in rest { await node.stop(grace: .milliseconds(100)) }
        }
    }

    @Test("a data folder with mailboxes of one copy is refused, and says what it holds") func oldFolder() async throws {
        try await withFolder { folder in
            let old = try RocksStorage(directory: folder + "/1", node: NodeID(high: 0, low: 1))
            var batch = StorageBatch()
            batch.put(.state, Array("/a\0value".utf8), [1])
            await old.commit(batch)
            old.close()
            let error = await code { _ = try await TestNode(1, in: TestMesh(), folder: folder) }
            #expect(error?.code == .conflict)
            #expect(error?.message.contains("1 values of actors' state") == true)
            #expect(error?.hint.contains("nothing was changed") == true)
        }
    }
}

/// What became of additions, by counter.
private final class Tally: Sendable {
    let acknowledged = Mutex<[String: Int]>([:])
    let unknown = Mutex<[String: Int]>([:])
}
