"""Keys are rotated while the mesh works, while members are away, and while they restart."""
import json
import signal
import threading

from support import MeshCase, wait_until
from test_paths import WireCase


class Load:
    """Calls an echo at every node, one after the other per node, until it is stopped; keeps what went wrong."""

    def __init__(self, nodes):
        self.failures, self.calls, self.over = [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(node,)) for node in nodes]
        for thread in self.threads:
            thread.start()

    def run(self, node):
        number = 0
        while not self.over.is_set():
            number += 1
            try:
                reply = node.request("POST", f"/v1/call/meshnode/echo/{number % 64}", json.dumps(number))
                if (reply.status, reply.body) != (200, str(number).encode()):
                    self.failures.append((node.name, reply.status, reply.body))
            except Exception as error:  # a broken connection is a failed call as well
                self.failures.append((node.name, repr(error)))
            self.calls += 1

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Keys(MeshCase):
    def keys(self, node):
        return json.loads(self.succeed(node.command("keys", "list", "--format", "json")).stdout)

    def install(self, node):
        return json.loads(self.succeed(node.command("keys", "install", "--format", "json")).stdout)["key"]

    def of(self, view, name):
        return next(member for member in view["members"] if member["name"] == name)

    def three(self, *flags):
        nodes = [self.mesh.create("alpha", *flags), self.mesh.join("beta", *flags), self.mesh.join("gamma", *flags)]
        self.mesh.wait_members(3)
        return nodes

    def has_primary(self, node, key):
        return lambda: self.keys(node)["keys"][0]["id"] == key and self.keys(node)["is_agreed"]

    def test_a_rotation_under_load_fails_no_call(self):
        alpha, beta, gamma = self.three()
        old = self.keys(alpha)["keys"][0]["id"]
        load = Load([alpha, beta, gamma])
        try:
            wait_until("calls are made", lambda: load.calls > 30)
            new = self.install(alpha)
            self.assertEqual(self.install(beta), new, "an install that was begun is gone on with")
            calls = load.calls
            self.refuse(gamma.command("keys", "remove", old), 1, "primary", "use another")
            used = self.succeed(beta.command("keys", "use", new))
            for name in ("alpha", "beta", "gamma"):
                self.assertIn(f"{name}: {new} in use", used.stdout)
            self.succeed(gamma.command("keys", "remove", old))
            wait_until("calls go on", lambda: load.calls > calls + 30)
        finally:
            load.stop()
        self.assertEqual(load.failures, [])
        for node in (alpha, beta, gamma):
            view = self.keys(node)
            self.assertTrue(view["is_agreed"], view)
            self.assertEqual([key["id"] for key in view["keys"]], [new])
            self.assertEqual(node.status()["mesh"]["members"]["alive"], 3)
            self.assertEqual((node.data / "keyring").stat().st_mode & 0o777, 0o600)
        # The old token is void, and says so; the new one lets in.
        refused = self.refused_start("--join", alpha.address, "--token-file", self.mesh.token_file)
        self.refuse(refused, 1, "rotated out", "meshnode token")
        tokens = {self.succeed(node.command("token")).stdout for node in (alpha, beta, gamma)}
        self.assertEqual(len(tokens), 1)
        self.mesh.token_file.write_text(tokens.pop())
        self.mesh.join("delta")
        self.mesh.wait_members(4)

    def test_a_member_that_is_away_keeps_its_key_valid_and_catches_up(self):
        alpha, beta, gamma = self.three("--profile", "local")
        old = self.keys(alpha)["keys"][0]["id"]
        gamma.process.send_signal(signal.SIGSTOP)
        # It still counts as alive: the command waits for it, until it is dead.
        new = self.install(alpha)
        for node in (alpha, beta):
            node.wait_until("gamma is dead", lambda node=node: node.state_of("gamma") == "dead")
        used = self.succeed(alpha.command("keys", "use", new))
        self.assertIn("gamma (dead)", used.stdout)
        self.refuse(alpha.command("keys", "remove", old), 1, "gamma (away)", "--force")
        gamma.process.send_signal(signal.SIGCONT)
        self.mesh.wait_members(3)
        alpha.wait_until("gamma has the new key", lambda: self.of(self.keys(alpha), "gamma")["primary"] == new)
        self.succeed(alpha.command("keys", "remove", old))
        self.assertEqual([key["id"] for key in self.keys(gamma)["keys"]], [new])

    def test_a_node_that_restarts_in_the_middle_goes_on_with_what_it_had(self):
        alpha, beta, gamma = self.three()
        old = self.keys(alpha)["keys"][0]["id"]
        new = self.install(alpha)
        beta.kill()
        beta.start()
        self.assertEqual({key["id"] for key in self.keys(beta)["keys"]}, {old, new})
        self.mesh.wait_members(3)
        gamma.kill()
        alpha.wait_until("gamma is dead", lambda: alpha.state_of("gamma") == "dead")
        self.succeed(alpha.command("keys", "use", new))
        # It was away for the use only: it has the new key, so the old one may go.
        self.succeed(beta.command("keys", "remove", old))
        gamma.start()
        gamma.wait_until("gamma has followed", self.has_primary(gamma, new))
        self.assertEqual([key["id"] for key in self.keys(gamma)["keys"]], [new])
        self.mesh.wait_members(3)

    def test_a_member_that_was_shut_out_by_force_comes_back_with_a_new_token(self):
        alpha, beta, gamma = self.three()
        old = self.keys(alpha)["keys"][0]["id"]
        gamma.kill()
        alpha.wait_until("gamma is dead", lambda: alpha.state_of("gamma") == "dead")
        new = self.install(alpha)
        self.succeed(alpha.command("keys", "use", new))
        self.succeed(alpha.command("keys", "remove", old, "--force"))
        gamma.start()
        gamma.wait_until("it says why it is alone", lambda: "rotated out" in gamma.log.read_text())
        gamma.wait_until("status says so", lambda: "SIGHUP" in " ".join(gamma.status()["node"]["warnings"]))
        token = self.succeed(alpha.command("token")).stdout
        (gamma.data / "mesh.token").write_text(token)
        gamma.process.send_signal(signal.SIGHUP)
        gamma.wait_until("gamma has the new key", self.has_primary(gamma, new))
        self.mesh.wait_members(3)
        self.assertEqual([key["id"] for key in self.keys(gamma)["keys"]], [new])

    def test_a_keyring_that_is_missing_or_damaged(self):
        alpha = self.mesh.create("alpha")
        new = self.install(alpha)
        self.succeed(alpha.command("keys", "use", new))
        before = [key["id"] for key in self.keys(alpha)["keys"]]
        alpha.stop()
        # As a folder of the first version is: the token alone says enough.
        (alpha.data / "keyring").unlink()
        alpha.start()
        self.assertEqual([key["id"] for key in self.keys(alpha)["keys"]], before)
        alpha.stop()
        kept = bytearray((alpha.data / "keyring").read_bytes())
        kept[40] ^= 1
        (alpha.data / "keyring").write_bytes(kept)
        self.refuse(self.refused_start(data=alpha.data), 1, "keyring is damaged", "remove it")

    def test_mistakes_are_told(self):
        alpha = self.mesh.create("alpha")
        only = self.keys(alpha)["keys"][0]["id"]
        self.refuse(alpha.command("keys", "use", "nothere"), 4, "no key", "keys list")
        self.refuse(alpha.command("keys", "remove", only), 1, "primary")
        self.refuse(alpha.command("keys", "install", "--timeout", "soon"), 2, "soon")
        for number in range(7):
            self.succeed(alpha.command("keys", "use", self.install(alpha)))
        self.refuse(alpha.command("keys", "install"), 1, "8 keys", "remove one")
        listed = self.succeed(alpha.command("keys", "list")).stdout
        self.assertIn("primary", listed)
        # Nothing that is printed or logged holds a key: the token has them all.
        token = self.succeed(alpha.command("token")).stdout.strip()
        self.assertNotIn(token[20:60], listed + alpha.log.read_text())


