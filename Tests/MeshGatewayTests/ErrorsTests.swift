import MeshCore
import MeshGateway
import MeshRuntime
import Testing

@Suite("Errors over real sockets", .timeLimit(.minutes(10)))
struct ErrorsTests {
    @Test(
        "every code of the mesh has its status, its body and, where a retry makes sense, Retry-After",
        arguments: [
            (MeshError.Code.invalidArgument, 400), (.unauthenticated, 401), (.notFound, 404), (.conflict, 409),
            (.tooLarge, 413), (.overloaded, 429), (.unavailable, 503), (.deadlineExceeded, 504), (.handlerFailed, 502),
            (.internalError, 500),
        ])
    func mapping(code: MeshError.Code, status: Int) async throws {
        try await GatewayFixture.run { gateway async throws in
            gateway.node.fail(
                with: MeshError(
                    code, "what happened", hint: "the mend", accepted: .unknown, retryAfter: .milliseconds(2_100)))
            let answer = try await gateway.request("POST", "/v1/send/a/b", body: [1])
            #expect(answer.status == status)
            #expect(answer.headers["content-type"] == "application/json")
            #expect(
                answer.error == [
                    "code": code.rawValue, "message": "what happened", "hint": "the mend", "accepted": "unknown",
                ])
            #expect(answer.headers["retry-after"] == (status == 429 || status == 503 ? "3" : nil))
        }
    }

    @Test("all codes are in the table above")
    func complete() { #expect(MeshError.Code.allCases.count == 10) }

    @Test("retry-after is at least a second, also where nothing is known")
    func retryAfter() async throws {
        try await GatewayFixture.run { gateway async throws in
            gateway.node.fail(with: MeshError(.overloaded, "full"))
            #expect(try await gateway.request("POST", "/v1/send/a").headers["retry-after"] == "1")
            gateway.node.fail(with: MeshError(.overloaded, "full", retryAfter: .milliseconds(1)))
            #expect(try await gateway.request("POST", "/v1/send/a").headers["retry-after"] == "1")
        }
    }

    @Test(
        "what is not a route is not found",
        arguments: [
            "/", "/v1", "/v1/nothing", "/v1/send/", "/v1/members/a/b/why", "/v1/definitions/a/b", "/v1/status/",
        ])
    func unknownRoute(path: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("GET", path)
            #expect(answer.status == 404)
            #expect(answer.code == "not_found")
            #expect(answer.error?["accepted"] == "no")
        }
    }

    @Test(
        "a method that a path does not take is 405 and says which it takes",
        arguments: [
            ("POST", "/v1/status", "GET"), ("GET", "/v1/send/a", "POST"), ("PUT", "/v1/definitions", "GET, POST"),
            ("POST", "/v1/definitions/a", "GET, DELETE"), ("PATCH", "/healthz", "GET"),
        ])
    func wrongMethod(method: String, path: String, allow: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request(method, path)
            #expect(answer.status == 405)
            #expect(answer.headers["allow"] == allow)
            #expect(answer.code == "method_not_allowed")
        }
    }

    @Test(
        "paths that are none are refused with the place of the mistake",
        arguments: [
            ("a//b", "not an actor path: a segment is empty, at byte 2"),
            ("1/2/3/4/5/6/7/8/9", "not an actor path: more than 8 segments, at byte 16"),
        ])
    func badPath(path: String, message: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            for verb in ["send", "call"] {
                let answer = try await gateway.request("POST", "/v1/\(verb)/\(path)")
                #expect(answer.status == 400)
                #expect(answer.error?["message"] == message)
            }
            #expect(gateway.node.with { $0.sent.isEmpty })
        }
    }

    @Test("a percent sign without its digits is refused, and not repaired")
    func badEncoding() async throws {
        try await GatewayFixture.run { gateway async throws in
            // By hand, since clients repair it.
            let heard = try await RawConnection.open(port: gateway.port) { peer in
                try await peer.say(
                    "POST /v1/send/a/%zz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(GatewayFixture.token)\r\n\r\n")
                return try await peer.hear(until: "}}")
            }
            #expect(heard.hasPrefix("HTTP/1.1 400 "))
            #expect(heard.contains("% without two hexadecimal digits, at byte 2"))
        }
    }

    @Test(
        "headers are checked before the message is accepted",
        arguments: [
            ("Meshnode-Deadline-Ms", "soon"), ("Meshnode-Deadline-Ms", "0"), ("Meshnode-Deadline-Ms", "-5"),
            ("Meshnode-Deadline-Ms", "99999999999999999999"), ("Meshnode-Delivery", "maybe"),
            ("Idempotency-Key", String(repeating: "k", count: 129)), ("Meshnode-Sender", "caf\u{E9}"),
        ])
    func badHeader(name: String, value: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("POST", "/v1/send/a", headers: [name: value])
            #expect(answer.status == 400)
            #expect(answer.code == "invalid_argument")
            #expect(answer.error?["message"]?.hasPrefix(name) == true)
            #expect(gateway.node.with { $0.sent.isEmpty })
        }
    }

    @Test("a body that says it is JSON and is not is refused")
    func notJSON() async throws {
        try await GatewayFixture.run { gateway async throws in
            let json = ["Content-Type": "application/json"]
            #expect(
                try await gateway.request("POST", "/v1/send/a", body: Array("{\"a\":}".utf8), headers: json).status
                    == 400)
            #expect(
                try await gateway.request("POST", "/v1/send/a", body: Array("{\"a\":1}".utf8), headers: json).status
                    == 202)
            #expect(try await gateway.request("POST", "/v1/send/a", body: Array("{\"a\":}".utf8)).status == 202)
        }
    }

    @Test("without the token, or with another one, TCP tells nothing, not even which routes there are")
    func authentication() async throws {
        try await GatewayFixture.run { gateway async throws in
            for token in [nil, "", "correct-hors", "correct-horse1", "Correct-horse"] {
                for path in ["/v1/status", "/metrics", "/nowhere"] {
                    let answer = try await gateway.request("GET", path, token: token)
                    #expect(answer.status == 401)
                    #expect(answer.code == "unauthenticated")
                    #expect(answer.headers["www-authenticate"] == "Bearer realm=\"meshnode\"")
                    #expect(!answer.body.contains(GatewayFixture.token))
                }
            }
            #expect(try await gateway.request("POST", "/v1/leave", token: nil).status == 401)
            #expect(gateway.node.with { !$0.hasLeft })
            let basic = ["Authorization": "Basic Y29ycmVjdC1ob3JzZQ=="]
            #expect(try await gateway.request("GET", "/v1/status", headers: basic, token: nil).status == 401)
        }
    }

    @Test("a target that is too long is refused")
    func longTarget() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("GET", "/v1/actors?prefix=" + String(repeating: "a", count: 5_000))
            #expect(answer.status == 400)
            let prefix = try await gateway.request("GET", "/v1/actors?prefix=" + String(repeating: "a", count: 600))
            #expect(prefix.error?["message"] == "a prefix has at most 512 bytes")
        }
    }

    @Test("the port of another gateway is a clear error with the mend")
    func takenPort() async throws {
        try await GatewayFixture.run { gateway async throws in
            let second = HTTPGateway(
                control: gateway.node,
                listeners: [.init(.tcp(host: "127.0.0.1", port: UInt16(gateway.port)), token: "t")],
                definitions: { _ throws(MeshError) in [] }, metrics: PrometheusRegistry(), logger: .silent)
            let error = await #expect(throws: MeshError.self) { try await second.run() }
            #expect(error?.message == "cannot listen on 127.0.0.1:\(gateway.port): the address is taken")
            #expect(error?.hint.contains("--http") == true)
        }
    }

    @Test(
        "one listener that cannot be bound ends the others",
        arguments: [
            (HTTPGateway.Address.tcp(host: "192.0.2.77", port: 0), "no such address on this machine"),
            (.unix(path: "/nonexistent/folder/api.sock"), "No such file or directory"),
            (.unix(path: "/tmp/" + String(repeating: "x", count: 120)), "has more than 107 bytes"),
        ])
    func cannotBind(address: HTTPGateway.Address, text: String) async throws {
        let gateway = HTTPGateway(
            control: ScriptedNode(),
            listeners: [.init(.tcp(host: "127.0.0.1", port: 0), token: "t"), .init(address, token: nil)],
            definitions: { _ throws(MeshError) in [] }, metrics: PrometheusRegistry(), logger: .silent)
        let error = await #expect(throws: MeshError.self) { try await gateway.run() }
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
}
