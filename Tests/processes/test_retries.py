"""Retry rules of a definition, on real daemons and a real program."""
import json
import sys
import unittest

from support import MeshCase

# Fails as the message says: {"fail": TYPE, "times": N} fails so often, then is answered with the number of attempts.
FLAKY = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["ATTEMPTS"])
for line in sys.stdin:
    message = json.loads(line)
    file = folder / message["id"]
    attempt = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(attempt))
    with open(folder / "times", "a") as times:
        print(message["id"], time.monotonic(), file=times)
    body = message["body"]
    if attempt <= body["times"]:
        if body["fail"] == "crash":
            os._exit(1)
        if body["fail"] == "hang":
            time.sleep(600)
        answer = {"error": {"code": body["fail"], "message": f"attempt {attempt}"}}
    else:
        answer = {"reply": {"attempt": attempt}}
    print(json.dumps({"id": message["id"], **answer}), flush=True)
"""

DEFINITION = """apiVersion: meshnode/v1
kind: Actor
metadata: {name: flaky}
spec:
  path: /flaky/{key}
  handler:
    exec: {command: [%s, %s], timeout: 6s}
  retry:
    - {errors: [busy], backoff: linear, first: 100ms, max: 300ms, attempts: 4}
    - {errors: [timeout], backoff: constant, first: 10ms, attempts: 2}
    - {errors: [bad_input], backoff: never}
"""


class Retries(MeshCase):
    def setUp(self):
        super().setUp()
        self.attempts = self.mesh.folder / "attempts"
        self.attempts.mkdir()
        program = self.mesh.folder / "flaky.py"
        program.write_text(FLAKY)
        self.file = self.mesh.folder / "flaky.yaml"
        self.file.write_text(DEFINITION % (sys.executable, program))
        environment = {"ATTEMPTS": str(self.attempts)}
        self.alpha = self.mesh.create("alpha", environment=environment)
        self.beta = self.mesh.join("beta", environment=environment)
        self.mesh.wait_members(2)
        self.succeed(self.alpha.command("apply", "-f", self.file))
        spread = lambda: self.beta.request("GET", "/v1/definitions").json["definitions"]
        self.beta.wait_until("beta has the definition", spread)

    def call(self, failure, times, key="a"):
        body = json.dumps({"fail": failure, "times": times})
        return self.beta.request("POST", f"/v1/call/flaky/{key}", body, {"Meshnode-Deadline-Ms": "100000"})

    def test_the_rules_of_a_definition_decide(self):
        # The rules hold wherever the actor lives: each key has its owner.
        for key in range(4):
            with self.subTest(key=key):
                self.assertEqual(self.call("busy", 3, key).json, {"attempt": 4})
                exhausted = self.call("busy", 9, key)
                self.assertEqual(exhausted.status, 502, exhausted.body)
                error = exhausted.json["error"]
                self.assertIn("busy: attempt 4", error["message"])
                self.assertIn("tried 4 times", error["hint"])
                self.assertEqual(error["accepted"], "yes")
        self.assertIn("tried 1 times", self.call("bad_input", 1).json["error"]["hint"])
        answered = self.call("no_such_document", 1).json["error"]
        self.assertIn("no_such_document: attempt 1", answered["message"])
        self.assertNotIn("dead letter", answered["hint"])
        self.assertIn("tried 2 times", self.call("hang", 9).json["error"]["hint"])
        # No rule names a crash: the standard one holds.
        self.assertEqual(self.call("crash", 2).json, {"attempt": 3})

    def test_waits_are_as_long_as_the_rule_says(self):
        reply = self.call("busy", 3)
        self.assertEqual(reply.json, {"attempt": 4})
        times = [float(line.split()[1]) for line in (self.attempts / "times").read_text().splitlines()]
        for (before, after), wait in zip(zip(times, times[1:]), (0.1, 0.2, 0.3)):
            self.assertGreaterEqual(after - before, wait - 0.01)

    def test_a_mistake_in_a_rule_is_named(self):
        self.file.write_text(self.file.read_text().replace("first: 100ms", "fist: 100ms"))
        self.refuse(
            self.alpha.command("apply", "-f", self.file), 1, "line 9", "a rule of retry has no field 'fist'",
            "did you mean 'first'?")


if __name__ == "__main__":
    unittest.main()
