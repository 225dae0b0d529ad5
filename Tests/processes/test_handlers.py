"""Programs as actors, and how they end: by themselves, and with their daemon, also when that is killed."""
import os
import pathlib
import subprocess
import sys
import unittest

from support import MeshCase, wait_until

# Answers with its process id, then does what its message says.
PROGRAM = """
import json, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"id": message["id"], "reply": [os.getpid(), child.pid]}), flush=True)
    if message["body"] == "end":
        child.kill(); child.wait()
        sys.exit(0)
while True:  # deaf to the end of its input
    time.sleep(1)
"""


def is_running(pid):
    """Whether a process runs code; a zombie does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


class Handlers(MeshCase):
    def with_program(self):
        program = self.mesh.folder / "program.py"
        program.write_text(PROGRAM)
        node = self.mesh.create("alpha")
        self.apply(node, "program", "/program/{key}", [sys.executable, str(program)])
        return node

    def call(self, node, body):
        reply = node.request("POST", "/v1/call/program/a", body)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def test_a_killed_daemon_leaves_no_program_behind(self):
        node = self.with_program()
        pids = self.call(node, '"stay"')
        for pid in pids:
            self.assertTrue(is_running(pid))
        # Who looks at the machine's processes sees whose it is.
        commands = [pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.mesh.processes()]
        self.assertIn(b"meshnode\0guard\0", commands)
        node.kill()
        wait_until("the program and what it started are gone", lambda: not any(map(is_running, pids)))

    def test_the_guard_kills_whom_the_last_whole_line_names(self):
        # Sessions of their own, as programs have; a killed daemon can leave half a number behind.
        first, second = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
        self.addCleanup(lambda: [process.kill() or process.wait() for process in (first, second)])
        guard = self.mesh.command("guard", input=f"{first.pid} {second.pid}\n{first.pid}\n{second.pid}")
        self.assertEqual(guard.returncode, 0, guard.stderr)
        wait_until("the first is killed", lambda: first.poll() is not None)
        self.assertIsNone(second.poll())

    def test_a_program_that_ends_is_reaped_at_once_and_started_again_for_the_next_message(self):
        node = self.with_program()
        first, _ = self.call(node, '"end"')
        wait_until("it is reaped", lambda: not os.path.exists(f"/proc/{first}"))
        second, _ = self.call(node, '"end"')
        self.assertNotEqual(first, second)
        self.assertNotIn("crashed", node.log.read_text())
        self.assertEqual(node.stop(), 0)

    def test_a_program_that_is_there_and_not_executable_is_said_to_be_so(self):
        node = self.mesh.create("alpha")
        program = self.mesh.folder / "plain.sh"
        program.write_text("#!/bin/sh\n")
        self.apply(node, "plain", "/plain/{key}", [str(program)])
        self.refuse(node.command("call", "/plain/a", "--data", "1"), 1, "not executable", "chmod +x")


if __name__ == "__main__":
    unittest.main()
