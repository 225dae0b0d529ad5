"""What the command line knows of its message when nodes go away under it."""
import os
import pathlib
import signal
import sys
import threading
import unittest

from test_partitions import PartitionCase


class Clients(PartitionCase):
    def three(self):
        self.http = ["--http", f"{self.mesh.address}:0"]
        nodes = [self.mesh.create("alpha", *self.http)]
        nodes += [self.mesh.join(name, *self.http) for name in ("beta", "gamma")]
        self.mesh.wait_members(3)
        self.mesh.wait_replicas(nodes)
        # They are to be back where they were.
        for node in nodes:
            node.flags = ["--http", node.addresses["http"].removeprefix("http://"), "--bind", node.address]
        return nodes

    def run_at(self, nodes, *arguments, timeout=100):
        """The CLI with several nodes, each over TCP with its own token."""
        environment = {
            "MESHNODE_NODE": ",".join(node.flags[1] for node in nodes),
            "MESHNODE_ADMIN_TOKEN": ",".join((node.data / "admin.token").read_text().strip() for node in nodes)}
        return self.mesh.command(*arguments, "--timeout", f"{timeout}s", environment=environment, timeout=timeout + 60)

    def count(self, nodes, key, timeout=100):
        return self.run_at(nodes, "call", f"/meshnode/counter/{key}", "--data", '{"add":1}', timeout=timeout)

    def test_calls_count_once_each_while_the_nodes_that_are_asked_die_and_hang(self):
        nodes = self.three()
        alpha, beta, gamma = nodes
        self.assertEqual(self.succeed(self.count(nodes, "a")).stdout, '{"value":1}\n')
        alpha.kill()
        self.assertEqual(self.succeed(self.count(nodes, "a")).stdout, '{"value":2}\n')
        alpha.start()
        os.kill(alpha.process.pid, signal.SIGSTOP)
        self.addCleanup(lambda: alpha.running and alpha.process.send_signal(signal.SIGCONT))
        self.assertEqual(self.succeed(self.count(nodes, "a")).stdout, '{"value":3}\n')
        alpha.process.send_signal(signal.SIGCONT)
        self.mesh.wait_replicas(nodes)
        stop = threading.Event()

        def kill_one_after_the_other():
            turn = 0
            while not stop.is_set():
                node = nodes[turn % 3]
                turn += 1
                node.kill()
                node.start()
                # Two at a time would be no quorum.
                self.mesh.wait_replicas(nodes)

        killer = threading.Thread(target=kill_one_after_the_other)
        killer.start()
        try:
            for value in range(4, 16):
                turn = value % 3
                result = self.succeed(self.count(nodes[turn:] + nodes[:turn], "a"))
                self.assertEqual(result.stdout, '{"value":%d}\n' % value)
        finally:
            stop.set()
            killer.join()

    def test_one_node_that_comes_back_in_time_is_waited_for(self):
        alpha = self.mesh.create("alpha")
        address = alpha.address
        self.assertEqual(self.add(alpha, "a"), 1)
        # Hung, so that it takes the request; then gone with it, and back.
        os.kill(alpha.process.pid, signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{alpha.process.pid}/stat")
        alpha.wait_until("it is stopped", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        before = self.peers(alpha)
        call = self.mesh.spawn(
            "call", "/meshnode/counter/a", "--data", '{"add":1}', "--timeout", "100s", node=alpha)
        alpha.wait_until("the call waits for an answer", lambda: self.peers(alpha) > before)
        alpha.kill()
        alpha.start("--bind", address)
        self.assertEqual(call.process.wait(100), 0, call.text())
        self.assertEqual((call.text(), self.add(alpha, "a", 0)), ('{"value":2}\n', 2))

    @staticmethod
    def peers(node):
        """How many connections to its socket it has not closed."""
        with open("/proc/net/unix") as sockets:
            return sum(line.rstrip().endswith(str(node.data / "api.sock")) and line.split()[5] in ("02", "03")
                       for line in sockets)

    def test_what_is_known_of_a_message_is_told_by_the_exit_status(self):
        nodes = self.three()
        alpha = nodes[0]
        program = self.mesh.folder / "slow.py"
        program.write_text("import time\ntime.sleep(600)\n")
        self.apply(alpha, "slow", "/slow/{key}", [sys.executable, str(program)])
        accepted = alpha.command("call", "/slow/a", "--data", "1", "--timeout", "2s")
        self.assertEqual(accepted.returncode, 6, accepted.stderr)
        self.assertIn("accepted", accepted.stderr)
        committed = self.succeed(alpha.command("send", "/slow/b", "--data", "1"))
        self.assertEqual(len(committed.stdout.strip()), 32)
        self.refuse(alpha.command("call", "/nowhere/a", "--data", "1"), 4, "/nowhere/a")
        processed = alpha.command("call", "/meshnode/counter/a", "--data", '"no"')
        self.assertEqual(processed.returncode, 1, processed.stderr)
        self.refuse(self.mesh.command("call", "/a", environment={"MESHNODE_DATA": "/nonexistent"}), 3, "no node answers")
        # Without a quorum nothing is promised, and what is said of it holds when the others are back.
        for node in nodes[1:]:
            node.kill()
        lost = self.count(nodes, "lost", timeout=5)
        self.assertIn(lost.returncode, (5, 7), lost.stderr)
        for node in nodes[1:]:
            node.start(wait=False)
        for node in nodes[1:]:
            node.wait_ready()
        value = self.add(alpha, "lost", 0)
        self.assertIn(value, (0,) if lost.returncode == 5 else (0, 1))

    def test_mistakes_in_naming_nodes_are_of_usage(self):
        for nodes in (",", " , "):
            result = self.mesh.command("call", "/a", "--node", nodes)
            self.refuse(result, 2, "names no node")
        result = self.mesh.command(
            "call", "/a", "--node", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", environment={"MESHNODE_ADMIN_TOKEN": "a,b"})
        self.refuse(result, 2, "2 tokens for 3 nodes")


if __name__ == "__main__":
    unittest.main()
