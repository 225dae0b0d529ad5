"""What `meshnode doctor` finds, on nodes to which it was really done."""
import json
import os
import socket
import unittest

from support import MeshCase
from test_disk import WHY_NOT as NO_DISK
from test_disk import MIB, SmallDisk
from test_paths import WireCase


def findings(result):
    return json.loads(result.stdout)["findings"]


class Diagnosed:
    """For test cases: asks a node's doctor."""

    def doctor(self, node, *arguments):
        result = node.command("doctor", "--format", "json", *arguments)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        found = findings(result)
        problems = [finding for finding in found if finding["severity"] == "problem"]
        self.assertEqual(result.returncode, 1 if problems else 0, found)
        return found

    def pick(self, found, check, *parts, severity="problem"):
        """The one finding of a check that says these things; it has a mend unless all is well."""
        chosen = [
            finding for finding in found if finding["check"] == check and finding["severity"] == severity
            and all(part in finding["place"] + ": " + finding["what"] for part in parts)]
        self.assertEqual(len(chosen), 1, f"{check} {parts}: {json.dumps(found, indent=1)}")
        self.assertEqual(bool(chosen[0]["mend"]), severity != "fine", chosen)
        return chosen[0]


class Healthy(Diagnosed, MeshCase):
    def test_a_healthy_mesh_has_no_problem_and_every_check_is_told(self):
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta")
        self.mesh.join("gamma")
        self.mesh.wait_members(3)
        found = self.doctor(alpha)
        self.assertEqual([finding for finding in found if finding["severity"] == "problem"], [])
        self.pick(found, "udp", "passes both ways to 2 members", severity="fine")
        self.pick(found, "mtu", "1400 bytes pass unfragmented both ways to 2 members", severity="fine")
        self.pick(found, "ports", "2 members can open a connection", severity="fine")
        self.pick(found, "members", "streams to its 2 neighbours", severity="fine")
        self.pick(found, "clock", "from those of 2 members", severity="fine")
        self.pick(found, "versions", "all members run", severity="fine")
        self.pick(found, "keys", "all 3 members seal with", severity="fine")
        # How fast the disk is, is another matter: that of the machine that this runs on.
        speed = [finding for finding in found if "a write with fsync takes" in finding["what"]]
        self.assertEqual([finding["check"] for finding in speed], ["disk"], found)
        self.pick(found, "folder", "belongs to its user alone", severity="fine")
        text = self.succeed(alpha.command("doctor")).stdout
        self.assertTrue(text.startswith("alpha: 0 problems"), text)
        self.assertEqual(alpha.request("GET", "/v1/doctor").json["running"], True)
        # What is sent to find this out was expected everywhere.
        for node in self.mesh.nodes:
            refused = node.status()["node"]["refused"]
            self.assertEqual({name: count for name, count in refused.items() if "unexpected" in name}, {}, node.name)

    def test_secrets_that_others_may_read_and_a_dead_member_are_found(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        secrets = ("node.key", "keyring", "mesh.token")
        for secret in secrets:
            (alpha.data / secret).chmod(0o644)
        beta.kill()
        alpha.wait_until("beta is dead", lambda: alpha.state_of("beta") == "dead")
        found = self.doctor(alpha)
        for secret in secrets:
            self.pick(found, "folder", secret, "mode 644")
        self.pick(found, "members", "beta", "is dead", severity="warning")


class BeforeTheFirstStart(Diagnosed, MeshCase):
    def examine(self, *arguments, environment=None):
        result = self.mesh.command("doctor", "--format", "json", *arguments, environment=environment)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        self.assertEqual(json.loads(result.stdout)["running"], False)
        return result.returncode, findings(result)

    def test_an_empty_machine_is_fine(self):
        data = self.mesh.folder / "new"
        status, found = self.examine("--data", data, "--bind", "127.0.0.1:0", "--http", "none")
        self.assertEqual(status, 0, found)
        self.pick(found, "folder", "the first start makes it", severity="fine")
        self.pick(found, "ports", "UDP 127.0.0.1", "can be bound", severity="fine")
        self.assertFalse(data.exists(), "looking makes nothing")

    def test_a_taken_port_names_who_has_it(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            status, found = self.examine(
                "--data", self.mesh.folder / "new", "--bind", f"127.0.0.1:{udp.getsockname()[1]}",
                "--http", f"127.0.0.1:{tcp.getsockname()[1]}", "--join", "127.0.0.1:1")
        self.assertEqual(status, 1)
        for transport, port in (("UDP", udp), ("TCP", tcp)):
            finding = self.pick(found, "ports", f"{transport} 127.0.0.1", "is taken by python3")
            self.assertIn(f"process {os.getpid()}", finding["what"])
        seed = self.pick(found, "ports", "seed 127.0.0.1:1", "cannot be reached over TCP: Connection refused")
        self.assertNotIn("Error", seed["what"])

    def test_a_folder_that_cannot_be_made_is_a_problem(self):
        (self.mesh.folder / "file").write_text("")
        status, found = self.examine("--data", self.mesh.folder / "file" / "x", "--bind", "127.0.0.1:0", "--http", "none")
        self.assertEqual(status, 1)
        self.pick(found, "folder", f"it cannot be made in {self.mesh.folder}/file")

    def test_an_unknown_flag_and_a_bad_setting_are_usage(self):
        self.refuse(self.mesh.command("doctor", "--data", self.mesh.folder, "--bind", "nonsense"), 2, "--bind", "nonsense")


class Ways(Diagnosed, WireCase):
    def test_blocked_udp_is_named_with_its_direction_and_port(self):
        alpha, beta, gamma = self.start(3)
        one, two, three = self.wire.hosts
        one.drop_udp(two)
        two.drop_udp(one)
        three.drop_udp(one)
        found = self.doctor(alpha)
        both = self.pick(found, "udp", f"node-2 at {beta.address}", "UDP is blocked both ways")
        self.assertIn(beta.address.rsplit(":")[-1], both["mend"])
        self.pick(found, "udp", f"node-3 at {gamma.address}", "UDP from here does not reach it")
        self.pick(self.doctor(gamma), "udp", f"node-1 at {alpha.address}", "UDP from it does not reach this node")
        self.pick(self.doctor(beta), "udp", f"node-1 at {alpha.address}", "UDP is blocked both ways")

    def test_a_narrow_path_and_a_closed_door_are_named(self):
        alpha, beta, gamma = self.start(3)
        one, two, three = self.wire.hosts
        # A tunnel that is too narrow, seen from its other end: large packets vanish on their way.
        two.drop(f"ip saddr {one.address} ip length 1301-65535")
        # New connections to alpha are dropped, those that are open stay.
        one.drop(f"ip saddr {three.address} tcp flags & (syn|ack) == syn")
        found = self.doctor(alpha)
        narrow = self.pick(found, "mtu", "node-2", "do not pass whole from here to it")
        self.assertIn("MTU", narrow["mend"])
        self.pick(found, "ports", alpha.address, "node-3 cannot open a connection")
        self.pick(found, "udp", "passes both ways", severity="fine")


@unittest.skipIf(NO_DISK, f"NOT TESTED HERE: {NO_DISK}")
class Disks(Diagnosed, MeshCase):
    def test_memory_a_full_disk_and_a_read_only_one_are_named(self):
        data = self.mesh.folder / "alpha"
        data.mkdir(mode=0o700)
        disk = SmallDisk(data, mib=120)
        self.addCleanup(disk.close)
        look = lambda: findings(disk.command(
            self.mesh.binary, "doctor", "--data", data, "--bind", "127.0.0.1:0", "--http", "none", "--format", "json"))
        self.pick(look(), "disk", "it is in memory (tmpfs)", severity="warning")
        disk.fill(until=50 * MIB)
        self.pick(look(), "disk", "no more messages are taken", severity="warning")
        disk.fill(until=MIB)
        self.pick(look(), "disk", "no message is taken")
        disk.command("mount", "-o", "remount,ro", data)
        self.pick(look(), "disk", "read-only")


if __name__ == "__main__":
    unittest.main()
