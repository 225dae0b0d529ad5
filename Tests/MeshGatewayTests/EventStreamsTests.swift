import Logging
import MeshCore
import MeshGateway
import MeshRuntime
import NIOCore
import Synchronization
import Testing

@Suite("Event streams", .timeLimit(.minutes(10)))
struct EventStreamsTests {
    private static func subscribe(_ query: String = "") -> String {
        "GET /v1/events\(query) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(GatewayFixture.token)\r\n\r\n"
    }

    /// Subscribes, does something, and hears until a text comes.
    private static func hear(
        _ gateway: GatewayFixture, _ query: String = "", header: String = "", until end: String,
        _ act: @Sendable () -> Void = {}
    ) async throws -> String {
        try await RawConnection.open(port: gateway.port) { peer in
            try await peer.say(
                "GET /v1/events\(query) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(GatewayFixture.token)\r\n"
                    + "\(header)\r\n")
            _ = try await peer.hear(until: ": connected")
            act()
            return try await peer.hear(until: end)
        }
    }

    @Test("events of every type arrive in order with their ids, text as text and bytes as base64")
    func kinds() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await Self.hear(gateway, until: "7-5\n") {
                gateway.node.tell(.member(ScriptedNode.member("two", state: "suspect"), cause: "probe-failed"))
                gateway.node.tell(.user(name: "deploy", payload: Array("a\nb".utf8), origin: "two"))
                gateway.node.tell(.user(name: "raw", payload: [0xFF], origin: "two"))
                gateway.node.tell(.definition(name: "wordcount", change: "created"))
                gateway.node.tell(
                    .log(LogRecord(level: .info, part: "node", message: "hi", fields: [Label("a", "b")])))
            }
            #expect(heard.contains("text/event-stream"))
            #expect(
                heard.contains(
                    "event: membership\nid: 7-1\ndata: {\"cause\":\"probe-failed\",\"id\":\"7-1\",\"member\":{"))
            #expect(heard.contains("\"name\":\"deploy\",\"origin\":\"two\",\"payload\":\"a\\nb\",\"time\":\"20"))
            #expect(
                heard.contains(
                    "id: 7-3\ndata: {\"id\":\"7-3\",\"name\":\"raw\",\"origin\":\"two\",\"payload_base64\":\"/w==\","))
            #expect(
                heard.contains(
                    "event: definitions\nid: 7-4\ndata: {\"change\":\"created\",\"id\":\"7-4\",\"name\":\"wordcount\",")
            )
            #expect(heard.contains("event: logs\nid: 7-5\n"))
        }
    }

    @Test("a reader gets only the types it asks for, and is told when there is no such type")
    func filter() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await Self.hear(gateway, "?type=user,definitions", until: "deploy") {
                gateway.node.tell(.member(ScriptedNode.member("two"), cause: "joined"))
                gateway.node.tell(.user(name: "deploy", payload: [], origin: "two"))
            }
            #expect(!heard.contains("joined"))
            let wrong = try await gateway.request("GET", "/v1/events?type=members")
            #expect(wrong.status == 400)
            #expect(wrong.error?["hint"] == "types are membership, definitions, user, logs, with commas between them")
            let unknown = try await gateway.request("GET", "/v1/events?kinds=user")
            #expect(unknown.status == 400)
        }
    }

    @Test("a reader that comes back goes on behind the last event it had; the header is newer than the URL")
    func resume() async throws {
        try await GatewayFixture.run { gateway async throws in
            for number in 1...4 { gateway.node.tell(.definition(name: "d\(number)", change: "created")) }
            let byURL = try await Self.hear(gateway, "?after=7-2", until: "d4")
            #expect(byURL.contains("d3") && !byURL.contains("d2") && !byURL.contains("gap"))
            let byHeader = try await Self.hear(gateway, "?after=7-1", header: "Last-Event-ID: 7-3\r\n", until: "d4")
            #expect(!byHeader.contains("d3") && !byHeader.contains("gap"))
            let wrong = try await gateway.request("GET", "/v1/events?after=yesterday")
            #expect(wrong.status == 400 && wrong.error?["message"]?.contains("yesterday") == true)
        }
    }

    @Test("an id of another boot, or of no event, is a gap that says so, and then comes all there is")
    func gaps() async throws {
        try await GatewayFixture.run { gateway async throws in
            gateway.node.tell(.definition(name: "first", change: "created"))
            let restarted = try await Self.hear(gateway, "?after=6-90", until: "first")
            #expect(
                restarted.contains(
                    "event: gap\nid: 7-0\ndata: {\"after\":\"6-90\",\"reason\":\"restarted\"}\n\nevent: def"))
            let unknown = try await Self.hear(gateway, "?after=7-90", until: "first")
            #expect(unknown.contains("\"reason\":\"unknown\""))
        }
    }

    @Test("a reader that falls behind what is kept is told of the gap, once")
    func dropped() async throws {
        try await GatewayFixture.run { gateway async throws in
            for number in 1...3000 { gateway.node.tell(.definition(name: "d\(number).", change: "created")) }
            let heard = try await Self.hear(gateway, "?after=7-5&type=definitions", until: "d3000.")
            #expect(heard.split(separator: "event: gap").count == 2)
            #expect(heard.contains("event: gap\nid: 7-1976\ndata: {\"after\":\"7-5\",\"reason\":\"dropped\"}"))
            #expect(heard.contains("d1977.") && !heard.contains("d1976."))
            // Who does not ask for definitions has missed none.
            let other = try await Self.hear(gateway, "?after=7-5&type=user", until: "late") {
                gateway.node.tell(.user(name: "late", payload: [], origin: "one"))
            }
            #expect(!other.contains("gap"))
        }
    }

    @Test("who accepts JSON gets the last events as a list, and where to go on")
    func list() async throws {
        try await GatewayFixture.run { gateway async throws in
            for number in 1...4 { gateway.node.tell(.definition(name: "d\(number)", change: "created")) }
            let answer = try await gateway.request(
                "GET", "/v1/events?type=definitions&limit=2", headers: ["Accept": "application/json"])
            #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
            #expect(answer.body.contains("\"d3\"") && answer.body.contains("\"d4\"") && !answer.body.contains("\"d2\""))
            #expect(answer.body.hasSuffix("\"next\":\"7-4\"}"))
            let wrong = try await gateway.request(
                "GET", "/v1/events?limit=many", headers: ["Accept": "application/json"])
            #expect(wrong.status == 400)
        }
    }

    @Test("log lines are filtered by level and age and read on behind an id")
    func logs() async throws {
        try await GatewayFixture.run { gateway async throws in
            for (number, level) in [Logger.Level.debug, .warning, .info, .error].enumerated() {
                gateway.node.tell(.log(LogRecord(level: level, part: "p", message: "m\(number)", fields: [])))
            }
            let severe = try await gateway.request("GET", "/v1/logs?level=warning&node=two")
            #expect(severe.body.contains("m1") && severe.body.contains("m3") && !severe.body.contains("m2"))
            #expect(severe.body.contains("\"name\":\"two\""))
            let rest = try await gateway.request("GET", "/v1/logs?after=7-3&age_ms=60000")
            #expect(rest.body.contains("m3") && !rest.body.contains("m2"))
            for query in ["level=loud", "age_ms=-1", "lines=5000", "after=x", "since=1"] {
                #expect(try await gateway.request("GET", "/v1/logs?\(query)").status == 400)
            }
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

    @Test("a stream on which nothing happens for longer than a write may take stays open")
    func silence() async throws {
        // On a busy machine a write takes its time too, and the stream ends with reason: then again, with more of it.
        for writeTimeout in [Duration.milliseconds(20), .seconds(1), .seconds(10)] {
            var limits = HTTPGateway.Limits()
            limits.writeTimeout = writeTimeout
            limits.keepAlive = writeTimeout * 3
            let heard = Mutex("")
            try await GatewayFixture.run(limits: limits) { gateway async throws in
                let text = try? await RawConnection.open(port: gateway.port) { peer in
                    try await peer.say(Self.subscribe())
                    return try await peer.hear(until: ": keep-alive\n\n")
                }
                heard.withLock { $0 = text ?? "" }
            }
            if heard.withLock({ $0 }).contains(": keep-alive") { return }
        }
        Issue.record("a silent stream was ended")
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

    /// Whether a stream can be opened in the end, doing something before each try.
    private static func hasRoom(_ gateway: GatewayFixture, _ meanwhile: () -> Void) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(120)
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
        var limits = HTTPGateway.Limits()
        limits.shutdownTimeout = .seconds(120)
        let gateway = HTTPGateway(
            control: node, listeners: [.init(.tcp(host: "127.0.0.1", port: 0), token: nil)],
            definitions: { _ throws(MeshError) in [] }, metrics: PrometheusRegistry(), limits: limits, logger: .silent)
        let (bound, continuation) = AsyncStream.makeStream(of: [HTTPGateway.Address].self)
        let serving = Task { try await gateway.run { continuation.yield($0) } }
        var addresses = bound.makeAsyncIterator()
        guard case .tcp(_, let port)? = await addresses.next()?.first else { throw CancellationError() }
        let (connected, whenConnected) = AsyncStream.makeStream(of: Void.self)
        let stream = Task {
            try await RawConnection.open(port: Int(port)) { peer in
                try await peer.say(Self.subscribe())
                _ = try await peer.hear(until: ": connected")
                whenConnected.finish()
                return try await peer.hear()
            }
        }
        let call = Task {
            try await RawConnection.open(port: Int(port)) { peer in
                try await peer.say("POST /v1/call/a HTTP/1.1\r\nHost: x\r\n\r\n")
                return try await peer.hear()
            }
        }
        for await _ in node.called.stream { break }
        for await _ in connected {}
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
        for await _ in node.called.stream { break }
        serving.cancel()
        try await serving.value
        _ = try? await call.value
    }
}
