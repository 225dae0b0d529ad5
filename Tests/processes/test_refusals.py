"""What a daemon refuses at its start: one clear line, the mend, exit status 1 (2 for what was typed wrong), and nothing harmed."""
import os
import random
import shutil
import signal
import socket
import unittest

from support import MeshCase


class Refusals(MeshCase):
    def test_a_malformed_token(self):
        self.mesh.token_file.write_text("mesh1.notatoken\n")
        result = self.refused_start("--join", "127.0.0.1:1", "--token-file", self.mesh.token_file)
        self.refuse(result, 1, "token")
        self.assertNotIn("notatoken", result.stderr)

    def test_a_token_with_one_letter_changed(self):
        alpha = self.mesh.create("alpha")
        token = self.mesh.token_file.read_text().strip()
        spot = len(token) - 3
        changed = token[:spot] + ("a" if token[spot] != "a" else "b") + token[spot + 1 :]
        self.mesh.token_file.write_text(changed)
        result = self.refused_start("--join", alpha.address, "--token-file", self.mesh.token_file)
        self.refuse(result, 1, "token")

    def test_the_token_of_another_mesh(self):
        alpha = self.mesh.create("alpha")
        other = self.mesh.node("other").start()
        token = self.mesh.folder / "other-token"
        token.write_text(self.succeed(other.command("token")).stdout)
        result = self.refused_start("--join", alpha.address, "--token-file", token)
        self.refuse(result, 1, "token")
        self.assertEqual(alpha.status()["mesh"]["members"]["alive"], 1)

    def test_a_folder_that_belongs_to_another_mesh(self):
        alpha = self.mesh.create("alpha")
        other = self.mesh.node("other").start()
        other.stop()
        result = self.refused_start(
            "--join", alpha.address, "--token-file", self.mesh.token_file, data=other.data)
        self.refuse(result, 1, "another mesh")

    def test_a_missing_token_file(self):
        missing = self.mesh.folder / "missing"
        self.refuse(self.refused_start("--join", "127.0.0.1:1", "--token-file", missing), 2, str(missing))

    def test_a_join_without_a_token(self):
        result = self.refused_start("--join", "127.0.0.1:1")
        self.assertIn(result.returncode, (1, 2), result.stderr)
        self.assertIn("token", result.stderr.lower())
        self.assertFalse((self.mesh.folder / "refused" / "mesh.token").exists(), "it made a mesh of its own")

    def test_a_second_daemon_on_the_same_folder(self):
        alpha = self.mesh.create("alpha")
        self.refuse(self.refused_start(data=alpha.data), 1, str(alpha.data), "daemon")
        self.assertEqual(alpha.status()["node"]["state"], "ready")
        self.assertTrue((alpha.data / "api.sock").exists())

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.refuse(self.refused_start("--bind", f"127.0.0.1:{port}"), 1, port, "taken")

    def test_a_taken_http_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.refuse(self.refused_start("--http", f"127.0.0.1:{port}"), 1, port)

    def test_a_file_where_the_data_folder_should_be(self):
        file = self.mesh.folder / "file"
        file.write_text("")
        self.refuse(self.refused_start(data=file), 1, str(file))

    @unittest.skipUnless(shutil.which("setpriv") and os.geteuid() == 0, "root may read everything; needs setpriv")
    def test_a_data_folder_of_another_user(self):
        folder = self.mesh.folder / "locked"
        folder.mkdir(mode=0o700)
        self.mesh.folder.chmod(0o755)
        # The binary must be reachable for the other user, which a home folder need not be.
        self.mesh.binary = shutil.copy(self.mesh.binary, self.mesh.folder / "meshnode")
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.refuse(self.refused_start(data=folder, prefix=prefix), 1, str(folder))

    def test_a_corrupt_database(self):
        alpha = self.mesh.create("alpha")
        for number in range(50):
            self.assertEqual(alpha.request("POST", f"/v1/send/meshnode/echo/{number}", b"{}").status, 202)
        alpha.kill()
        damaged = 0
        for file in (alpha.data / "db").iterdir():
            if file.name.startswith("MANIFEST"):
                file.write_bytes(random.Random(1).randbytes(file.stat().st_size))
                damaged += 1
        self.assertEqual(damaged, 1)
        self.refuse(self.refused_start(data=alpha.data), 1, str(alpha.data))

    def test_a_key_that_is_not_the_databases(self):
        alpha = self.mesh.create("alpha")
        alpha.stop()
        (alpha.data / "node.key").write_bytes(bytes(range(32)))
        self.refuse(self.refused_start(data=alpha.data), 1, "key")

    def test_configuration_with_an_unknown_field(self):
        file = self.mesh.folder / "node.yaml"
        file.write_text("name: alpha\nzoone: eu-1\n")
        self.refuse(self.refused_start("--config", file), 2, "zoone", "zone", "line 2, column")

    def test_configuration_of_the_wrong_type(self):
        file = self.mesh.folder / "node.yaml"
        file.write_text("name: alpha\nhttp: [1, 2]\n")
        self.refuse(self.refused_start("--config", file), 2, "http", "line 2, column")

    def test_flags_that_do_not_exist_or_make_no_sense(self):
        self.refuse(self.refused_start("--prfile", "lan"), 2)
        self.refuse(self.refused_start("--profile", "moon"), 2, "moon")
        self.refuse(self.refused_start("--bind", "127.0.0.1:70000"), 2, "70000")

    def test_definitions_that_are_wrong_say_where(self):
        alpha = self.mesh.create("alpha")
        file = self.mesh.folder / "actor.yaml"
        good = (
            "apiVersion: meshnode/v1\nkind: Actor\nmetadata: {name: x}\nspec:\n  path: /x/{key}\n"
            "  handler:\n    exec: {command: [cat]}\n")
        for wrong, parts in (
            (good.replace("handler", "handlr"), ("handlr", "handler", "line 6, column")),
            (good.replace("[cat]", "{a: b}"), ("command", "line 7, column")),
            (good.replace("/x/{key}", "/meshnode/x"), ("/meshnode/", "line 5, column")),
            (good.replace("/x/{key}", "x"), ("line 5, column",)),
            ("a: [", ("line 2, column",)),
            ("", ("no definition",)),
        ):
            with self.subTest(wrong):
                file.write_text(wrong)
                self.refuse(alpha.command("apply", "-f", file), 1, str(file), *parts)
        self.assertEqual(alpha.request("GET", "/v1/definitions").json["definitions"], [])
        self.refuse(alpha.command("apply", "-f", self.mesh.folder / "missing.yaml"), 2, "missing.yaml")

    def test_a_signal_while_joining_ends_it(self):
        self.mesh.create("other").stop()
        node = self.mesh.node("lonely").start(
            "--join", "127.0.0.1:1", "--token-file", self.mesh.token_file, wait=False)
        node.wait_until("an attempt is logged", lambda: "127.0.0.1:1" in node.log.read_text())
        self.assertEqual(node.stop(number=signal.SIGINT), 0)
