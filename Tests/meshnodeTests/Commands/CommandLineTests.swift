import Foundation
import MeshCore
import MeshRuntime
import Testing

@testable import meshnode

@Suite("Commands without a node")
struct CommandLineTests {
    @Test(
        "a mistake of usage is 2, says what is wrong, and never shows a Swift value",
        arguments: [
            ["bogus"], ["status", "--bogus"], ["send"], ["call", "a//b"], ["call", "/a", "--data", "x", "--file", "y"],
            ["call", "/a", "x"], ["call", "/a", "--timeout", "soon"], ["send", "/a", "--delivery", "maybe"],
            ["config", "--bind", "nowhere"], ["config", "--config", "/nonexistent.yaml"], ["start", "--http", "x"],
            ["status", "--watch", "--why", "a"], ["status", "--ready", "--watch"], ["status", "--format", "xml"],
            ["token", "--new", "--data", "/tmp"], ["apply"],
            ["apply", "-f", "/nonexistent.yaml"], ["status", "--node", "ftp://a/b"], ["completions", "tcsh"],
        ])
    func usage(arguments: [String]) async throws {
        let result = try await MeshnodeProcess.run(arguments)
        #expect(result.status == ExitStatus.usage.rawValue)
        #expect(result.output.isEmpty)
        #expect(!result.errors.isEmpty)
        #expect(!result.errors.contains("meshnode."), "\(result.errors)")
        #expect(!result.errors.contains("Optional("), "\(result.errors)")
    }

    @Test(
        "a mistake is told with its mend",
        arguments: [
            (["start", "--bind", "::1:7021"], "[::1]:7021"), (["start", "--bind", "fe80::1"], "[fe80::1]:PORT"),
            (["start", "--log-level", "loud"], "such as --log-level info"),
            (["start", "--tag", "team"], "such as --tag team=vision"),
            (["call", "/a", "--timeout", "2h"], "1ms to 1h"), (["call", "/a", "--timeout", "0s"], "1ms to 1h"),
            (["call", "/text/wordcount/{key}"], "put a name in the place of {key}"),
            (["call", "/a", "--delivery", "pigeon"], "'durable' and 'ephemeral'"),
            (["statsu"], "did you mean 'meshnode status'?"), (["frobnicate"], "the commands are start, status"),
            (["event", "snd", "x"], "did you mean 'meshnode event send'?"),
            (["keys", "instal"], "did you mean 'meshnode keys install'?"),
            (["status", "extra"], "'meshnode status' takes no such argument"),
            (["status", "--frmat", "json"], "did you mean '--format'?"), (["call"], "such as /text/wordcount/a"),
            (["logs", "--lines", "9999"], "0 to 4096"), (["logs", "a", "--all"], "not both"),
        ])
    func mends(arguments: [String], mend: String) async throws {
        let result = try await MeshnodeProcess.run(arguments)
        #expect(result.status == ExitStatus.usage.rawValue)
        #expect(result.errors.hasPrefix("meshnode: "), "\(result.errors)")
        #expect(result.errors.lowercased().contains(mend.lowercased()), "\(result.errors)")
    }

    @Test("help and versions are 0", arguments: [["--help"], [], ["--version"], ["version"], ["start", "--help"]])
    func help(arguments: [String]) async throws {
        let result = try await MeshnodeProcess.run(arguments)
        #expect(result.status == 0)
        #expect(!result.output.isEmpty)
        #expect(result.errors.isEmpty)
    }

    @Test("the token of a new mesh is another one each time, and one that start takes")
    func newToken() async throws {
        var tokens: [MeshnodeProcess.Result] = []
        for _ in 0..<2 { tokens.append(try await MeshnodeProcess.run(["token", "--new"])) }
        #expect(tokens.allSatisfy { $0.status == 0 && $0.errors.isEmpty })
        let parsed = try tokens.map { try JoinToken($0.output.trimmingCharacters(in: .whitespacesAndNewlines)) }
        #expect(parsed[0].cluster != parsed[1].cluster)
        #expect(parsed[0].keys != parsed[1].keys)
    }

    @Test(
        "where no node answers it is 3, with the mend",
        arguments: [
            ["status"], ["members", "--node", "http://127.0.0.1:1"], ["call", "/a"], ["get"], ["event", "watch"],
            ["leave"], ["status", "--ready"],
        ])
    func unreachable(arguments: [String]) async throws {
        let result = try await MeshnodeProcess.run(arguments, environment: ["MESHNODE_DATA": "/nonexistent"])
        #expect(result.status == ExitStatus.unreachable.rawValue)
        #expect(result.errors.hasPrefix("meshnode: no node answers at "))
        #expect(result.errors.contains("meshnode start"))
    }

