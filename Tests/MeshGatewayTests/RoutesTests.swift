import Foundation
import MeshCore
import MeshGateway
import MeshRuntime
import Testing

@Suite("Routes over real sockets", .timeLimit(.minutes(10)))
struct RoutesTests {
    @Test("status answers the node's view, on TCP with the token and on the socket without")
    func status() async throws {
        try await GatewayFixture.run { gateway async throws in
            for answer in [
                try await gateway.request("GET", "/v1/status"), try await gateway.local("GET", "/v1/status"),
            ] {
                #expect(answer.status == 200)
                #expect(answer.headers["content-type"] == "application/json")
                #expect(answer.headers["date"]?.hasSuffix(" GMT") == true)
                let view = try JSONDecoder().decode(StatusView.self, from: Data(answer.body.utf8))
                #expect(view.members.map(\.name) == ["one"])
            }
        }
    }

    @Test("members and why answer from the same view; an unknown member is not found")
    func members() async throws {
        try await GatewayFixture.run { gateway async throws in
            let members = try await gateway.request("GET", "/v1/members")
            #expect(members.status == 200)
            #expect(members.body.hasPrefix(#"{"members":[{"#))
            #expect(try await gateway.request("GET", "/v1/members/one/why").status == 200)
            let missing = try await gateway.request("GET", "/v1/members/nobody%20here/why")
            #expect(missing.status == 404)
            #expect(missing.code == "not_found")
            #expect(missing.error?["message"] == "no member 'nobody here'")
        }
    }

