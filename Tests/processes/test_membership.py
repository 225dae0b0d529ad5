"""Nodes that come, go, die and come back."""
import json
import os
import shutil
import signal
import socket
import types
import unittest

from support import PATIENCE, MeshCase, wait_until


class Membership(MeshCase):
    def test_a_node_alone_is_a_healthy_mesh(self):
        alpha = self.mesh.create("alpha")
        status = alpha.status()
        self.assertEqual(status["mesh"]["health"], "healthy")
        self.assertEqual(status["mesh"]["members"], {"alive": 1, "suspect": 0, "dead": 0, "left": 0})
        self.assertEqual(status["node"]["state"], "ready")
        self.assertEqual(alpha.addresses["bind"], status["node"]["address"])
        self.assertEqual(alpha.addresses["pid"], alpha.process.pid)
        self.assertEqual(alpha.stop(), 0)

    def test_the_join_command_is_printed_once(self):
        alpha = self.mesh.create("alpha")
        self.assertIn("--join", alpha.output.read_text() + alpha.log.read_text())
        alpha.stop()
        alpha.start()
        self.assertNotIn("--join", alpha.output.read_text() + alpha.log.read_text())

    def test_a_node_that_leaves_is_left_and_not_dead(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        self.assertEqual(beta.stop(number=signal.SIGTERM), 0)
        alpha.wait_until("beta has left", lambda: alpha.state_of("beta") == "left")
        self.assertEqual(alpha.status()["mesh"]["members"]["dead"], 0)

    def test_the_interrupt_key_leaves_too(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        self.assertEqual(beta.stop(number=signal.SIGINT), 0)
        alpha.wait_until("beta has left", lambda: alpha.state_of("beta") == "left")

    def test_the_leave_command_ends_the_daemon(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        self.succeed(beta.command("leave"))
        self.assertEqual(beta.wait_exit(), 0)
        alpha.wait_until("beta has left", lambda: alpha.state_of("beta") == "left")

    def test_a_killed_node_is_dead_to_all_and_comes_back_without_flags(self):
        alpha = self.mesh.create("alpha")
        beta, gamma = self.mesh.join("beta"), self.mesh.join("gamma")
        self.mesh.wait_members(3)
        before = alpha.status()
        gamma.kill()
        for node in (alpha, beta):
            node.wait_until("gamma is dead", lambda node=node: node.state_of("gamma") == "dead")
        self.assertEqual(alpha.status()["mesh"]["health"], "degraded")
        gamma.start()  # no --join, no token: the data folder remembers both
        self.mesh.wait_members(3)
        find = lambda status: next(member for member in status["members"] if member["name"] == "gamma")
        self.assertEqual(find(alpha.status())["id"], find(before)["id"])
        self.assertGreater(find(alpha.status())["boot_epoch"], find(before)["boot_epoch"])

    def test_why_tells_who_accused(self):
        alpha = self.mesh.create("alpha")
        beta, gamma = self.mesh.join("beta"), self.mesh.join("gamma")
        self.mesh.wait_members(3)
        gamma.kill()
        alpha.wait_until("gamma is dead", lambda: alpha.state_of("gamma") == "dead")
        why = self.succeed(alpha.command("status", "--why", "gamma", "--format", "json"))
        changes = json.loads(why.stdout)["changes"]
        self.assertEqual(changes[-1]["to"], "dead")
        accusers = {change["accuser"] for change in changes if change["to"] in ("suspect", "dead")}
        self.assertTrue(accusers & {"alpha", "beta"}, changes)
        self.assertTrue(beta.running)

    def test_all_nodes_restarted_at_once_find_each_other(self):
        self.mesh.create("alpha")
        self.mesh.join("beta")
        self.mesh.join("gamma")
        self.mesh.wait_members(3)
        for node in self.mesh.nodes:
            node.bound = node.addresses["bind"]
            node.kill()
        # Their ports were chosen by the system: whoever restarts gets the old one back, as nodes with fixed ports do.
        for node in self.mesh.nodes:
            node.start("--bind", node.bound, wait=False)
        for node in self.mesh.nodes:
            node.wait_ready()
        self.mesh.wait_members(3)

    def test_an_unreachable_seed_is_tried_again_and_status_says_joining(self):
        token = self.mesh.create("other")
        token.stop()
        node = self.mesh.node("lonely").start(
            "--join", "127.0.0.1:1,no-such-host.invalid:7946", "--token-file", self.mesh.token_file, wait=False)
        attempts = lambda: [line for line in node.log.read_text().splitlines() if "127.0.0.1:1" in line]
        node.wait_until("two attempts are logged", lambda: len(attempts()) >= 2)
        node.wait_until("the name that does not resolve is told", lambda: "no-such-host" in node.log.read_text())
        status = node.status()
        self.assertEqual(status["node"]["state"], "joining")
        self.assertEqual(status["mesh"]["health"], "joining")
        self.assertEqual(node.stop(), 0)

    def test_a_node_that_never_joined_makes_no_mesh_when_it_is_started_again(self):
        self.mesh.create("other").stop()
        lonely = self.mesh.node("lonely")
        for _ in range(2):
            lonely.start("--join", "127.0.0.1:1", "--token-file", self.mesh.token_file, wait=False)
            lonely.wait_until("an attempt is logged", lambda: "127.0.0.1:1" in lonely.log.read_text())
            self.assertEqual(lonely.status()["node"]["state"], "joining")
            reply = lonely.request("POST", "/v1/send/meshnode/echo/x", "1")
            self.assertEqual((reply.status, reply.json["error"]["accepted"]), (503, "no"), reply.body)
            lonely.kill()

    def test_a_joining_node_gets_in_when_its_seed_appears(self):
        alpha = self.mesh.create("alpha")
        address = alpha.address
        alpha.stop()
        beta = self.mesh.node("beta").start("--join", address, "--token-file", self.mesh.token_file, wait=False)
        beta.wait_until("an attempt is logged", lambda: address in beta.log.read_text())
        alpha.start("--bind", address)
        beta.wait_ready(30)
        self.mesh.wait_members(2)

    def test_nodes_with_a_new_token_and_each_other_make_one_mesh_and_none_is_the_first(self):
        token = self.succeed(self.mesh.command("token", "--new")).stdout
        self.mesh.token_file.touch(0o600)
        self.mesh.token_file.write_text(token)
        # Each must know the others' addresses before any of them runs.
        reserved = [socket.create_server((self.mesh.address, 0)) for _ in range(3)]
        addresses = ["%s:%d" % each.getsockname() for each in reserved]
        for each in reserved:
            each.close()
        flags = ["--token-file", self.mesh.token_file, "--join", ",".join(addresses)]
        first, *others = [self.mesh.node(f"node{n}", *map(str, flags), "--bind", address)
                          for n, address in enumerate(addresses)]
        first.start(wait=False)
        first.wait_until("node0 tried", lambda: "no seed answered" in first.log.read_text())
        self.assertEqual(first.status()["node"]["state"], "joining")
        self.assertEqual(first.command("status", "--ready").returncode, 1)
        for node in others:
            node.start(wait=False)
        for node in self.mesh.nodes:
            node.wait_ready()
            self.succeed(node.command("status", "--ready"))
        self.mesh.wait_members(3)
        self.assertEqual({node.status()["mesh"]["id"] for node in self.mesh.nodes}, {first.status()["mesh"]["id"]})

    @unittest.skipUnless(shutil.which("setpriv") or os.geteuid() != 0, "needs setpriv to be somebody else")
    def test_daemons_that_are_not_root_make_a_mesh(self):
        nobody, host = 65534, None
        if os.geteuid() == 0:
            drop = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups"]
            host = types.SimpleNamespace(prefix=drop, address=self.mesh.address)
            os.chown(self.mesh.folder, nobody, nobody)
            # The binary must be reachable for that user, which a home folder need not be.
            self.mesh.binary = shutil.copy(self.mesh.binary, self.mesh.folder / "meshnode")
        self.mesh.create("alpha", host=host)
        if host:
            os.chown(self.mesh.token_file, nobody, nobody)
        self.mesh.join("beta", host=host)
        self.mesh.wait_members(2)

    def test_a_stopped_process_is_missed_and_welcome_when_it_goes_on(self):
        alpha = self.mesh.create("alpha", "--profile", "local")
        beta = self.mesh.join("beta", "--profile", "local")
        gamma = self.mesh.join("gamma", "--profile", "local")
        self.mesh.wait_members(3)
        boot = gamma.status()["node"]["boot_epoch"]
        gamma.process.send_signal(signal.SIGSTOP)
        for node in (alpha, beta):
            node.wait_until("gamma is dead", lambda node=node: node.state_of("gamma") == "dead")
        gamma.process.send_signal(signal.SIGCONT)
        self.mesh.wait_members(3)
        self.assertEqual(gamma.status()["node"]["boot_epoch"], boot)
        gamma.wait_until(
            "its calls are answered", lambda: gamma.request("POST", "/v1/call/meshnode/echo/x", "1").status == 200)

    def test_a_mesh_over_ipv6(self):
        alpha = self.mesh.node("alpha")
        alpha.start("--bind", "[::1]:0")
        self.mesh.token_file.write_text(self.succeed(alpha.command("token")).stdout)
        self.assertTrue(alpha.address.startswith("[::1]:"), alpha.address)
        beta = self.mesh.node("beta")
        beta.start("--bind", "[::1]:0", "--join", alpha.address, "--token-file", self.mesh.token_file)
        self.mesh.wait_members(2)
        reply = beta.request("POST", "/v1/call/meshnode/echo/x", "1")
        self.assertEqual(reply.status, 200, reply.body)

    def test_a_seed_by_name_after_one_that_is_down(self):
        alpha = self.mesh.create("alpha", "--bind", "127.0.0.1:0")
        port = alpha.address.rsplit(":", 1)[1]
        beta = self.mesh.node("beta")
        beta.start("--join", f"127.0.0.1:1,localhost:{port}", "--token-file", self.mesh.token_file)
        self.mesh.wait_members(2)

    def test_messages_go_on_while_a_node_dies(self):
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta")
        gamma = self.mesh.join("gamma")
        self.mesh.wait_members(3)
        self.mesh.wait_replicas()
        gamma.kill()
        # Whoever led: another leads soon, and no call fails meanwhile.
        for number in range(30):
            headers = {"Meshnode-Deadline-Ms": str(PATIENCE * 1000)}
            reply = alpha.request("POST", f"/v1/call/meshnode/echo/{number}", str(number), headers, timeout=PATIENCE + 10)
            self.assertEqual((reply.status, reply.json), (200, number), reply.body)

    def test_user_events_reach_every_member(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        watch = self.mesh.spawn("event", "follow", node=beta)

        # The watch is open when an event comes through; until then events are raised again.
        def seen():
            self.succeed(alpha.command("event", "send", "deploy", "v2"))
            return "deploy" in watch.text()

        wait_until("beta sees the event", seen, poll=0.3)
