"""Messages between real nodes: where they go, that they are kept, and how often they take effect."""
import json
import sys
import time

from support import ROOT, MeshCase

# An actor that writes down what it was given, and answers with it. `die` and `hang` do what they say, once per message;
# `hold` waits until the test lets it go.
NOTER = r"""
import json, os, sys, time
for line in sys.stdin:
    message = json.loads(line)
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps([message["path"], message["id"], message["body"]]) + "\n")
    body = message["body"]
    marker = os.environ["NOTES"] + "." + message["id"]
    if body in ("die", "hang") and not os.path.exists(marker):
        open(marker, "w").close()
        if body == "die":
            os._exit(3)
        while True:
            sys.stdin.readline() or os._exit(0)
    while body == "hold" and not os.path.exists(os.environ["NOTES"] + ".go"):
        time.sleep(0.02)
    print("a line for the log", file=sys.stderr, flush=True)
    if body == "fail":
        print(json.dumps({"id": message["id"], "error": {"code": "tooHard", "message": "no idea"}}), flush=True)
    else:
        print(json.dumps({"id": message["id"], "reply": {"echo": body, "path": message["path"]}}), flush=True)
"""


class Messages(MeshCase):
    def three(self):
        return self.start("alpha", "beta", "gamma")

    def two(self):
        return self.start("alpha", "beta")

    def start(self, first, *others):
        environment = {"NOTES": str(self.mesh.folder / "notes")}
        nodes = [self.mesh.create(first, environment=environment)]
        nodes += [self.mesh.join(name, environment=environment) for name in others]
        self.mesh.wait_members(len(nodes))
        return nodes

    def with_noter(self, nodes=None, timeout="60s"):
        nodes = nodes or self.three()
        program = self.mesh.folder / "noter.py"
        program.write_text(NOTER)
        self.apply(nodes[0], "noter", "/note/{key}", [sys.executable, str(program)], timeout=timeout)
        for node in nodes:
            spread = lambda node=node: node.request("GET", "/v1/definitions").json["definitions"]
            node.wait_until(f"{node.name} has the definition", spread)
        return nodes

    def let_go(self):
        (self.mesh.folder / "notes.go").touch()

    def notes(self):
        path = self.mesh.folder / "notes"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        # The last may be in the making.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def test_every_node_reaches_every_path(self):
        for node in self.three():
            for number in range(10):
                reply = node.request("POST", f"/v1/call/meshnode/echo/{number}", json.dumps({"number": number}))
                self.assertEqual((reply.status, reply.json), (200, {"number": number}), reply.body)

    def test_a_counter_counts_across_nodes(self):
        total = 0
        for turn in range(10):
            for node in self.mesh.nodes or self.three():
                total += turn
                reply = node.request("POST", "/v1/call/meshnode/counter/shared", json.dumps({"add": turn}))
                self.assertEqual((reply.status, reply.json), (200, {"value": total}), reply.body)

    def test_one_key_takes_effect_once(self):
        alpha, beta, _ = self.three()
        headers = {"Idempotency-Key": "one"}
        for node in (alpha, beta, alpha):
            reply = node.request("POST", "/v1/call/meshnode/counter/keyed", '{"add":5}', headers)
            self.assertEqual((reply.status, reply.json), (200, {"value": 5}), reply.body)
        first, second = (
            node.request("POST", "/v1/send/meshnode/counter/keyed", '{"add":1}', {"Idempotency-Key": "two"}).json["id"]
            for node in (alpha, beta))
        self.assertEqual(first, second)
        other = alpha.request("POST", "/v1/call/meshnode/counter/keyed", '{"add":6}', headers)
        self.assertEqual((other.status, other.json["error"]["code"]), (409, "conflict"), other.body)
        final = alpha.request("POST", "/v1/call/meshnode/counter/keyed", '{"add":0}')
        self.assertEqual(final.json, {"value": 6})

    def test_counters_survive_the_restart_of_all_nodes(self):
        nodes = self.three()
        for number in range(12):
            self.assertEqual(
                nodes[0].request("POST", f"/v1/call/meshnode/counter/{number}", '{"add":7}').status, 200)
        self.mesh.restart(nodes)
        self.mesh.wait_members(3)
        for number in range(12):
            counter = lambda: nodes[1].request("POST", f"/v1/call/meshnode/counter/{number}", '{"add":0}')
            nodes[1].wait_until("the counter answers", lambda: counter().status == 200)
            self.assertEqual(counter().json, {"value": 7})

    def test_registers_and_queues_across_nodes_and_restarts(self):
        nodes = self.three()
        ask = lambda node, actor, body: node.request("POST", f"/v1/call/meshnode/{actor}/a", json.dumps(body)).json
        for turn, node in enumerate(nodes):
            self.assertEqual(
                ask(node, "register", {"cas": [turn or None, turn + 1]}), {"value": turn + 1, "swapped": True})
            self.assertEqual(
                ask(node, "register", {"cas": [turn or None, 9]}), {"value": turn + 1, "swapped": False})
            self.assertEqual(ask(node, "queue", {"push": {"turn": turn}}), {"value": {"turn": turn}})
        self.assertEqual(ask(nodes[1], "queue", {"pop": True}), {"value": {"turn": 0}})
        self.mesh.restart(nodes)
        self.mesh.wait_members(3)
        nodes[0].wait_until(
            "the register answers", lambda: "value" in ask(nodes[0], "register", {"read": True}))
        self.assertEqual(ask(nodes[0], "register", {"read": True}), {"value": 3, "swapped": False})
        for left in ({"turn": 1}, {"turn": 2}, None):
            self.assertEqual(ask(nodes[2], "queue", {"pop": True}), {"value": left})
        refused = nodes[0].request("POST", "/v1/call/meshnode/register/a", '{"cas":[1]}')
        self.assertEqual((refused.status, refused.json["error"]["accepted"]), (400, "yes"), refused.body)

    def test_messages_of_a_mesh_of_two_wait_while_one_is_away(self):
        alpha, beta = self.with_noter(self.two())
        self.mesh.wait_replicas()
        # Accepted, and not yet processed: the first message holds its actor.
        accepted, paths = [], [f"/note/{number}" for number in range(6)]
        for body in ('"hold"', '"after"', '"last"'):
            for path in paths:
                reply = alpha.request("POST", f"/v1/send{path}", body)
                self.assertEqual(reply.status, 202, reply.body)
                accepted.append(reply.json["id"])
        beta.kill()
        # Without a majority nothing is acknowledged, and it is said so.
        refused = alpha.request("POST", "/v1/send/note/0", '"late"', {"Meshnode-Deadline-Ms": "1000"})
        self.assertIn(refused.status, (503, 504), refused.body)
        self.assertNotEqual(refused.json["error"]["accepted"], "yes")
        self.let_go()
        beta.start()
        alpha.wait_until(
            "all accepted messages are processed",
            lambda: set(accepted) <= {identifier for _, identifier, _ in self.notes()})
        for path in paths:
            bodies = [body for note, _, body in self.notes() if note == path and body != "late"]
            self.assertEqual(sorted(set(bodies), key=bodies.index), ["hold", "after", "last"])

    def test_an_actor_of_ours_answers_fails_dies_and_hangs(self):
        alpha, beta, _ = self.with_noter(timeout="6s")
        headers = {"Meshnode-Deadline-Ms": "100000"}
        call = lambda body: beta.request("POST", "/v1/call/note/a", json.dumps(body), headers)
        self.assertEqual(call("hello").json, {"echo": "hello", "path": "/note/a"})
        failed = call("fail")
        self.assertEqual((failed.status, failed.json["error"]["code"]), (502, "handler_failed"), failed.body)
        self.assertIn("no idea", failed.json["error"]["message"])
        self.assertEqual(call("die").json["echo"], "die")
        self.assertEqual(call("hang").json["echo"], "hang")
        self.assertEqual(call("again").json["echo"], "again")
        logs = "".join(node.log.read_text() for node in self.mesh.nodes)
        self.assertIn("a line for the log", logs)

    def test_messages_of_one_sender_keep_their_order(self):
        nodes = self.with_noter()
        for number in range(60):
            self.assertEqual(nodes[0].request("POST", "/v1/send/note/order", json.dumps(number)).status, 202)
        bodies = lambda: [body for path, _, body in self.notes() if path == "/note/order"]
        nodes[0].wait_until("all are processed", lambda: len(bodies()) >= 60)
        self.assertEqual(bodies(), list(range(60)))

    def test_a_full_mailbox_pushes_back(self):
        alpha = self.mesh.create("alpha", environment={"NOTES": str(self.mesh.folder / "notes")})
        program = self.mesh.folder / "noter.py"
        program.write_text(NOTER)
        file = self.mesh.folder / "small.yaml"
        file.write_text(
            "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {name: small}\nspec:\n  path: /small/{key}\n"
            f"  handler:\n    exec: {{command: [{sys.executable}, {program}], timeout: 60s}}\n"
            "  mailbox: {limit: 5}\n")
        self.succeed(alpha.command("apply", "-f", file))
        replies = [alpha.request("POST", "/v1/send/small/a", '"hang"') for _ in range(8)]
        self.assertEqual([reply.status for reply in replies[:5]], [202] * 5)
        self.assertEqual(replies[-1].status, 429)
        self.assertIn("Retry-After", replies[-1].headers)
        self.assertEqual(replies[-1].json["error"]["accepted"], "no")

    def test_errors_of_the_api(self):
        alpha = self.mesh.create("alpha")
        for method, path, body, headers, status in (
            ("GET", "/v1/nothing", None, {}, 404),
            ("POST", "/v1/send/no/such/actor", "{}", {}, 404),
            ("POST", "/v1/send/meshnode/nothing/x", "{}", {}, 404),
            ("POST", "/v1/send/" + "a" * 200, "{}", {}, 400),
            ("POST", "/v1/send/a//b", "{}", {}, 400),
            ("POST", "/v1/call/meshnode/counter/x", "not json", {}, 400),
            ("POST", "/v1/call/meshnode/counter/x", '{"add":"many"}', {}, 400),
            ("POST", "/v1/send/meshnode/echo/x", "{}", {"Meshnode-Delivery": "pigeon"}, 400),
            ("POST", "/v1/send/meshnode/echo/x", "{}", {"Meshnode-Deadline-Ms": "-5"}, 400),
            ("POST", "/v1/send/meshnode/echo/x", "x" * (1 << 20) + "x", {}, 413),
        ):
            with self.subTest(path=path[:60], headers=headers):
                reply = alpha.request(method, path, body, headers)
                self.assertEqual(reply.status, status, reply.body)
                error = reply.json["error"]
                self.assertEqual(set(error), {"code", "message", "hint", "accepted"})
                # What an actor refuses was accepted before: it is in its mailbox, and done with.
                self.assertEqual(error["accepted"], "yes" if "/counter/" in path else "no")
        self.assertEqual(alpha.request("GET", "/healthz").status, 200)
        self.assertEqual(alpha.request("GET", "/readyz").status, 200)

    def test_a_deadline_passes(self):
        alpha = self.with_noter()[0]
        reply = alpha.request("POST", "/v1/call/note/slow", '"hang"', {"Meshnode-Deadline-Ms": "300"})
        self.assertEqual((reply.status, reply.json["error"]["code"]), (504, "deadline_exceeded"), reply.body)
        self.assertNotEqual(reply.json["error"]["accepted"], "no")

    def test_an_acknowledged_message_outlives_the_patience_of_its_sender(self):
        alpha = self.with_noter()[0]
        self.assertEqual(alpha.request("POST", "/v1/send/note/busy", '"hold"').status, 202)
        patience = 5
        sent = self.succeed(alpha.command("send", "/note/busy", "--data", '"after"', "--timeout", f"{patience}s"))
        # The first message holds the actor for longer than the sender of the second would have waited.
        time.sleep(patience)
        self.let_go()
        alpha.wait_until(
            "the second message is processed",
            lambda: sent.stdout.strip() in {identifier for _, identifier, _ in self.notes()})

    def test_exit_statuses_of_the_cli(self):
        alpha = self.mesh.create("alpha")
        ok = self.succeed(alpha.command("call", "/meshnode/echo/x", "--data", '{"a":1}'))
        self.assertEqual(json.loads(ok.stdout), {"a": 1})
        from_input = self.succeed(alpha.command("call", "/meshnode/echo/x", "--file", "-", input='"from stdin"'))
        self.assertEqual(json.loads(from_input.stdout), "from stdin")
        self.refuse(alpha.command("call", "/meshnode/counter/x", "--data", "[]"), 1)
        self.refuse(alpha.command("call"), 2)
        self.refuse(alpha.command("frobnicate"), 2)
        self.refuse(alpha.command("send", "/no/such/actor", "--data", "{}"), 4)
        alpha.stop()
        self.refuse(alpha.command("status"), 3)

    def test_the_example_counts_words(self):
        self.mesh.workdir = ROOT / "cluster" / "examples" / "wordcount"
        alpha = self.mesh.create("alpha")
        self.succeed(alpha.command("apply", "-f", "wordcount.yaml"))
        reply = self.succeed(alpha.command("call", "/text/wordcount/ishmael", "--data", '{"text":"Call me Ishmael"}'))
        self.assertEqual(json.loads(reply.stdout), {"words": 3, "total": 3})
