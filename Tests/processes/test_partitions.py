"""Replicated partitions on real daemons: three copies, leaders killed under load, and what people are shown of it."""
import json
import socket
import sys
import threading
import unittest

from support import PATIENCE, MeshCase, wait_until

PARTITIONS = 256

# Writes down what it was given, and answers. `hold` waits until its file is gone.
NOTER = r"""
import json, os, sys, time
for line in sys.stdin:
    message = json.loads(line)
    body = message["body"]
    while body == "hold" and os.path.exists(os.environ["NOTES"] + ".hold"):
        time.sleep(0.02)
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps([message["path"], message["id"], body]) + "\n")
    print(json.dumps({"id": message["id"], "reply": body}), flush=True)
"""


class Load:
    """Threads that count, each with a counter of its own: its next answer is known, whatever happens to the mesh.

    Every second call has an idempotency key and is made twice: the second must say what the first said.
    """

    def __init__(self, nodes, threads=4, name="w"):
        self.nodes, self.name = nodes, name
        self.stopped = threading.Event()
        self.counts = [0] * threads
        self.errors = []
        self.threads = [threading.Thread(target=self.guarded, args=(number,)) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def guarded(self, number):
        try:
            while not self.stopped.is_set():
                self.count(number)
        except Exception as error:  # told by `check`, in the main thread
            self.errors.append(f"counter {self.name}{number} after {self.counts[number]}: {error!r}")

    def count(self, number):
        node = self.nodes[number % len(self.nodes)]
        wanted = self.counts[number] + 1
        key = {"Idempotency-Key": f"{self.name}{number}-{wanted}"} if wanted % 2 else {}
        headers = {"Meshnode-Deadline-Ms": str(PATIENCE * 1000), **key}
        for _ in range(2 if key else 1):
            reply = node.request(
                "POST", f"/v1/call/meshnode/counter/{self.name}{number}", '{"add":1}', headers, timeout=PATIENCE + 10)
            if (reply.status, reply.body) != (200, b'{"value":%d}' % wanted):
                raise AssertionError(f"{node.name} answers {reply.status} {reply.body!r}, and not {wanted}")
        self.counts[number] = wanted

    def check(self):
        if self.errors:
            raise AssertionError("; ".join(self.errors))

    def wait_more(self, calls):
        """Every counter goes on by so many."""
        wanted = [count + calls for count in self.counts]

        def done():
            self.check()
            return all(count >= goal for count, goal in zip(self.counts, wanted))

        wait_until(f"each counter goes on by {calls} from {self.counts}", done)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(2 * PATIENCE)
        self.check()
        return self.counts


class PartitionCase(MeshCase):
    def setUp(self):
        super().setUp()
        self.environment = {"NOTES": str(self.mesh.folder / "notes")}

    def three(self):
        nodes = [self.mesh.create("alpha", environment=self.environment)]
        nodes += [self.mesh.join(name, environment=self.environment) for name in ("beta", "gamma")]
        self.mesh.wait_members(3)
        self.mesh.wait_replicas(nodes)
        return nodes

    def partitions(self, node):
        reply = node.request("GET", "/v1/partitions")
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def leader(self, node, path):
        """The node that leads a path's partition, as `node` knows."""
        named = lambda: node.request("GET", f"/v1/explain{path}").json["leader"]
        name = node.wait_until(f"{node.name} knows who leads {path}", named)
        return next(each for each in self.mesh.nodes if each.name == name)

    def add(self, node, key, amount=1, headers=None):
        headers = {"Meshnode-Deadline-Ms": str(PATIENCE * 1000), **(headers or {})}
        body = '{"add":%d}' % amount
        reply = node.request("POST", f"/v1/call/meshnode/counter/{key}", body, headers, timeout=PATIENCE + 10)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json["value"]


class Partitions(PartitionCase):
    def test_three_nodes_hold_three_copies_of_everything_and_say_so(self):
        nodes = self.three()
        for node in nodes:
            view = self.partitions(node)
            self.assertEqual([each["partition"] for each in view["partitions"]], list(range(PARTITIONS)))
            node.wait_until(f"{node.name} warns of nothing", lambda: not node.status()["node"]["warnings"])
        table = self.succeed(nodes[1].command("partitions")).stdout.splitlines()
        self.assertEqual(len(table), PARTITIONS + 1, table[:3])
        self.assertEqual(len(self.succeed(nodes[1].command("partitions", "--lacking")).stdout.splitlines()), 1)
        for turn, node in enumerate(nodes, 1):
            self.assertEqual(self.add(node, "shared"), turn)
        explained = json.loads(self.succeed(nodes[2].command("explain", "/meshnode/counter/shared", "-o", "json")).stdout)
        leader = self.leader(nodes[2], "/meshnode/counter/shared")
        self.assertEqual(explained["leader"], leader.name)
        self.assertEqual(explained["host"], leader.name)
        self.assertEqual(set(explained["wanted"]), {"alpha", "beta", "gamma"})
        placed = self.partitions(nodes[0])["partitions"][explained["partition"]]
        self.assertIn({"node": leader.name, "role": "leader"}, [
            {key: replica[key] for key in ("node", "role")} for replica in placed["replicas"]])
        listed = nodes[0].request("GET", "/v1/actors?prefix=/meshnode/counter/").json["actors"]
        self.assertEqual([(actor["path"], actor["node"]) for actor in listed], [("/meshnode/counter/shared", leader.name)])
        compared = self.succeed(nodes[0].command("partitions", "--verify")).stdout.splitlines()
        self.assertEqual(compared, [f"{PARTITIONS} partitions, {3 * PARTITIONS} replicas: {PARTITIONS} equal, 0 moving, 0 different"])
        for node in nodes:
            self.refuse(node.command("init"), 1, "founded already")
            self.refuse(node.command("init", "--force"), 1, "founded already")

    def test_counters_go_on_exactly_once_while_a_leader_is_killed_and_all_are_restarted(self):
        nodes = self.three()
        self.assertEqual(self.add(nodes[0], "w0", 0), 0)
        victim = self.leader(nodes[0], "/meshnode/counter/w0")
        survivors = [node for node in nodes if node is not victim]
        load = Load(survivors)
        self.addCleanup(load.stopped.set)
        load.wait_more(20)
        victim.kill()
        load.wait_more(20)
        self.assertIn(self.leader(survivors[0], "/meshnode/counter/w0"), survivors)
        victim.start()
        self.mesh.wait_replicas(nodes)
        load.wait_more(20)
        counts = load.stop()
        for node in nodes:
            self.assertEqual([self.add(node, f"w{number}", 0) for number in range(len(counts))], counts)
        self.mesh.restart(nodes)
        for node in nodes:
            self.assertEqual([self.add(node, f"w{number}", 0) for number in range(len(counts))], counts)
        # What was a repetition before is one still.
        first = {"Idempotency-Key": "w0-1"}
        self.assertEqual(self.add(nodes[1], "w0", 1, first), 1)
        self.assertEqual(self.add(nodes[1], "w0", 0), counts[0])

    def test_a_leader_that_leaves_fails_no_call(self):
        nodes = self.three()
        self.assertEqual(self.add(nodes[0], "w0", 0), 0)
        leaving = self.leader(nodes[0], "/meshnode/counter/w0")
        load = Load([node for node in nodes if node is not leaving])
        self.addCleanup(load.stopped.set)
        load.wait_more(10)
        self.assertEqual(leaving.stop(), 0)
        load.wait_more(10)
        counts = load.stop()
        self.assertEqual([self.add(load.nodes[0], f"w{number}", 0) for number in range(len(counts))], counts)

    def test_messages_that_a_killed_node_accepted_are_processed_without_it(self):
        nodes = self.three()
        program = self.mesh.folder / "noter.py"
        program.write_text(NOTER)
        notes = self.mesh.folder / "notes"
        hold = self.mesh.folder / "notes.hold"
        self.apply(nodes[0], "noter", "/note/{key}", [sys.executable, str(program)], timeout="60s")
        for node in nodes:
            spread = lambda node=node: node.request("GET", "/v1/definitions").json["definitions"]
            node.wait_until(f"{node.name} has the definition", spread)
        hold.touch()
        accepted = []
        for number in range(12):
            for body in ("hold", "after"):
                reply = nodes[number % 3].request("POST", f"/v1/send/note/{number}", json.dumps(body), timeout=60)
                self.assertEqual(reply.status, 202, reply.body)
                accepted.append(reply.json["id"])
        victim = self.leader(nodes[0], "/note/0")
        victim.kill()
        hold.unlink()

        def lines():
            whole = notes.read_text().split("\n")[:-1] if notes.exists() else []
            return [json.loads(line) for line in whole]

        survivor = next(node for node in nodes if node is not victim)
        survivor.wait_until(
            "all accepted messages are processed", lambda: set(accepted) <= {line[1] for line in lines()})
        for number in range(12):
            bodies = [body for path, _, body in lines() if path == f"/note/{number}"]
            self.assertEqual(sorted(set(bodies), key=bodies.index), ["hold", "after"])

    def test_a_node_that_joins_reaches_every_actor_at_once(self):
        self.three()
        delta = self.mesh.join("delta", environment=self.environment)
        for number in range(40):
            self.assertEqual(self.add(delta, f"d{number}"), 1)

    def test_a_node_alone_keeps_what_it_was_told_and_warns_of_one_copy(self):
        alpha = self.mesh.create("alpha", environment=self.environment)
        self.assertEqual(self.add(alpha, "a"), 1)
        self.assertIs(self.leader(alpha, "/meshnode/counter/a"), alpha)
        warned = lambda: any("fewer than 3 replicas" in warning for warning in alpha.status()["node"]["warnings"])
        alpha.wait_until("it warns", warned)
        self.assertEqual(alpha.stop(), 0)
        alpha.start()
        self.assertEqual(self.add(alpha, "a"), 2)
        alpha.kill()
        alpha.start()
        self.assertEqual(self.add(alpha, "a"), 3)


class Equals(PartitionCase):
    """Nodes that are given a new token and each other's addresses."""

    def equals(self, count, *token):
        self.mesh.token_file.touch(0o600)
        self.mesh.token_file.write_text(self.succeed(self.mesh.command("token", "--new", *token)).stdout)
        # Each must know the others' addresses before any of them runs.
        reserved = [socket.create_server((self.mesh.address, 0)) for _ in range(count)]
        addresses = ["%s:%d" % each.getsockname() for each in reserved]
        for each in reserved:
            each.close()
        flags = ["--token-file", str(self.mesh.token_file), "--join", ",".join(addresses)]
        return [
            self.mesh.node(f"node{number}", *flags, "--bind", address, environment=self.environment)
            for number, address in enumerate(addresses)]

    def warned(self, node, *parts):
        """Its status warns of something that says all this."""
        return any(all(part in warning for part in parts) for warning in node.status()["node"]["warnings"])

    def begin(self, nodes):
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            node.wait_ready()
        self.mesh.wait_members(len(nodes))

    def test_as_many_as_the_token_names_begin_by_themselves(self):
        nodes = self.equals(3, "--nodes", "3")
        first, second, third = nodes
        for node in (first, second):
            node.start(wait=False)
        for node in (first, second):
            node.wait_ready()
            node.wait_until("it waits for the third", lambda: self.warned(node, "3 nodes", "sees 2"))
        refused = first.request(
            "POST", "/v1/call/meshnode/counter/a", '{"add":1}', {"Meshnode-Deadline-Ms": "500"})
        self.assertEqual((refused.status, refused.json["error"]["accepted"]), (504, "no"), refused.body)
        self.assertIn("the mesh begins when 3 nodes are here", refused.json["error"]["message"])
        third.start()
        self.mesh.wait_replicas(nodes)
        for turn, node in enumerate(nodes, 1):
            self.assertEqual(self.add(node, "a"), turn)
        for node in nodes:
            self.refuse(node.command("init"), 1, "founded already")

    def test_without_a_number_they_wait_for_one_word_of_an_operator(self):
        nodes = self.equals(3)
        self.begin(nodes)
        for node in nodes:
            node.wait_until("it says what it waits for", lambda: self.warned(node, "meshnode init"))
        nodes[2].kill()
        nodes[1].wait_until("node2 is dead", lambda: nodes[1].state_of("node2") == "dead")
        # It may have been the one that began the mesh.
        self.refuse(nodes[1].command("init"), 1, "node2", "cannot be asked", "--force")
        nodes[2].start()
        self.mesh.wait_members(3)
        self.succeed(nodes[1].command("init"))
        self.mesh.wait_replicas(nodes)
        for turn, node in enumerate(nodes, 1):
            self.assertEqual(self.add(node, "a"), turn)
            self.refuse(node.command("init"), 1, "founded already")

    def test_a_number_that_makes_no_mesh_is_refused(self):
        self.refuse(self.mesh.command("token", "--new", "--nodes", "1"), 2, "--nodes is 1")
        self.refuse(self.mesh.command("token", "--nodes", "3"), 2, "--new")


if __name__ == "__main__":
    unittest.main()
