"""`meshnode data`: what lies on the disk of a stopped node, read without a daemon."""
import json
import unittest

from support import MeshCase


class Data(MeshCase):
    def stopped(self):
        node = self.mesh.create("a")
        self.apply(node, "echo", "/echo/{key}", ["cat"])
        for number in range(20):
            self.succeed(
                node.command("send", f"/echo/{number}", "--data", "{}", "--idempotency-key", f"key-{number}"))
        node.stop()
        return node

    def data(self, node, *arguments):
        return self.mesh.command("data", *arguments, "--data", node.data)

    def test_a_stopped_node_is_sound_and_a_running_one_keeps_its_folder(self):
        node = self.mesh.create("a")
        self.refuse(self.data(node, "verify"), 1, "a daemon runs on", "stop it first")
        node.stop()
        self.assertIn(": sound; ", self.succeed(self.data(node, "verify")).stdout)
        node.start()
        node.stop()

    def test_formats_hold_the_same_and_nothing_is_changed(self):
        node = self.stopped()
        files = {file: file.read_bytes() for file in (node.data / "db").iterdir() if not file.name.startswith("LOG")}
        report = json.loads(self.succeed(self.data(node, "verify", "--format", "json")).stdout)
        self.assertEqual(report["findings"], [])
        # The meta group and the partitions; each has what it was sent in its state.
        self.assertEqual([group["status"] for group in report["groups"]], ["sound"] * 257)
        self.assertGreater(sum(group["stateEntries"] for group in report["groups"]), 20)
        self.assertGreater(report["commits"], 0)
        self.assertIn(f"commits: {report['commits']}", self.succeed(self.data(node, "verify", "--format", "yaml")).stdout)
        self.assertEqual(files, {file: file.read_bytes() for file in files})

    def test_damage_ends_with_1_and_says_where(self):
        node = self.stopped()
        tables = [file for file in (node.data / "db").iterdir() if file.suffix == ".log"]
        log = max(tables, key=lambda file: file.stat().st_size)
        content = bytearray(log.read_bytes())
        content[len(content) // 2] ^= 1
        log.write_bytes(content)
        self.refuse(self.data(node, "verify"), 1, "it is damaged")

    def test_what_is_not_there_is_not_found(self):
        node = self.stopped()
        self.refuse(self.data(node, "dump", "--group", "700"), 4, "there is no group 700")
        self.refuse(self.mesh.command("data", "verify", "--data", self.mesh.folder), 4, "there is no database")
        self.refuse(self.data(node, "dump", "--from", "3"), 2, "--group")
        self.refuse(self.data(node, "dump", "--group", "1", "--limit", "0"), 2, "--limit 0")


if __name__ == "__main__":
    unittest.main()
