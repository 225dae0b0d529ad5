import MeshCore
import MeshGateway
import MeshRuntime
import NIOCore
import Testing

@Suite("Limits and slow peers", .timeLimit(.minutes(10)))
struct LimitsTests {
    private static let authorization = "Authorization: Bearer \(GatewayFixture.token)\r\nHost: x\r\n"

    private static func limits(_ change: (inout HTTPGateway.Limits) -> Void) -> HTTPGateway.Limits {
        var limits = HTTPGateway.Limits()
        change(&limits)
        return limits
    }

    @Test("a body over the limit that says its length is refused before it is sent")
    func announcedBody() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(
                    "POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Content-Length: 99999999999\r\n"
                        + "Expect: 100-continue\r\n\r\n")
                return try await peer.hear(until: "}}")
            }
            #expect(heard.hasPrefix("HTTP/1.1 413 "))
            #expect(heard.lowercased().contains("connection: close"))
            #expect(heard.contains(#""code":"too_large""#))
            #expect(gateway.node.with { $0.sent.isEmpty })
        }
    }

    @Test("a chunked body over the limit is refused as soon as it is over")
    func chunkedBody() async throws {
        try await GatewayFixture.run(limits: Self.limits { $0.bodyBytesMax = 100 }) { gateway async throws in
            let chunk = "40\r\n" + String(repeating: "x", count: 64) + "\r\n"
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(
                    "POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Transfer-Encoding: chunked\r\n\r\n\(chunk)\(chunk)"
                )
                return try await peer.hear(until: "}}")
            }
            #expect(heard.hasPrefix("HTTP/1.1 413 "))
            #expect(gateway.node.with { $0.sent.isEmpty })
        }
    }

    @Test("a body of exactly the limit is taken, one byte more is not")
    func edge() async throws {
        try await GatewayFixture.run { gateway async throws in
            let full = [UInt8](repeating: 0x61, count: 1 << 20)
            #expect(try await gateway.request("POST", "/v1/send/a", body: full).status == 202)
            #expect(gateway.node.with { $0.sent.first?.body.count } == 1 << 20)
            #expect(try await gateway.request("POST", "/v1/send/a", body: full + [0x61]).status == 413)
        }
    }

    @Test("a client that waits for leave to send its body gets it")
    func expectContinue() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(
                    "POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
                )
                _ = try await peer.hear(until: "HTTP/1.1 100")
                try await peer.say("hello")
                return try await peer.hear(until: "}")
            }
            #expect(heard.contains("HTTP/1.1 202 "))
            #expect(gateway.node.with { $0.sent.first?.body } == Array("hello".utf8))
        }
    }

    @Test("a body that comes too slowly is answered with 408 and the end of the connection")
    func slowBody() async throws {
        try await GatewayFixture.run(limits: Self.limits { $0.bodyTimeout = .milliseconds(100) }) {
            gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say("POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Content-Length: 50\r\n\r\nhel")
                return try await peer.hear()
            }
            #expect(heard.hasPrefix("HTTP/1.1 408 "))
            #expect(heard.contains("did not arrive within"))
            #expect(gateway.node.with { $0.sent.isEmpty })
        }
    }

    @Test(
        "a head that never ends costs a connection for the idle timeout only",
        arguments: ["", "GET /v1/sta", "GET / HTTP/1.1\r\nA: b\r\n"])
    func slowHead(begin: String) async throws {
        try await GatewayFixture.run(limits: Self.limits { $0.idleTimeout = .milliseconds(100) }) {
            gateway async throws in
            let heard: String
            do {
                heard = try await RawConnection.open(port: gateway.port) { peer in
                    try await peer.say(begin)
                    return try await peer.hear()
                }
            } catch let error where error is ChannelError || error is IOError {
                // On a slow machine the time may be over before the first byte is said: the end is what counts.
                heard = ""
            }
            #expect(heard.isEmpty || heard.hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test(
        "what is not HTTP, and a head that is too large, get a 400 with the body that all errors have",
        arguments: [
            "\u{1}\u{2}\u{3}\r\n\r\n", "GET /v1/status HTTP/1.1\r\nBad Header\r\n\r\n",
            "GET /v1/status HTTP/1.1\r\nX: \(String(repeating: "y", count: 40_000))\r\n\r\n",
            "POST /v1/send/a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        ])
    func malformed(request: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(request)
                return try await peer.hear(until: "}}")
            }
            #expect(heard.hasPrefix("HTTP/1.1 400 "), "\(heard)")
            #expect(heard.contains(#""code":"invalid_argument""#))
            // The gateway still serves.
            #expect(try await gateway.request("GET", "/healthz").status == 200)
        }
    }

    @Test("one connection serves request after request, also when it sends them before the answers")
    func pipelining() async throws {
        try await GatewayFixture.run { gateway async throws in
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                let post = "POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Content-Length: 2\r\n\r\n"
                try await peer.say(
                    "\(post)1a\(post)2bGET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return try await peer.hear(until: "ok\n")
            }
            #expect(heard.ranges(of: "HTTP/1.1 202 ").count == 2)
            #expect(
                gateway.node.with { $0.sent.map { message in String(decoding: message.body, as: UTF8.self) } } == [
                    "1a", "2b",
                ])
        }
    }

    @Test("an error leaves the connection usable when the body was read")
    func keepsConnection() async throws {
        try await GatewayFixture.run { gateway async throws in
            gateway.node.fail(with: MeshError(.overloaded, "full"))
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say("POST /v1/send/a HTTP/1.1\r\n\(Self.authorization)Content-Length: 2\r\n\r\nab")
                _ = try await peer.hear(until: "}}")
                try await peer.say("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                return try await peer.hear(until: "ok\n")
            }
            #expect(heard.hasPrefix("HTTP/1.1 429 "))
            #expect(heard.contains("HTTP/1.1 200 "))
        }
    }
}
