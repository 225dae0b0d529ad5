import MeshCore
import MeshRuntime
import Synchronization
import Testing

@Suite struct DefinitionsTests {
    private func withMesh(
        _ count: UInt64, handlers: ScriptedHandlers = ScriptedHandlers(), interval: Duration = .seconds(600),
        _ body: (TestMesh, [TestNode], String) async throws -> Void
    ) async throws {
        var configuration = RuntimeConfiguration.patient
        configuration.definitionsInterval = interval
        try await withFolder { folder in
            let mesh = TestMesh()
            var nodes: [TestNode] = []
            for number in 1...count {
                nodes.append(
                    try await TestNode(
                        number, in: mesh, folder: folder, begins: number == count, handlers: handlers,
                        configuration: configuration))
            }
            do { try await body(mesh, nodes, folder) } catch {
                for node in nodes { await node.stop() }
                throw error
            }
            for node in nodes { await node.stop() }
        }
    }

    @Test("a definition is known everywhere when applying it returns") func spread() async throws {
        try await self.withMesh(3) { _, nodes, _ in
            let views = try await nodes[0].runtime.apply([
                definition("one", "/one/{key}"), definition("two", "/two/{key}"),
            ])
            #expect(views.map(\.change) == ["created", "created"])
            #expect(views.map(\.origin) == ["node1", "node1"])
            for node in nodes {
                #expect(node.runtime.definitions().map(\.name) == ["one", "two"])
                #expect(try await node.runtime.call(.init(path: path("/one/a"), body: [1])).body == [1])
            }
            let again = try await nodes[1].runtime.apply([
                definition("one", "/one/{key}"), definition("two", "/deux/{key}"),
            ])
            #expect(again.map(\.change) == ["unchanged", "updated"])
            #expect(again.map(\.version) == [1, 2])
            #expect(nodes[2].runtime.definitions().map(\.path) == ["/one/{key}", "/deux/{key}"])
        }
    }

    @Test("a deletion is known everywhere, and its paths are not found") func deletion() async throws {
        try await self.withMesh(2) { _, nodes, _ in
            _ = try await nodes[0].runtime.apply([definition("one", "/one/{key}")])
            try await nodes[1].runtime.delete(definition: "one")
            for node in nodes {
                #expect(node.runtime.definitions().isEmpty)
                #expect(
                    await code { _ = try await node.runtime.call(.init(path: path("/one/a"), body: [])) }?.code
                        == .notFound)
            }
            #expect(await code { try await nodes[0].runtime.delete(definition: "one") }?.code == .notFound)
        }
    }

    @Test("a member that joins later gets all, a restarted one keeps them") func joining() async throws {
        try await self.withMesh(1) { mesh, nodes, folder in
            for number in 0..<40 {
                _ = try await nodes[0].runtime.apply([definition("d\(number)", "/d\(number)/{key}")])
            }
            var late = try await TestNode(2, in: mesh, folder: folder)
            try await eventually("it knows all") { late.runtime.definitions().count == 40 }
            await late.stop()
            await nodes[0].stop()
            late = try await TestNode(2, in: mesh, folder: folder)
            #expect(late.runtime.definitions().count == 40)
            await late.stop()
        }
    }

    @Test("two sides of a partition agree again, and the higher version holds") func partition() async throws {
        try await self.withMesh(2, interval: .milliseconds(20)) { mesh, nodes, _ in
            mesh.cut(nodes[0].id, nodes[1].id)
            _ = try await nodes[0].runtime.apply([definition("one", "/left/{key}")])
            _ = try await nodes[1].runtime.apply([definition("one", "/right/{key}")])
            _ = try await nodes[1].runtime.apply([definition("two", "/two/{key}")])
            // Equal versions: the higher node id wins.
            mesh.mend()
            try await eventually("they agree") {
                nodes.allSatisfy { $0.runtime.definitions().map(\.path) == ["/right/{key}", "/two/{key}"] }
            }
        }
    }

    @Test("a message takes its definition along to a leader that has not heard of it") func leaderBehind() async throws
    {
        try await self.withMesh(2) { mesh, nodes, _ in
            mesh.cut(nodes[0].id, nodes[1].id)
            _ = try await nodes[0].runtime.apply([definition("one", "/one/{key}")])
            mesh.mend()
            #expect(nodes[1].runtime.definitions().isEmpty)
            #expect(try await nodes[0].runtime.call(.init(path: path("/one/a"), body: [1])).body == [1])
        }
    }

    @Test("a changed definition starts its actors anew; a deleted one lets messages wait for its return")
    func changeWhileLive() async throws {
        let starts = Mutex(0)
        let handlers = ScriptedHandlers(start: { _ in starts.withLock { $0 += 1 } })
        try await self.withMesh(1, handlers: handlers) { _, nodes, _ in
            let runtime = nodes[0].runtime
            let one = path("/one/a")
            _ = try await runtime.apply([definition("one", "/one/{key}", limit: 10)])
            _ = try await runtime.call(.init(path: one, body: []))
            _ = try await runtime.call(.init(path: one, body: []))
            #expect(starts.withLock { $0 } == 1)
            _ = try await runtime.apply([definition("one", "/one/{key}", limit: 11)])
            _ = try await runtime.call(.init(path: one, body: []))
            #expect(starts.withLock { $0 } == 2)
        }
    }

    @Test("all or none: one bad definition changes nothing") func atomic() async throws {
        try await self.withMesh(1) { _, nodes, _ in
            let reserved = try definition("bad", "/meshnode/mine/{key}")
            let error = await code {
                _ = try await nodes[0].runtime.apply([definition("good", "/good/{key}"), reserved])
            }
            #expect(error?.code == .invalidArgument)
            #expect(nodes[0].runtime.definitions().isEmpty)
        }
    }
}
