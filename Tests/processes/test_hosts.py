"""Actors that require something of their host: they run where it is, their state goes with them, and nothing happens twice."""
import json
import signal
import sys
import threading
import unittest

from support import PATIENCE, MeshCase, wait_until

# Counts in the state that the mesh keeps for it, and says where it ran. It writes down each turn before it begins, so that one
# that was run twice shows; `hold` waits until its file is gone.
COUNTER = r"""
import json, os, sys, time
for line in sys.stdin:
    message = json.loads(line)
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps([message["id"], os.environ["NODE"]]) + "\n")
    while message["body"] == "hold" and os.path.exists(os.environ["NOTES"] + ".hold"):
        time.sleep(0.02)
    count = message.get("state", {"count": 0})["count"] + 1
    reply = {"count": count, "node": os.environ["NODE"]}
    print(json.dumps({"id": message["id"], "reply": reply, "state": {"count": count}}), flush=True)
"""


class Hosts(MeshCase):
    def setUp(self):
        super().setUp()
        self.notes = self.mesh.folder / "notes"
        self.hold = self.mesh.folder / "notes.hold"
        self.program = self.mesh.folder / "counter.py"
        self.program.write_text(COUNTER)

    def environment(self, name):
        return {"NOTES": str(self.notes), "NODE": name}

    def join(self, name, *flags):
        return self.mesh.join(name, *flags, environment=self.environment(name))

    def three(self, **flags):
        """alpha, beta and gamma, each with its flags, once every partition has its three voters."""
        nodes = [self.mesh.create("alpha", *flags.get("alpha", ()), environment=self.environment("alpha"))]
        nodes += [self.join(name, *flags.get(name, ())) for name in ("beta", "gamma")]
        self.mesh.wait_members(3)

        def spread():
            view = nodes[0].request("GET", "/v1/partitions").json
            return not view["missing"] and all(
                sorted(replica["role"] for replica in partition["replicas"]) == ["leader", "voter", "voter"]
                for partition in view["partitions"])

        nodes[0].wait_until("every partition has its three voters", spread)
        return nodes

    def define(self, nodes, requires='label("gpu") == "yes"'):
        file = self.mesh.folder / "counter.yaml"
        file.write_text(f"""
apiVersion: meshnode/v1
kind: Actor
metadata: {{name: counter}}
spec:
  path: /gpu/{{key}}
  requires: {requires}
  handler:
    exec: {{command: {json.dumps([sys.executable, str(self.program)])}, timeout: 60s}}
""")
        self.succeed(nodes[0].command("apply", "-f", file))
        for node in nodes:
            known = lambda node=node: node.request("GET", "/v1/definitions").json["definitions"]
            node.wait_until(f"{node.name} has the definition", known)

    def call(self, node, key, body='"count"', deadline=PATIENCE):
        headers = {"Meshnode-Deadline-Ms": str(int(deadline * 1000))}
        return node.request("POST", f"/v1/call/gpu/{key}", body, headers, timeout=deadline + 10)

    def count(self, node, key):
        reply = self.call(node, key)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["count"], reply.json["node"]

    def explain(self, node, key):
        reply = node.request("GET", f"/v1/explain/gpu/{key}")
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def named(self, name):
        return next(node for node in self.mesh.nodes if node.name == name)

    def test_an_actor_that_requires_a_gpu_moves_to_the_other_node_with_one_and_to_no_other(self):
        alpha, beta, gamma = self.three(beta=("--tag", "gpu=yes"), gamma=("--tag", "gpu=yes"))
        self.define([alpha, beta, gamma])
        first, host = self.count(alpha, "a")
        self.assertEqual(first, 1)
        self.assertIn(host, ("beta", "gamma"))
        replies, errors, stopped = [], [], threading.Event()

        def load():
            try:
                while not stopped.is_set():
                    replies.append(self.count(alpha, "a"))
            except BaseException as error:  # told in the main thread
                errors.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        self.addCleanup(stopped.set)

        def wait_more(where, calls=20):
            def done():
                if errors:
                    raise errors[0]
                return sum(node == where for _, node in replies[start:]) >= calls

            start = len(replies)
            wait_until(f"{calls} more calls are answered by {where}", done)

        wait_more(host)
        other = "gamma" if host == "beta" else "beta"
        self.named(host).kill()
        wait_more(other)
        told = self.explain(alpha, "a")
        self.assertEqual(told["host"], other)
        found = {candidate["node"]: candidate for candidate in told["candidates"]}
        self.assertEqual(found["alpha"]["finding"], "lacks")
        self.assertIn("gpu", found["alpha"]["reason"])
        self.assertEqual((found[host]["finding"], found[other]["finding"]), ("barred", "fits"))
        self.assertEqual({part["criterion"] for part in found[other]["parts"]}, {"load", "round trip", "zone"})
        text = self.succeed(alpha.command("explain", "/gpu/a")).stdout
        self.assertIn(f"runs at     {other}", text)
        self.assertIn("CANDIDATE", text)
        # It is back, and the other hangs: what that one still does when it goes on comes to nothing.
        self.named(host).start()
        self.mesh.wait_members(3)
        self.named(other).process.send_signal(signal.SIGSTOP)
        try:
            wait_more(host)
        finally:
            self.named(other).process.send_signal(signal.SIGCONT)
        wait_more(host)
        stopped.set()
        thread.join(2 * PATIENCE)
        self.assertEqual(errors, [])
        # Each was answered with the next number: no turn was lost, and none counted twice.
        self.assertEqual([count for count, _ in replies], list(range(2, len(replies) + 2)))
        self.assertEqual({node for _, node in replies}, {"beta", "gamma"})
        ran = {json.loads(line)[1] for line in self.notes.read_text().splitlines()}
        self.assertEqual(ran, {"beta", "gamma"}, "nothing ran on alpha")

    def test_nobody_qualifies_and_the_actor_waits_for_somebody_who_does(self):
        nodes = self.three()
        alpha, beta, _ = nodes
        self.define(nodes)
        refused = self.call(alpha, "a", deadline=2)
        self.assertEqual(refused.status, 504, refused.body)
        error = refused.json["error"]
        self.assertIn("no member qualifies", error["message"])
        for name in ("alpha", "beta", "gamma"):
            self.assertIn(f'{name}: label("gpu") is not advertised', error["message"])
        sent = beta.request("POST", "/v1/send/gpu/b", '"count"', timeout=60)
        self.assertEqual(sent.status, 202, sent.body)
        obstacle = lambda: self.explain(alpha, "b").get("obstacle")
        self.assertIn("no member qualifies", alpha.wait_until("it is told why the actor waits", obstacle))
        delta = self.join("delta", "--tag", "gpu=yes")
        ran = lambda: self.notes.exists() and sent.json["id"] in self.notes.read_text()
        delta.wait_until("the message is processed where it can be", ran)
        self.assertEqual(self.count(alpha, "b"), (2, "delta"))

    def test_a_turn_goes_on_while_the_leader_of_its_actor_dies(self):
        nodes = self.three(beta=("--tag", "gpu=yes"))
        alpha, beta, gamma = nodes
        self.define(nodes)
        # One that is not led where it runs.
        led = {key: self.explain(beta, key).get("leader") for key in map(str, range(40))}
        key = next(key for key, leader in led.items() if leader in ("alpha", "gamma"))
        leader = self.named(self.explain(beta, key)["leader"])
        self.assertEqual(self.count(beta, key), (1, "beta"))
        self.hold.touch()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.call(beta, key, '"hold"')))
        thread.start()
        turns = lambda: len(self.notes.read_text().splitlines())
        beta.wait_until("the turn has begun", lambda: turns() == 2)
        leader.kill()

        def found():
            told = self.explain(beta, key)
            return told.get("leader") not in (None, leader.name) and told.get("host")

        self.assertEqual(beta.wait_until("the next leader has found the host", found), "beta")
        self.hold.unlink()
        thread.join(2 * PATIENCE)
        self.assertEqual((answers[0].status, answers[0].json), (200, {"count": 2, "node": "beta"}), answers[0].body)
        self.assertEqual(turns(), 2, "the turn was run once")
        self.assertEqual(self.count(beta, key), (3, "beta"))


if __name__ == "__main__":
    unittest.main()
