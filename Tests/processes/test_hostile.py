"""A stranger on the network: what he writes is counted and does no harm, and what he reads tells him nothing."""
import concurrent.futures
import socket
import sys
import unittest

from support import MeshCase  # first: it says where the next one is

from hostile import Capture, hostile_datagrams, junk_streams, kernel_drops, send_datagrams

# An actor that answers with what it was sent.
ECHO = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"id": message["id"], "reply": message["body"]}), flush=True)
"""

DATAGRAMS, JUNK_STREAMS, SILENT_STREAMS = 20_000, 200, 100


def may_capture():
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
        return True
    except OSError:
        return False


class Hostile(MeshCase):
    @unittest.skipUnless(may_capture(), "listening on loopback needs CAP_NET_RAW")
    def test_a_stranger_under_whose_fire_calls_are_answered_and_every_packet_is_counted(self):
        flags = lambda name: ("--zone", f"zoneof{name}", "--tag", f"tagof{name}=valueof{name}")
        alpha = self.mesh.create("nameofalpha", *flags("alpha"))
        port = lambda node: int(node.address.rsplit(":", 1)[1])
        with Capture([port(alpha)]) as first:
            beta = self.mesh.join("nameofbeta", *flags("beta"))
            gamma = self.mesh.join("nameofgamma", *flags("gamma"))
            self.mesh.wait_members(3)
        nodes = [alpha, beta, gamma]
        ports = [port(node) for node in nodes]
        with Capture(ports) as wire:
            wire.payloads += first.payloads
            self.apply(alpha, "definitionofours", "/pathofours/{key}", [sys.executable, "-c", ECHO])
            self.succeed(beta.command("event", "send", "nameofevent", "payloadofevent"))
            self.assertEqual(self.calls(nodes), 0)
            alpha.wait_until(
                "each node has heard a dozen datagrams",
                lambda: all(len(packets) >= 12 for packets in wire.datagrams.values()))
            heard = {target: list(packets) for target, packets in wire.datagrams.items()}
            self.under_fire(nodes, ports, heard)
            # The capture would hold what is not hidden.
            send_datagrams(self.mesh.address, ports[0], [b"a text in the clear"])
            alpha.wait_until("the capture holds it", lambda: wire.holds("a text in the clear"))
        self.assertEqual((first.missed, wire.missed), (0, 0), "the capture is not whole")
        for secret in (
            "nameof", "tagof", "valueof", "zoneof", "pathofours", "definitionofours", "payloadof", "apiVersion",
        ):
            self.assertFalse(wire.holds(secret), f"'{secret}' can be read on the wire")

    def under_fire(self, nodes, ports, heard):
        before = [self.refused(node) for node in nodes]
        drops = [kernel_drops(port) for port in ports]
        share = DATAGRAMS // len(nodes)
        sent = [share, share, DATAGRAMS - 2 * share]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            fire = [
                pool.submit(send_datagrams, self.mesh.address, port, hostile_datagrams(heard[port], count, seed=port))
                for port, count in zip(ports, sent)
            ]
            fire.append(pool.submit(junk_streams, self.mesh.address, ports[0], JUNK_STREAMS, SILENT_STREAMS, seed=1))
            rounds = failed = 0
            while not all(shot.done() for shot in fire):
                failed += self.calls(nodes)
                rounds += 1
            print(f"{rounds * 9} calls under fire, {failed} failed")
            self.assertEqual(failed, 0, "calls failed under fire")
            self.assertEqual(fire[-1].result(), 0, "streams that the node did not end")
        for node, port, count, dropped, counts in zip(nodes, ports, sent, drops, before):
            dropped = kernel_drops(port) - dropped
            refused = lambda: self.since(counts, node, "datagram.", "membership.")
            node.wait_until(f"{count} datagrams are counted", lambda: sum(refused().values()) + dropped >= count)
            print(f"{node.name}: {count} datagrams, {dropped} dropped by the kernel, refused {refused()}")
            self.assertEqual(sum(refused().values()) + dropped, count)
            self.assertGreater(refused()["membership.replayed"], count / 8)
            self.assertLess(dropped, count / 2, "most of them were not even read")
        streams = lambda: self.since(before[0], nodes[0], "stream.")
        nodes[0].wait_until(
            "every stream is counted", lambda: sum(streams().values()) >= JUNK_STREAMS + SILENT_STREAMS)
        print(f"{nodes[0].name}: {JUNK_STREAMS} junk streams and {SILENT_STREAMS} silent ones, refused {streams()}")
        self.assertEqual(sum(streams().values()), JUNK_STREAMS + SILENT_STREAMS)
        for node in nodes:
            self.assertTrue(node.running, node.tail())
            node.wait_until("status and metrics tell the same", lambda: self.refused(node) == self.refused_metric(node))
        self.mesh.wait_members(3)

    def calls(self, nodes):
        """A call from each node to a few actors, which live somewhere in the mesh; how many failed."""
        failed = 0
        for node in nodes:
            for key in "abc":
                body = f'"payloadof{key}"'
                answer = node.request("POST", f"/v1/call/pathofours/{key}", body, {"Content-Type": "application/json"})
                failed += (answer.status, answer.body) != (200, body.encode())
        return failed

    def refused(self, node):
        return node.status()["node"]["refused"]

    def since(self, before, node, *prefixes):
        now = self.refused(node)
        return {
            reason: count - before.get(reason, 0)
            for reason, count in now.items()
            if reason.startswith(prefixes) and count > before.get(reason, 0)
        }

    def refused_metric(self, node):
        found = {}
        for line in node.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith("meshnode_refused_total{"):
                reason = line.split('reason="')[1].split('"')[0]
                found[reason] = int(float(line.rsplit(" ", 1)[1]))
        return found


if __name__ == "__main__":
    unittest.main()
