"""What a newcomer gets wrong, and how it is told: the thing, and the mend; and nothing half-done is left."""
import os
import socket
import subprocess
import unittest

from support import MeshCase, wait_until

ACTOR = "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {{name: {name}}}\nspec:\n  path: {path}\n  handler:\n    exec: {{command: [cat]}}\n"


class Mistakes(MeshCase):
    def test_a_taken_port_leaves_no_mesh_behind(self):
        data = self.mesh.folder / "refused"
        for flag in ("--bind", "--http"):
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
                self.refuse(self.refused_start(flag, f"127.0.0.1:{port}", data=data), 1, str(port), "taken", flag, "ss -")
            self.assertEqual([path.name for path in data.iterdir()], ["lock"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            self.refuse(self.refused_start("--bind", f"127.0.0.1:{port}", data=data), 1, f"udp port {port}", "--bind")
        self.assertFalse((data / "mesh.token").exists())

    def test_a_node_over_tcp_asks_for_its_token(self):
        alpha = self.mesh.node("alpha", "--http", "127.0.0.1:0").start()
        url = alpha.addresses["http"]
        elsewhere = {"MESHNODE_DATA": "/nonexistent"}
        self.refuse(self.mesh.command("status", "--node", url, environment=elsewhere), 1, "admin token", "--token-file")
        wrong = self.mesh.folder / "wrong"
        wrong.write_text("0" * 64)
        self.refuse(
            self.mesh.command("status", "--node", url, "--token-file", wrong, environment=elsewhere), 1, "is not it")
        right = alpha.data / "admin.token"
        self.succeed(self.mesh.command("status", "--node", url, "--token-file", right, environment=elsewhere))

    def test_bodies_and_bytes(self):
        alpha = self.mesh.create("alpha")
        large = self.mesh.folder / "large"
        large.write_bytes(b"x" * ((1 << 20) + 1))
        self.refuse(alpha.command("send", "/meshnode/echo/a", "--file", large), 2, str(large), "1048576", "split it")
        command = [self.mesh.binary, "event", "send", "bytes"]
        environment = {**os.environ, "MESHNODE_DATA": str(alpha.data)}
        refused = subprocess.run([*command, b"\xff\xfe"], env=environment, capture_output=True)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn(b"not UTF-8", refused.stderr)
        subprocess.run([*command, "-"], env=environment, input=b"\xff\xfe", check=True)
        events = lambda: alpha.request(
            "GET", "/v1/events?type=user", headers={"Accept": "application/json"}).json["events"]
        # It is in the mesh when the command ends, and in the journal a moment later.
        alpha.wait_until("the event is in the journal", events)
        self.assertEqual([event.get("payload_base64") for event in events()], ["//4="])

    def test_definitions(self):
        alpha = self.mesh.create("alpha")
        file = self.mesh.folder / "actor.yaml"
        file.write_text(ACTOR.format(name="first", path="/x/{key}"))
        self.succeed(alpha.command("apply", "-f", file))
        file.write_text(ACTOR.format(name="second", path="/x/{name}"))
        self.refuse(alpha.command("apply", "-f", file), 1, "second", "belongs to the definition first", "delete first")
        # What waits is said, and waits.
        file.write_text(ACTOR.format(name="first", path="/x/{key}").replace("cat", "no-such-program"))
        self.succeed(alpha.command("apply", "-f", file))
        for key in ("a", "b", "b"):
            self.succeed(alpha.command("send", f"/x/{key}", "--data", "1"))
        deleted = self.succeed(alpha.command("delete", "first"))
        self.assertIn("3 messages wait until a definition for /x/{key} is applied again", deleted.stdout)
        self.assertEqual(alpha.status()["node"]["mailbox_depth"], 3)
        self.refuse(alpha.command("send", "/x/a", "--data", "1"), 4, "no definition matches")

    def test_a_joining_node_takes_no_definitions(self):
        self.mesh.create("other").stop()
        node = self.mesh.node("lonely").start("--join", "127.0.0.1:1", "--token-file", self.mesh.token_file, wait=False)
        node.wait_until("it serves", lambda: (node.data / "addresses.json").exists())
        file = self.mesh.folder / "actor.yaml"
        file.write_text(ACTOR.format(name="first", path="/x/{key}"))
        self.refuse(node.command("apply", "-f", file), 1, "has not joined")
        self.refuse(node.command("event", "send", "x"), 1, "has not joined")

    def test_two_members_of_one_name(self):
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta", "--name", "alpha")
        self.mesh.wait_members(2)
        warnings = lambda: [text for text in alpha.status()["node"]["warnings"] if "2 members are named alpha" in text]
        self.assertIn("--name", wait_until("it warns", warnings)[0])


if __name__ == "__main__":
    unittest.main()
