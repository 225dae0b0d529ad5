"""Nodes between which not everything passes, in network namespaces made for the test."""
import json
import unittest

import namespaces
from support import MeshCase, wait_until

WHY_NOT = namespaces.unavailable()


class WireCase(MeshCase):
    """A mesh of nodes, each on a host of its own."""

    hosts = 3

    def setUp(self):
        if WHY_NOT:
            self.skipTest(f"NOT TESTED HERE: {WHY_NOT}")
        super().setUp()
        self.wire = namespaces.Wire(self.hosts)
        self.addCleanup(self.wire.close)
        # Cleanups run last first: processes end before their namespaces.
        self.addCleanup(self.mesh.close)

    def start(self, count, *flags):
        self.mesh.create("node-1", *flags, host=self.wire.hosts[0])
        for index in range(1, count):
            self.mesh.join(f"node-{index + 1}", *flags, host=self.wire.hosts[index])
        self.mesh.wait_members(count)
        return self.mesh.nodes

    def member(self, node, name):
        return next(member for member in node.status()["members"] if member["name"] == name)

    def no_other_doubt(self, *nodes):
        """Nobody was ever suspected: neither now nor in the history of any member."""
        for node in nodes:
            for member in node.status()["members"]:
                why = json.loads(self.succeed(node.command("status", "--why", member["id"], "--format", "json")).stdout)
                states = [change["to"] for change in why["changes"]]
                self.assertEqual(set(states) - {"alive"}, set(), f"{node.name} of {member['name']}: {why}")


class BlockedUDP(WireCase):
    # Profile lan: that of machines, which doubts nobody whom a busy one keeps waiting for less than a second.

    def test_two_nodes_stay_one_mesh_over_their_stream_and_say_why(self):
        alpha, beta = self.start(2, "--profile", "lan")
        one, two = self.wire.hosts[:2]
        one.drop_udp(two)
        two.drop_udp(one)
        for node, other in ((alpha, beta), (beta, alpha)):
            node.wait_until(
                "the warning names the cause",
                lambda: any(
                    f"UDP to {other.name} at {other.address} is blocked" in warning
                    for warning in node.status()["node"]["warnings"]))
            self.assertEqual(self.member(node, other.name)["path"], "stream")
            self.assertIn("alive/stream", self.succeed(node.command("status")).stdout)
        # The others' news and messages still pass, soon and not by the next full exchange.
        watch = self.mesh.spawn("event", "watch", node=beta)

        def seen():
            self.succeed(alpha.command("event", "send", "deploy", "v2"))
            return "deploy" in watch.text()

        # Which comes every 30 s.
        wait_until("beta sees the event", seen, 20, poll=0.3)
        for number in range(8):
            reply = alpha.request("POST", f"/v1/call/meshnode/echo/{number}", str(number))
            self.assertEqual(reply.status, 200, reply.body)
        healthy = lambda: alpha.status()["node"]["local_health"] == 0
        alpha.wait_until("it is well: its peer answers, if by another way", healthy)
        self.no_other_doubt(alpha, beta)
        one.heal()
        two.heal()
        for node, other in ((alpha, beta), (beta, alpha)):
            blocked = lambda: any("UDP" in text for text in node.status()["node"]["warnings"])
            node.wait_until("the warning goes", lambda: not blocked())
            self.assertEqual(self.member(node, other.name)["path"], "udp")

    def test_a_pair_is_named_though_a_third_pings_in_its_place(self):
        alpha, beta, gamma = self.start(3, "--profile", "lan")
        self.wire.hosts[0].drop_udp(self.wire.hosts[1])
        alpha.wait_until("alpha marks beta", lambda: self.member(alpha, "node-2")["path"] == "stream")
        beta.wait_until("beta marks alpha", lambda: self.member(beta, "node-1")["path"] == "stream")
        self.assertEqual(gamma.status()["node"]["warnings"], [])
        self.no_other_doubt(alpha, beta, gamma)

    def test_a_node_whose_system_sends_no_datagram_stays_a_member_by_its_streams(self):
        alpha, beta, gamma = self.start(3, "--profile", "lan")
        self.wire.hosts[0].refuse_to_send_udp()
        for node in (beta, gamma):
            node.wait_until("alpha is marked", lambda: self.member(node, "node-1")["path"] == "stream")
        metrics = alpha.request("GET", "/metrics").body.decode()
        dropped = next(line for line in metrics.splitlines() if line.startswith("meshnode_datagrams_dropped_total "))
        self.assertGreater(float(dropped.split()[1]), 0, "each refused packet is counted")
        for number in range(6):
            reply = beta.request("POST", f"/v1/call/meshnode/echo/{number}", str(number))
            self.assertEqual(reply.status, 200, reply.body)
        self.no_other_doubt(alpha, beta, gamma)
        self.wire.hosts[0].heal()
        beta.wait_until("datagrams pass again", lambda: self.member(beta, "node-1")["path"] == "udp")


if __name__ == "__main__":
    unittest.main()