class Reload(MeshCase):
    def test_tags_and_log_level_are_read_anew_and_a_mistake_changes_nothing(self):
        file = self.mesh.folder / "node.yaml"
        file.write_text("tags: {team: vision}\nlog-level: info\n")
        alpha = self.mesh.create("alpha", "--config", file)
        beta = self.mesh.join("beta")
        self.mesh.wait_members(2)
        log = lambda: alpha.log.read_text()
        tags = lambda: next(member["tags"] for member in beta.status()["members"] if member["name"] == "alpha")
        beta.wait_until("the first tags are known", lambda: tags() == {"team": "vision"})

        file.write_text("tags: {team: speech, rack: r7}\nlog-level: warning\nzone: eu-1\n")
        alpha.process.send_signal(signal.SIGHUP)
        beta.wait_until("the new tags are told", lambda: tags() == {"team": "speech", "rack": "r7"})
        file.write_text("tags: {team: vision}\nlog-level: debug\n")
        alpha.process.send_signal(signal.SIGHUP)
        alpha.wait_until("both are changed again", lambda: log().count("changed=\"tags, log-level\"") == 2)

        file.write_text("tags: {team: audio}\nlog-levle: info\n")
        alpha.process.send_signal(signal.SIGHUP)
        alpha.wait_until("the mistake is named", lambda: "nothing was reloaded" in log())
        self.assertIn("log-levle", log())
        beta.wait_until("the mistake has changed nothing", lambda: tags() == {"team": "vision"})
        file.write_text("tags: {team: vision}\nprofile: wan\nbind: 127.0.0.1:1\n")
        alpha.process.send_signal(signal.SIGHUP)
        alpha.wait_until("what needs a restart is named", lambda: "needs_restart=profile" in log())

    def test_a_token_of_another_mesh_changes_nothing(self):
        alpha = self.mesh.create("alpha")
        before = alpha.command("keys", "list").stdout
        other = self.succeed(self.mesh.command("token", "--new")).stdout
        (alpha.data / "mesh.token").write_text(other)
        alpha.process.send_signal(signal.SIGHUP)
        alpha.wait_until("the log says why", lambda: "token of another mesh" in alpha.log.read_text())
        self.assertEqual(alpha.command("keys", "list").stdout, before)
        self.assertTrue(alpha.running)


