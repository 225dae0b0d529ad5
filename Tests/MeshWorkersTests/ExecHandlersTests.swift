import Foundation
import Glibc
import Logging
import MeshCore
import MeshRuntime
import MeshWorkers
import Testing

/// Real programs: what they may do wrong is their own affair, and the daemon lives on.
@Suite("Programs as actors", .timeLimit(.minutes(10)))
struct ExecHandlersTests {
    private let handlers = ExecHandlers(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })

    /// Runs `bodies` through one activation of a program and returns what came of each.
    private func converse(
        _ command: [String], timeout: Duration = .seconds(120), environment: [Label] = [], directory: String? = nil,
        _ bodies: [String]
    ) async throws -> [Result<String, TurnFailure>] {
        let definition = ActorDefinition(
            name: "test", path: try PathPattern("/t/{key}"),
            handler: .exec(
                ActorDefinition.Exec(
                    command: command, timeout: timeout, environment: environment, directory: directory)),
            source: "")
        let path = try ActorPath("/t/a")
        var results: [Result<String, TurnFailure>] = []
        try await self.handlers.withHandler(for: path, definition: definition) { handler in
            var state = ActorState()
            for (index, body) in bodies.enumerated() {
                let message = Message(id: MessageID(high: 0, low: UInt64(index)), body: Array(body.utf8))
                do throws(TurnFailure) {
                    let reply = try await handler.handle(message, path: path, state: &state)
                    results.append(.success(String(decoding: reply, as: UTF8.self)))
                } catch {
                    results.append(.failure(error))
                    if case .crashed = error { return }
                }
            }
        }
        return results
    }

    private func python(_ body: String) -> [String] {
        ["python3", "-u", "-c", "import sys, json, os, time\n" + body]
    }

    private func reason(_ results: [Result<String, TurnFailure>]) -> String {
        guard case .failure(.crashed(let reason, as: _)) = results.last else { return "no crash: \(results)" }
        return reason
    }

    @Test("a program answers message after message, and keeps what it knows")
    func counts() async throws {
        let program = self.python(
            """
            n = 0
            for line in sys.stdin:
                m = json.loads(line); n += m["body"]
                print(json.dumps({"id": m["id"], "reply": {"sum": n, "path": m["path"]}}))
            """)
        let results = try await self.converse(program, ["1", "2", "39"])
        #expect(try results.map { try $0.get() }.last == "{\"sum\": 42, \"path\": \"/t/a\"}")
        #expect(results.count == 3)
    }

    @Test("an error of the program is an answer, and the program goes on")
    func errors() async throws {
        let program = self.python(
            """
            for line in sys.stdin:
                m = json.loads(line)
                if m["body"] == "bad": print(json.dumps({"id": m["id"], "error": {"code": "c", "message": "why"}}))
                else: print(json.dumps({"id": m["id"], "reply": "ok"}))
            """)
        let results = try await self.converse(program, ["\"bad\"", "\"good\""])
        guard case .failure(.refused(let error, as: _)) = results.first else {
            Issue.record("\(results)")
            return
        }
        #expect(error.message == "c: why")
        #expect(try results.last?.get() == "\"ok\"")
    }

    @Test("a shell script will do")
    func shell() async throws {
        let script =
            #"while read -r line; do id=$(printf %s "$line" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/'); echo "{\"id\":\"$id\",\"reply\":true}"; done"#
        #expect(try await self.converse(["sh", "-c", script], ["{}"]).map { try $0.get() } == ["true"])
    }

    @Test("a program that hangs is killed when its time is over")
    func hangs() async throws {
        let results = try await self.converse(
            self.python("time.sleep(600)"), timeout: .milliseconds(300), ["1"])
        #expect(self.reason(results).contains("did not answer"))
    }

    @Test("a program that ignores SIGTERM and what it started are killed as well")
    func stubborn() async throws {
        let results = try await self.converse(
            self.python(
                """
                import signal, subprocess
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                child = subprocess.Popen(["sleep", "600"])
                for line in sys.stdin: print(json.dumps({"id": json.loads(line)["id"], "reply": [os.getpid(), child.pid]}))
                while True: time.sleep(600)
                """), ["1"])
        let pids = try JSONDecoder().decode([Int32].self, from: Data(try #require(try results.first?.get()).utf8))
        for pid in pids {
            // The orphan is reaped by whoever adopts it, soon; a zombie runs no code.
            let isGone = try await eventually { isDead(pid) }
            #expect(isGone, "process \(pid) runs on")
        }
    }

    @Test("a program that dies in its turn is a crash that says so")
    func dies() async throws {
        let results = try await self.converse(self.python("sys.stdin.readline(); sys.exit(3)"), ["1"])
        #expect(self.reason(results).contains("it ended"))
    }

    @Test("garbage, another id, a line too long and a line too many are crashes with a reason")
    func rules() async throws {
        let answer = "m = json.loads(sys.stdin.readline()); "
        let cases = [
            ("print('hello')", "no JSON object"),
            ("print(json.dumps({'id': 'x', 'reply': 1}))", "another message"),
            ("print('x' * 4000000)", "more than"),
        ]
        for (act, expected) in cases {
            let results = try await self.converse(self.python(answer + act + "; time.sleep(600)"), ["1"])
            #expect(self.reason(results).contains(expected))
        }
        let chatty = try await self.converse(
            self.python("[print('{}') for _ in range(100)]; time.sleep(600)"), ["1"])
        #expect(self.reason(chatty).contains("nobody asked for") || self.reason(chatty).contains("another message"))
    }

    @Test("a flood on standard error does not hold up the answers")
    func flood() async throws {
        let program = self.python(
            """
            for line in sys.stdin:
                sys.stderr.write("noise " * 200000 + "\\n" * 5000)
                print(json.dumps({"id": json.loads(line)["id"], "reply": 1}))
            """)
        #expect(try await self.converse(program, ["1", "2", "3"]).map { try $0.get() } == ["1", "1", "1"])
    }

    @Test("a large body goes through whole")
    func large() async throws {
        let program = self.python(
            """
            for line in sys.stdin:
                m = json.loads(line)
                print(json.dumps({"id": m["id"], "reply": m["body"]}, ensure_ascii=False))
            """)
        let body = "\"" + String(repeating: "é", count: 400_000) + "\""
        let reply = try await self.converse(program, [body]).first?.get()
        #expect(try JSONDecoder().decode(String.self, from: Data(reply?.utf8 ?? "".utf8)).count == 400_000)
    }

    @Test("the environment is the daemon's, with what the definition adds, without the daemon's secrets")
    func environment() async {
        // In a process of its own: the environment belongs to all threads, and changing it is safe for none of them.
        await #expect(processExitsWith: .success) {
            unsafe setenv("MESHNODE_TOKEN", "mesh1.secret", 1)
            let tests = ExecHandlersTests()
            let program = tests.python(
                """
                for line in sys.stdin:
                    e = os.environ
                    print(json.dumps({"id": json.loads(line)["id"], "reply": [e.get("COLOUR"), e.get("MESHNODE_TOKEN"), "PATH" in e, os.getcwd()]}))
                """)
            let reply = try await tests.converse(
                program, environment: [Label("COLOUR", "red")], directory: "/usr", ["1"])
            exit(try reply.first?.get() == "[\"red\", null, true, \"/usr\"]" ? 0 : 1)
        }
    }

    @Test("a program that is not there is named, with the mend")
    func missing() async throws {
        let error = await #expect(throws: HandlerStartError.self) {
            _ = try await self.converse(["no-such-program-here"], ["1"])
        }
        #expect(error?.message.contains("no-such-program-here") == true)
        #expect(error?.hint.contains("spec.handler.exec.command") == true)
    }

    @Test("a program that ended while it was idle is gone, which is no crash of the message that comes then")
    func gone() async throws {
        let definition = ActorDefinition(
            name: "test", path: try PathPattern("/t/{key}"),
            handler: .exec(
                ActorDefinition.Exec(
                    command: self.python(
                        "m = json.loads(sys.stdin.readline()); print(json.dumps({'id': m['id'], 'reply': os.getpid()}))"
                    ),
                    timeout: .seconds(120), environment: [], directory: nil)),
            source: "")
        let path = try ActorPath("/t/a")
        var pid: Int32 = 0
        try await self.handlers.withHandler(for: path, definition: definition) { handler in
            var state = ActorState()
            let message = { (body: String) in Message(id: MessageID(high: 0, low: 1), body: Array(body.utf8)) }
            let reply = try? await handler.handle(message("1"), path: path, state: &state)
            pid = reply.flatMap { Int32(String(decoding: $0, as: UTF8.self)) } ?? 0
            await handler.untilGone()
            await #expect(throws: TurnFailure.gone("it ended, or closed its standard output")) {
                _ = try await handler.handle(message("2"), path: path, state: &state)
            }
        }
        #expect(pid > 1 && !FileManager.default.fileExists(atPath: "/proc/\(pid)"), "it was not reaped")
    }

    @Test("what cannot be executed is told apart: no right, a folder, an interpreter that is missing")
    func notExecutable() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("exec-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let plain = folder.appendingPathComponent("plain").path
        try Data("#!/bin/sh\n".utf8).write(to: URL(fileURLWithPath: plain))
        let script = folder.appendingPathComponent("script").path
        try Data("#!/no/such/interpreter\n".utf8).write(to: URL(fileURLWithPath: script))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
        for (program, words, mend) in [
            (plain, "not executable", "chmod +x"), (folder.path, "is a folder", "spec.handler.exec.command"),
            (script, "/no/such/interpreter", "first line"),
        ] {
            let error = await #expect(throws: HandlerStartError.self) { _ = try await self.converse([program], ["1"]) }
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            #expect(error?.hint.contains(mend) == true)
        }
        let relative = await #expect(throws: HandlerStartError.self) {
            _ = try await self.converse(["./plain"], directory: folder.path, ["1"])
        }
        #expect(relative?.message.contains("not executable") == true)
    }

    @Test("the guard's lines name process groups and nothing that means everybody")
    func groups() {
        #expect(OrphanGuard.groups(in: "12 345") == [12, 345])
        #expect(OrphanGuard.groups(in: "") == [])
        for wrong in ["0", "1", "-1", "-12", "12 x", "99999999999"] { #expect(OrphanGuard.groups(in: wrong) == nil) }
    }

    @Test("a folder that is not there is named")
    func missingFolder() async throws {
        let error = await #expect(throws: HandlerStartError.self) {
            _ = try await self.converse(["cat"], directory: "/no/such/folder", ["1"])
        }
        #expect(error?.message.contains("/no/such/folder") == true)
    }
}

private func isDead(_ pid: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
    return stat.split(separator: ")").last?.split(separator: " ").first == "Z"
}

/// Whether a condition comes true before a deadline that no healthy run meets.
private func eventually(_ condition: () -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(120)
    while !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(5))
    }
    return true
}