    @Test("a connection that breaks before the answer leaves open what happened, and says so")
    func broken() async throws {
        try await withFolder { folder async throws in
            // Takes a connection, reads the request, goes away.
            let peer = Process()
            peer.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            peer.arguments = [
                "python3", "-c",
                """
                import os, socket, sys, threading
                server = socket.create_server(("127.0.0.1", 0))
                open("\(folder)/port.new", "w").write(str(server.getsockname()[1]))
                os.rename("\(folder)/port.new", "\(folder)/port")
                # A launcher may stand between the test and this program, so it ends with its standard input.
                threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
                while True:
                    peer = server.accept()[0]
                    peer.recv(65536)
                    peer.close()
                """,
            ]
            let lifeline = Pipe()
            peer.standardInput = lifeline
            let ended = try MeshnodeProcess.start(peer)
            defer { peer.terminate() }
            let deadline = ContinuousClock.now + .seconds(120)
            var port = ""
            while port.isEmpty, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
                port = MeshnodeProcess.text(URL(fileURLWithPath: folder + "/port"))
            }
            let node = ["--node", "http://127.0.0.1:\(port)"]
            let call = try await MeshnodeProcess.run(["call", "/a", "--data", "1", "--timeout", "500ms"] + node)
            #expect(call.status == ExitStatus.unknown.rawValue)
            #expect(call.errors.contains("is unknown"), "\(call.errors)")
            let status = try await MeshnodeProcess.run(["status"] + node)
            #expect(status.status == ExitStatus.unreachable.rawValue)
            #expect(status.errors.contains("broke before the answer"), "\(status.errors)")
            try lifeline.fileHandleForWriting.close()
            await MeshnodeProcess.ended(ended)
        }
    }

    @Test("a definition with a mistake is found without a node, with its file, line and column")
    func applyMistake() async throws {
        let text = "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {nmae: a}\n"
        let result = try await MeshnodeProcess.run(["apply", "-f", "-"], input: text)
        #expect(result.status == ExitStatus.failed.rawValue)
        #expect(result.errors.hasPrefix("meshnode: standard input: line 3, column 12: metadata has no field 'nmae'\n"))
        #expect(result.errors.contains("did you mean 'name'?"))
    }

    @Test("config shows origins and hides the token, also from its own errors")
    func config() async throws {
        let result = try await MeshnodeProcess.run(
            ["config", "--zone", "z1", "-o", "json"],
            environment: ["MESHNODE_TOKEN": "mesh1.s3cret", "MESHNODE_NAME": "n"])
        #expect(result.status == 0)
        struct Shown: Decodable {
            struct Row: Decodable, Equatable {
                var name: String
                var value: String
                var origin: String
            }
            var settings: [Row]
        }
        let rows = try JSONDecoder().decode(Shown.self, from: Data(result.output.utf8)).settings
        #expect(rows.contains(.init(name: "zone", value: "z1", origin: "flag --zone")))
        #expect(rows.contains(.init(name: "name", value: "n", origin: "environment MESHNODE_NAME")))
        #expect(rows.contains(.init(name: "token", value: "(hidden)", origin: "environment MESHNODE_TOKEN")))
        #expect(rows.contains(.init(name: "profile", value: "lan", origin: "default")))
        #expect(!(result.output + result.errors).contains("s3cret"))
    }

    @Test("there is a completion script for each shell", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) async throws {
        let result = try await MeshnodeProcess.run(["completion", shell])
        #expect(result.status == 0)
        #expect(result.output.contains("members"))
        #expect(try await MeshnodeProcess.run(["--generate-completion-script", shell]).status == 0)
    }

    @Test("the token of a folder without a mesh is not found")
    func noToken() async throws {
        try await withFolder { folder async throws in
            #expect(try await MeshnodeProcess.run(["token", "--data", folder]).status == ExitStatus.notFound.rawValue)
        }
    }
}

@Suite("Commands and a node", .serialized, .timeLimit(.minutes(10)))
struct NodeCommandsTests {
    private static let program = """
        import sys, json, time
        for line in sys.stdin:
            message = json.loads(line)
            if message["body"] == "sleep":
                time.sleep(2)
            print(json.dumps({"id": message["id"], "reply": message["body"]}), flush=True)
        """

    private static func definition(_ node: RunningNode) -> String {
        """
        apiVersion: meshnode/v1
        kind: Actor
        metadata: {name: cat}
        spec:
          path: /cat/{key}
          handler: {exec: {command: [python3, \(node.folder.path)/cat.py], timeout: 90s}}
        """
    }

    @Test("every command does its work, and its exit status says how it went")
    func everything() async throws {
        try await MeshnodeProcess.withNode(["--zone", "z1", "--tag", "team=a", "--capability", "gpu=1"]) { node in
            try await self.status(node)
            try await self.definitions(node)
            try await self.messages(node)
            try await self.overTCP(node)
            #expect(try await node.run("event", "send", "deploy", "v2").status == 0)
            #expect(try await node.run("event", "send", "deploy", String(repeating: "x", count: 600)).status == 1)
            #expect(try await node.run("token").output.hasPrefix("mesh1."))
            #expect(try await MeshnodeProcess.run(["token", "--data", node.data]).output.hasPrefix("mesh1."))
            #expect(try await node.run("leave").status == 0)
            await MeshnodeProcess.ended(node.ended)
            #expect(node.process.terminationStatus == 0)
            #expect(try await node.run("status").status == ExitStatus.unreachable.rawValue)
        }
    }