class Partition(WireCase):
    """Two halves, each of which rotates the keys without the other."""

    hosts = 4

    def cut(self, is_cut):
        left, right = self.wire.hosts[:2], self.wire.hosts[2:]
        for one in left + right:
            if not is_cut:
                one.heal()
            for other in (right if one in left else left) if is_cut else []:
                one.drop(f"ip saddr {other.address}")

    def keys(self, node):
        return json.loads(self.succeed(node.command("keys", "list", "--format", "json")).stdout)

    def test_both_halves_rotate_and_are_one_mesh_again(self):
        nodes = self.start(4, "--profile", "local")
        old = self.keys(nodes[0])["keys"][0]["id"]
        self.cut(True)
        self.mesh.wait_members(2)
        used = []
        for node in (nodes[0], nodes[2]):
            step = json.loads(self.succeed(node.command("keys", "install", "--format", "json")).stdout)
            self.succeed(node.command("keys", "use", step["key"]))
            self.refuse(node.command("keys", "remove", old), 1, "away")
            used.append(step["key"])
        self.assertNotEqual(*used)
        self.cut(False)
        self.mesh.wait_members(4)
        for node in nodes:
            node.wait_until("all have the same keys", lambda node=node: self.keys(node)["is_agreed"])
        views = [self.keys(node)["keys"] for node in nodes]
        self.assertEqual({key["id"] for key in views[0]}, {old, *used})
        self.assertIn(views[0][0]["id"], used)
        for view in views[1:]:
            self.assertEqual(view, views[0])
        for key in views[0][1:]:
            self.succeed(nodes[3].command("keys", "remove", key["id"]))
        self.assertEqual([key["id"] for key in self.keys(nodes[0])["keys"]], [views[0][0]["id"]])
