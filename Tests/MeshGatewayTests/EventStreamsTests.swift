import MeshCore
import MeshGateway
import MeshRuntime
import NIOCore
import Testing

@Suite("Event streams", .timeLimit(.minutes(1)))
struct EventStreamsTests {
    private static func subscribe(_ query: String = "") -> String {
        "GET /v1/events\(query) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(GatewayFixture.token)\r\n\r\n"
    }

    @Test("events of every kind arrive in order, text as text and bytes as base64")
    func kinds() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe())
                _ = try await peer.hear(until: ": connected")
                gateway.node.tell(.member(ScriptedNode.member("two", state: "suspect"), cause: "probe-failed"))
                gateway.node.tell(.user(name: "deploy", payload: Array("a\nb".utf8), origin: "two"))
                gateway.node.tell(.user(name: "raw", payload: [0xFF], origin: "two"))
                gateway.node.tell(.definition(name: "wordcount", change: "created"))
                return try await peer.hear(until: "wordcount")
            }
            #expect(heard.contains("text/event-stream"))
            #expect(heard.contains("event: member\ndata: {\"cause\":\"probe-failed\",\"member\":{"))
            #expect(
                heard.contains("event: user\ndata: {\"name\":\"deploy\",\"origin\":\"two\",\"payload\":\"a\\nb\"}\n\n"))
            #expect(heard.contains("data: {\"name\":\"raw\",\"origin\":\"two\",\"payload_base64\":\"/w==\"}\n\n"))
            #expect(heard.contains("event: definition\ndata: {\"change\":\"created\",\"name\":\"wordcount\"}\n\n"))
        }
    }

    @Test("a reader gets only the kinds it asks for, and is told when there is no such kind")
    func filter() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe("?kinds=user,definition"))
                _ = try await peer.hear(until: ": connected")
                gateway.node.tell(.member(ScriptedNode.member("two"), cause: "joined"))
                gateway.node.tell(.user(name: "deploy", payload: [], origin: "two"))
                return try await peer.hear(until: "deploy")
            }
            #expect(!heard.contains("joined"))
            let wrong = try await gateway.request("GET", "/v1/events?kinds=members")
            #expect(wrong.status == 400)
            #expect(wrong.error?["hint"] == "kinds are member, user, definition")
        }
    }

    @Test("a silent stream is kept alive by comments")
    func keepAlive() async throws {
        var limits = HTTPGateway.Limits()
        limits.keepAlive = .milliseconds(20)
        try await GatewayFixture.run(limits: limits) { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe())
                return try await peer.hear(until: ": keep-alive\n\n")
            }
            #expect(heard.contains(": connected"))
        }
    }

    @Test("there are so many streams and no more; one that ends makes room")
    func bound() async throws {
        var limits = HTTPGateway.Limits()
        limits.eventStreamsMax = 1
        limits.keepAlive = .milliseconds(20)
        try await GatewayFixture.run(limits: limits) { gateway async throws in
            try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe())
                _ = try await peer.hear(until: ": connected")
                let second = try await gateway.request("GET", "/v1/events")
                #expect(second.status == 503)
                #expect(second.headers["retry-after"] == "5")
            }
            // The first reader is gone; the next write to it, at the latest, tells the gateway.
            #expect(try await Self.hasRoom(gateway) {})
        }
    }

    @Test("a reader that takes nothing is cut off")
    func stalled() async throws {
        var limits = HTTPGateway.Limits()
        limits.writeTimeout = .milliseconds(200)
        limits.keepAlive = .milliseconds(20)
        limits.eventStreamsMax = 1
        let payload = [UInt8](repeating: 0x61, count: 64 << 10)
        try await GatewayFixture.run(limits: limits) { gateway async throws in
            try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe())
                _ = try await peer.hear(until: ": connected")
                // From here on it reads nothing: first the sockets' buffers fill, then a write finds no room.
                #expect(
                    try await Self.hasRoom(gateway) {
                        gateway.node.tell(.user(name: "large", payload: payload, origin: "one"))
                    })
            }
        }
    }

    /// Whether a stream can be opened within ten seconds, doing something before each try.
    private static func hasRoom(_ gateway: GatewayFixture, _ meanwhile: () -> Void) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            meanwhile()
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(Self.subscribe())
                return try await peer.hear(until: "\r\n\r\n")
            }
            if heard.hasPrefix("HTTP/1.1 200 ") { return true }
        }
        return false
    }

    @Test("when the gateway ends, streams end at once and a request in flight is answered first")
    func shutdown() async throws {
        let node = ScriptedNode()
        let (held, release) = AsyncStream.makeStream(of: Void.self)
        node.with { $0.held = held }
        let gateway = HTTPGateway(
            control: node, listeners: [.init(.tcp(host: "127.0.0.1", port: 0), token: nil)],
            definitions: { _ throws(MeshError) in [] }, metrics: PrometheusRegistry(), logger: .silent)
        let (bound, continuation) = AsyncStream.makeStream(of: [HTTPGateway.Address].self)
        let serving = Task { try await gateway.run { continuation.yield($0) } }
        var addresses = bound.makeAsyncIterator()
        guard case .tcp(_, let port)? = await addresses.next()?.first else { throw CancellationError() }
        let stream = Task {
            try await RawConnection.open(port: Int(port)) { peer in
                try await peer.say(Self.subscribe())
                return try await peer.hear()
            }
        }
        let call = Task {
            try await RawConnection.open(port: Int(port)) { peer in
                try await peer.say("POST /v1/call/a HTTP/1.1\r\nHost: x\r\n\r\n")
                return try await peer.hear()
            }
        }
        while node.with({ $0.sent.isEmpty || $0.listeners.isEmpty }) { await Task.yield() }
        serving.cancel()
        #expect(try await stream.value.hasSuffix("0\r\n\r\n"))
        release.finish()
        #expect(try await call.value.contains(#"{"ok":true}"#))
        try await serving.value
        await #expect(throws: (any Error).self) { try await RawConnection.open(port: Int(port)) { _ in } }
    }

    @Test("a request that does not end in time does not hold the gateway")
    func shutdownIsBounded() async throws {
        let node = ScriptedNode()
        let (held, _) = AsyncStream.makeStream(of: Void.self)
        node.with { $0.held = held }
        var limits = HTTPGateway.Limits()
        limits.shutdownTimeout = .milliseconds(50)
        let gateway = HTTPGateway(
            control: node, listeners: [.init(.tcp(host: "127.0.0.1", port: 0), token: nil)],
            definitions: { _ throws(MeshError) in [] }, metrics: PrometheusRegistry(), limits: limits, logger: .silent)
        let (bound, continuation) = AsyncStream.makeStream(of: [HTTPGateway.Address].self)
        let serving = Task { try await gateway.run { continuation.yield($0) } }
        var addresses = bound.makeAsyncIterator()
        guard case .tcp(_, let port)? = await addresses.next()?.first else { throw CancellationError() }
        let call = Task {
            try await RawConnection.open(port: Int(port)) { peer in
                try await peer.say("POST /v1/call/a HTTP/1.1\r\nHost: x\r\n\r\n")
                return try? await peer.hear()
            }
        }
        while node.with({ $0.sent.isEmpty }) { await Task.yield() }
        serving.cancel()
        try await serving.value
        _ = try? await call.value
    }
}