    @Test("actors takes a percent-encoded prefix and refuses parameters it does not know")
    func actors() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("GET", "/v1/actors?prefix=%2Ftext%2Fa%2Bb")
            #expect(answer.status == 200)
            #expect(answer.body.contains(#""missing":["two"]"#))
            #expect(gateway.node.with { $0.prefix } == "/text/a+b")
            let unknown = try await gateway.request("GET", "/v1/actors?prefx=/text")
            #expect(unknown.status == 400)
            #expect(unknown.error?["hint"] == "it takes prefix")
        }
    }

    @Test("doctor tells its findings worst first; metrics are measured before they are read")
    func doctor() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("GET", "/v1/doctor")
            let view = try JSONDecoder().decode(DoctorView.self, from: Data(answer.body.utf8))
            #expect(view.findings.map(\.severity) == [.problem, .fine] && view.count(.problem) == 1)
            #expect(try await gateway.request("GET", "/metrics").status == 200)
            #expect(gateway.node.with { $0.measured } == 1)
        }
    }

    @Test("keys are listed, installed, used and removed; force is said outright or not at all")
    func keys() async throws {
        try await GatewayFixture.run { gateway async throws in
            let listed = try await gateway.request("GET", "/v1/keys")
            #expect(listed.status == 200)
            let view = try JSONDecoder().decode(KeysView.self, from: Data(listed.body.utf8))
            #expect(view.keys.map(\.id) == ["0a0b0c0d"] && view.members.map(\.source) == [.answer])
            for (method, path) in [
                ("POST", "/v1/keys"), ("POST", "/v1/keys/0a0b/use"), ("DELETE", "/v1/keys/0a0b?force=true"),
            ] {
                #expect(try await gateway.request(method, path).status == 200, "\(path)")
            }
            #expect(gateway.node.with { $0.keyChanges } == ["install", "use 0a0b", "remove 0a0b by force"])
            #expect(try await gateway.request("DELETE", "/v1/keys/0a0b?force=yes").status == 400)
            #expect(try await gateway.request("POST", "/v1/keys/0a0b").status == 405)
            gateway.node.fail(with: MeshError(.conflict, "key 0a0b is not used", hint: "wait"))
            let refused = try await gateway.request("POST", "/v1/keys/0a0b/use")
            #expect((refused.status, refused.code) == (409, "conflict"))
        }
    }

    @Test("send is 202 with the id and the path; headers reach the node")
    func send() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request(
                "POST", "/v1/send/text/wordcount/a%2Fb%20c", body: Array("hello".utf8),
                headers: [
                    "Idempotency-Key": "k-1", "Meshnode-Deadline-Ms": "1500", "Meshnode-Delivery": "ephemeral",
                    "Meshnode-Sender": "me",
                ])
            #expect(answer.status == 202)
            #expect(answer.headers["meshnode-message-id"] == String(repeating: "a", count: 32))
            let receipt = try JSONDecoder().decode(MessageReceipt.self, from: Data(answer.body.utf8))
            #expect(receipt.path == "/text/wordcount/a%2Fb%20c")
            let sent = try #require(gateway.node.with { $0.sent.first })
            #expect(sent.path.segments == ["text", "wordcount", "a%2Fb%20c"])
            #expect(sent.body == Array("hello".utf8))
            #expect(sent.idempotencyKey == "k-1")
            #expect(sent.timeout == .milliseconds(1500))
            #expect(sent.delivery == .ephemeral)
            #expect(sent.sender == "me")
        }
    }

    @Test(
        "call is 200 with the reply as body, JSON only where it is JSON",
        arguments: [(#"{"n":1}"#, "application/json"), ("{'n':1}", "application/octet-stream")])
    func call(reply: String, type: String) async throws {
        try await GatewayFixture.run { gateway async throws in
            gateway.node.with { $0.reply = Array(reply.utf8) }
            let answer = try await gateway.request("POST", "/v1/call/meshnode/echo/x", body: Array("hi".utf8))
            #expect(answer.status == 200)
            #expect(answer.body == reply)
            #expect(answer.headers["content-type"] == type)
            #expect(answer.headers["meshnode-message-id"] == String(repeating: "b", count: 32))
        }
    }

    @Test("a message needs no body, and defaults are durable without a key")
    func emptyMessage() async throws {
        try await GatewayFixture.run { gateway async throws in
            #expect(try await gateway.request("POST", "/v1/send/a").status == 202)
            let sent = try #require(gateway.node.with { $0.sent.first })
            #expect(sent.body.isEmpty)
            #expect(sent.delivery == .durable)
            #expect(sent.idempotencyKey == nil)
            #expect(sent.timeout == nil)
        }
    }

    @Test("definitions are decoded by whoever was passed in, listed, shown as JSON and YAML, and deleted")
    func definitions() async throws {
        let definition = ActorDefinition(
            name: "wordcount", path: try PathPattern("/text/{key}"),
            handler: .exec(.init(command: ["cat"])), source: "kind: Actor\n")
        try await GatewayFixture.run(
            definitions: { bytes throws(MeshError) in
                guard bytes == Array("yaml".utf8) else { throw MeshError(.invalidArgument, "line 1, column 1: no") }
                return [definition]
            },
            { gateway async throws in
                let refused = try await gateway.request("POST", "/v1/definitions", body: Array("other".utf8))
                #expect(refused.status == 400)
                #expect(refused.error?["message"] == "line 1, column 1: no")
                let applied = try await gateway.request("POST", "/v1/definitions", body: Array("yaml".utf8))
                #expect(applied.status == 200)
                #expect(applied.body.contains(#""change":"created""#))
                #expect(gateway.node.with { $0.applied } == [definition])
                gateway.node.with { $0.definitions = [ScriptedNode.view(definition)] }
                #expect(try await gateway.request("GET", "/v1/definitions").body.contains(#""name":"wordcount""#))
                #expect(try await gateway.request("GET", "/v1/definitions/wordcount").body.hasPrefix("{"))
                let yaml = try await gateway.request(
                    "GET", "/v1/definitions/wordcount", headers: ["Accept": "application/yaml"])
                #expect(yaml.body == "kind: Actor\n")
                #expect(yaml.headers["content-type"] == "application/yaml")
                #expect(try await gateway.request("GET", "/v1/definitions/other").status == 404)
                let deleted = try await gateway.request("DELETE", "/v1/definitions/wordcount")
                #expect(deleted.status == 204)
                #expect(deleted.body.isEmpty)
                #expect(try await gateway.request("DELETE", "/v1/definitions/wordcount").status == 404)
            })
    }

    @Test("an event is raised from text or base64, within its size")
    func raise() async throws {
        let large = String(repeating: "x", count: UserEvent.payloadBytesMax + 1)
        let cases = [
            (#"{"name":"deploy","payload":"v2"}"#, 202), (#"{"name":"deploy","payload_base64":"AAE="}"#, 202),
            ("{", 400), (#"{"name":""}"#, 400), (#"{"name":"a","payload":"b","payload_base64":"AAE="}"#, 400),
            (#"{"name":"a","payload":"\#(large)"}"#, 413),
        ]
        try await GatewayFixture.run { gateway async throws in
            for (body, status) in cases {
                let answer = try await gateway.request("POST", "/v1/events", body: Array(body.utf8))
                #expect(answer.status == status, "\(body)")
            }
            #expect(gateway.node.with { $0.raised.map { event in event.payload } } == [Array("v2".utf8), [0, 1]])
        }
    }

    @Test("leave reaches the node")
    func leave() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("POST", "/v1/leave")
            #expect(answer.status == 202)
            #expect(answer.body == #"{"state":"leaving"}"#)
            #expect(gateway.node.with { $0.hasLeft && !$0.leftByForce && $0.leavePatience == nil })
            let other = try await gateway.request("POST", "/v1/leave?force=true&timeout_ms=1500")
            #expect(other.status == 202)
            #expect(gateway.node.with { $0.leftByForce && $0.leavePatience == .milliseconds(1500) })
            for query in ["force=yes", "timeout_ms=0", "timeout_ms=1h", "patience=3"] {
                #expect(try await gateway.request("POST", "/v1/leave?\(query)").status == 400, "\(query)")
            }
        }
    }

    @Test("dead letters are listed by page, shown with their body, replayed and purged")
    func deadLetters() async throws {
        try await GatewayFixture.run { gateway async throws in
            let list = try await gateway.request("GET", "/v1/deadletters?prefix=/a/&after=17-2&limit=7")
            #expect(list.status == 200 && list.body.contains(#""id":"17-3""#) && list.body.contains(#""next":"17-3""#))
            let page = DeadLetterPage(prefix: "/a/", after: DeadLetterID("17-2"), limit: 7)
            #expect(gateway.node.with { $0.deadLetterPages } == [page])
            #expect(try await gateway.request("GET", "/v1/deadletters/17-3").body.contains(#""body":"hello""#))
            #expect(try await gateway.request("GET", "/v1/deadletters/17-0").body.contains(#""body_base64":"/w==""#))
            for (path, body) in [("replay", #"{"ids":["17-3","2-1"]}"#), ("purge", #"{"prefix":"/a/"}"#)] {
                let answer = try await gateway.request("POST", "/v1/deadletters/\(path)", body: Array(body.utf8))
                #expect(answer.status == 200 && answer.body.contains(#""done":["17-3"]"#), "\(answer.body)")
            }
            #expect(
                gateway.node.with { $0.deadLetterActs.map { $0.prefix(6) } } == ["replay", "purge "])
            for path in ["?limit=0", "?limit=257", "?after=x", "/x", "/17-03", "/17", "/17-3-1", "/-1-3"] {
                #expect(try await gateway.request("GET", "/v1/deadletters\(path)").status == 400, "\(path)")
            }
        }
    }

    @Test("a drain is begun, looked at and cancelled under the member's name")
    func drain() async throws {
        try await GatewayFixture.run { gateway async throws in
            for (method, path) in [
                ("POST", "/v1/members/node-b/drain?reason=new%20disk"), ("GET", "/v1/members/node-b/drain"),
                ("DELETE", "/v1/members/node%2Db/drain"),
            ] {
                let answer = try await gateway.request(method, path)
                #expect(answer.status == 200 && answer.body.contains(#""state":"draining""#), "\(answer.body)")
            }
            #expect(
                gateway.node.with { $0.drains } == [
                    #"node-b begin(reason: "new disk")"#, "node-b look", "node-b cancel",
                ])
            #expect(try await gateway.request("PUT", "/v1/members/node-b/drain").status == 405)
        }
    }

    @Test("health is open; readiness is 503 until the node is ready")
    func probes() async throws {
        try await GatewayFixture.run { gateway async throws in
            #expect(try await gateway.request("GET", "/healthz", token: nil).status == 200)
            #expect(try await gateway.request("GET", "/readyz", token: nil).status == 200)
            gateway.node.with { $0.status = ScriptedNode.status(state: "joining") }
            let joining = try await gateway.request("GET", "/readyz", token: nil)
            #expect(joining.status == 503)
            #expect(joining.headers["retry-after"] == "1")
            #expect(joining.error?["message"] == "the node is joining")
        }
    }

    @Test("metrics count the requests by route and status")
    func metrics() async throws {
        try await GatewayFixture.run { gateway async throws in
            _ = try await gateway.request("GET", "/v1/status")
            _ = try await gateway.request("GET", "/nowhere")
            let answer = try await gateway.request("GET", "/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(answer.body.contains("\nmeshnode_http_requests_total{route=\"status\",status=\"200\"} 1\n"))
            #expect(answer.body.contains("\nmeshnode_http_requests_total{route=\"none\",status=\"404\"} 1\n"))
            #expect(answer.body.contains("\nmeshnode_http_request_seconds_count{route=\"status\"} 1\n"))
            #expect(answer.body.contains("# HELP meshnode_http_requests_total HTTP requests answered"))
        }
    }

    @Test("HEAD answers as GET without the body")
    func head() async throws {
        try await GatewayFixture.run { gateway async throws in
            let answer = try await gateway.request("HEAD", "/v1/status")
            #expect(answer.status == 200)
            #expect(answer.body.isEmpty)
            #expect(Int(answer.headers["content-length"] ?? "") ?? 0 > 100)
        }
    }
}