    private func status(_ node: RunningNode) async throws {
        let table = try await node.run("status")
        #expect(table.status == 0)
        #expect(table.output.contains("1 alive, 0 suspect, 0 dead, 0 left"))
        #expect(!table.output.contains("\u{1B}"), "colour where nobody looks")
        let json = try await node.run("status", "--format", "json")
        let view = try JSONDecoder().decode(StatusView.self, from: Data(json.output.utf8))
        #expect(view.node.name == "one")
        #expect(view.members.first?.zone == "z1")
        #expect(view.members.first?.tags == ["team": "a"])
        // What it finds of its hardware comes beside it, sooner or later.
        #expect(view.members.first?.capabilities["gpu"] == "1")
        #expect(try await node.run("members").output.contains("gpu=1"))
        #expect(try await node.run("status", "--why", "one").output.contains("joined"))
        #expect(try await node.run("status", "--why", "nobody").status == ExitStatus.notFound.rawValue)
        #expect(try await MeshnodeProcess.run(["status", "--data-dir", node.data]).status == 0)
    }

    private func definitions(_ node: RunningNode) async throws {
        try Data(Self.program.utf8).write(to: node.folder.appending(path: "cat.py"))
        let definition = Self.definition(node)
        let applied = try await node.run("apply", "-f", "-", input: definition)
        #expect(applied.output == "cat created\n", "\(applied.errors)")
        #expect(try await node.run("apply", "-f", "-", input: definition).output == "cat unchanged\n")
        #expect(try await node.run("get").output.contains("/cat/{key}"))
        #expect(try await node.run("get", "cat").output == definition + "\n")
        #expect(try await node.run("get", "dog").status == ExitStatus.notFound.rawValue)
        #expect(try await node.run("delete", "dog").status == ExitStatus.notFound.rawValue)
    }

    private func messages(_ node: RunningNode) async throws {
        let call = try await node.run("call", "/cat/a", "--data", #"{"n":1}"#)
        #expect(call.output.filter { $0 != " " } == "{\"n\":1}\n", "\(call.errors)")
        #expect(try await node.run("call", "/meshnode/echo/x", "-", input: "hi").output == "hi")
        #expect(try await node.run("call", "/meshnode/counter/x", "--data", #"{"add":2}"#).output == "{\"value\":2}\n")
        let bad = try await node.run("call", "/meshnode/counter/x", "--data", "{")
        #expect(bad.status == ExitStatus.failed.rawValue)
        let json = try await node.run("call", "/meshnode/echo/x", "--data", "text", "-o", "json")
        #expect(json.output.hasSuffix("\"reply\":\"text\"}\n"))
        let sent = try await node.run("send", "/cat/b", "--data", "hello")
        #expect(sent.output.count == 33, "32 digits and a newline: \(sent.output)\(sent.errors)")
        #expect(try await node.run("call", "/nowhere/a").status == ExitStatus.notFound.rawValue)
        let late = try await node.run("call", "/cat/slow", "--data", "\"sleep\"", "--timeout", "300ms")
        let open = [ExitStatus.accepted, .unknown].map(\.rawValue)
        #expect(open.contains(late.status), "\(late.errors)")
        #expect(late.errors.contains("accepted"))
        #expect(try await node.run("actors", "/cat/").output.contains("/cat/slow"))
        #expect(try await !node.run("actors", "/cat/").output.contains("/meshnode/"))
        // The one that nobody waited for, if its program has not had it yet, waits on.
        #expect(try await node.run("delete", "cat").output.hasPrefix("cat deleted\n"))
        #expect(try await node.run("call", "/cat/a").status == ExitStatus.notFound.rawValue)
    }

    private func overTCP(_ node: RunningNode) async throws {
        let token = node.data + "/admin.token"
        #expect(try await MeshnodeProcess.run(["status", "--node", node.url, "--token-file", token]).status == 0)
        let none = try await MeshnodeProcess.run(
            ["status", "--node", node.url], environment: ["MESHNODE_DATA": "/nonexistent"])
        #expect(none.status == ExitStatus.failed.rawValue)
        #expect(none.errors.contains("asks for its admin token") && none.errors.contains("--token-file"))
        let wrong = try await MeshnodeProcess.run(
            ["status", "--node", node.url], environment: ["MESHNODE_ADMIN_TOKEN": "wr0ng"])
        #expect(wrong.status == ExitStatus.failed.rawValue)
        #expect(!wrong.errors.contains("wr0ng"))
        let taken = try await MeshnodeProcess.run(
            [
                "start", "--data", node.folder.path + "/b", "--bind", "127.0.0.1:0", "--http",
                String(node.url.dropFirst(7)),
            ])
        #expect(taken.status == ExitStatus.failed.rawValue)
        #expect(taken.errors.contains("the address is taken"), "\(taken.errors)")
        let second = try await MeshnodeProcess.run(["start", "--data", node.data, "--http", "none"])
        #expect(second.status == ExitStatus.failed.rawValue)
        #expect(second.errors.contains("another daemon runs on"))
    }
}
