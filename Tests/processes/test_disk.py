"""Disks that run full, for real: a small file system in a mount namespace of the node's own."""
import json
import shutil
import unittest

from disks import MIB, SmallDisk, unavailable
from support import MeshCase

WHY_NOT = unavailable()


class FullDisk(MeshCase):
    def setUp(self):
        if WHY_NOT:
            self.skipTest(f"NOT TESTED HERE: {WHY_NOT}")
        super().setUp()

    def start(self, mib):
        data = self.mesh.folder / "alpha"
        data.mkdir(mode=0o700)
        disk = SmallDisk(data, mib)
        self.addCleanup(disk.close)
        self.addCleanup(self.mesh.close)
        alpha = self.mesh.node("alpha", host=disk)
        # The folder as it is seen from here; the command line of the node names its own.
        alpha.data = disk.inside
        alpha.flags += ["--data", str(data)]
        return disk, alpha.start()

    def send(self, node, path, body=b"1"):
        return node.request("POST", f"/v1/send{path}", body)

    def test_a_nearly_full_disk_refuses_messages_and_takes_them_again_when_there_is_room(self):
        disk, alpha = self.start(mib=120)
        self.assertEqual(self.send(alpha, "/meshnode/counter/a", b'{"add":1}').status, 202)
        disk.fill(until=20 * MIB)
        alpha.wait_until(
            "status warns of the disk",
            lambda: any("no more messages are taken" in text for text in alpha.status()["node"]["warnings"]))
        refused = self.send(alpha, "/meshnode/counter/a", b'{"add":1}')
        self.assertEqual(refused.status, 429, refused.body)
        self.assertIn("disk of this node is full", refused.json["error"]["message"])
        self.assertEqual(refused.json["error"]["accepted"], "no")
        # What needs no disk goes on, and so does the node.
        headers = {"Meshnode-Delivery": "ephemeral"}
        self.assertEqual(alpha.request("POST", "/v1/call/meshnode/echo/a", b"7", headers).body, b"7")
        self.assertEqual(alpha.request("GET", "/readyz").status, 200)
        self.assertIn("the disk is nearly full", alpha.log.read_text())
        disk.empty()
        full = lambda: any("no more messages are taken" in text for text in alpha.status()["node"]["warnings"])
        alpha.wait_until("the warning goes", lambda: not full())
        reply = alpha.request("POST", "/v1/call/meshnode/counter/a", b'{"add":1}')
        self.assertEqual((reply.status, reply.json), (200, {"value": 2}), reply.body)
        self.assertEqual(alpha.stop(), 0)

    def test_a_full_disk_ends_the_node_with_one_line_and_loses_nothing(self):
        disk, alpha = self.start(mib=120)
        accepted = 0
        # Somebody else takes all the room between two looks at the disk.
        self.assertEqual(self.send(alpha, "/meshnode/counter/a", b'{"add":1}').status, 202)
        accepted += 1
        disk.fill(until=0)
        noticed = False
        body = json.dumps({"add": 0, "padding": "x" * 200_000}).encode()
        for number in range(200):
            if not alpha.running:
                break
            try:
                reply = self.send(alpha, f"/meshnode/echo/{number}", body)
            except OSError:
                break
            if reply.status == 429:
                noticed = True
                break
        else:
            self.fail("a full disk took 40 MB")
        if noticed:
            # The other way out, and as good.
            self.assertIn("the disk is nearly full", alpha.log.read_text())
            alpha.kill()
        else:
            self.assertEqual(alpha.wait_exit(), 1)
            last = alpha.log.read_text().splitlines()[-1]
            self.assertIn("make room on the disk, then start it again", last)
        disk.empty()
        alpha.start()
        reply = alpha.request("POST", "/v1/call/meshnode/counter/a", b'{"add":1}')
        self.assertEqual((reply.status, reply.json), (200, {"value": accepted + 1}), reply.body)


if __name__ == "__main__":
    unittest.main()
