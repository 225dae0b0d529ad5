"""Under a service manager: what the daemon says to it, and whether the unit that ships with it is sound."""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import unittest

from support import PATIENCE, ROOT, MeshCase, wait_until

UNIT = ROOT / "cluster" / "systemd" / "meshnode.service"


class Manager:
    """Listens where NOTIFY_SOCKET points, as systemd does, and keeps what it is told, with the time."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.messages = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while message := self.socket.recv(4096):
            self.messages.append((time.monotonic(), message.decode()))

    def close(self):
        # An empty datagram ends the thread.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.socket.getsockname())
        self.socket.close()

    def drain(self):
        """Returns when everything that was told until now is kept."""
        mark = f"X_MARK={time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(mark.encode(), self.socket.getsockname())
        wait_until("the mark is read", lambda: mark in self.lines)

    @property
    def lines(self):
        return [line for _, message in self.messages for line in message.split("\n")]

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.name, **more}


class Notifications(MeshCase):
    def manager(self, name=None):
        manager = Manager(name or str(self.mesh.folder / "notify"))
        self.addCleanup(manager.close)
        return manager

    def test_ready_status_and_stopping_are_told_and_workers_hear_nothing_of_it(self):
        manager = self.manager(f"@meshnode-test-{os.getpid()}")  # in the abstract namespace
        alpha = self.mesh.create("alpha", environment=manager.environment())
        wait_until("READY=1", lambda: "READY=1" in manager.lines)
        wait_until("a status", lambda: any(line.startswith("STATUS=ready, with 0 other") for line in manager.lines))
        self.assertNotIn("WATCHDOG=1", manager.lines, "nobody asked for it")
        self.apply(alpha, "printenv", "/env/{key}", ["python3", "-uc", PRINT_ENVIRONMENT])
        reply = alpha.request("POST", "/v1/call/env/a", "1")
        self.assertEqual((reply.status, reply.json), (200, []), reply.body)
        self.assertEqual(alpha.stop(), 0)
        wait_until("STOPPING=1", lambda: "STOPPING=1" in manager.lines)
        order = [manager.lines.index(line) for line in ("READY=1", "STOPPING=1")]
        self.assertEqual(order, sorted(order))

    def test_a_node_whose_seed_does_not_answer_asks_for_time_and_is_not_ready(self):
        self.mesh.create("other").stop()
        manager = self.manager()
        node = self.mesh.node("lonely", environment=manager.environment(WATCHDOG_USEC="1000000"))
        node.start("--join", "127.0.0.1:1", "--token-file", self.mesh.token_file, wait=False)
        more = lambda: [line for line in manager.lines if line.startswith("EXTEND_TIMEOUT_USEC=")]
        wait_until("it asks twice", lambda: len(more()) >= 2)
        self.assertIn("STATUS=joining: no seed has answered yet", manager.lines)
        # A reload is no end of the start.
        node.process.send_signal(signal.SIGHUP)
        node.wait_until("it is reloaded", lambda: "reloaded" in node.log.read_text())
        asked = len(more())
        wait_until("it asks again", lambda: len(more()) > asked)
        self.assertNotIn("READY=1", manager.lines)
        self.assertEqual(node.request("GET", "/readyz").status, 503)

    def test_the_watchdog_is_fed_while_the_node_works_and_not_while_it_is_stopped(self):
        manager = self.manager()
        alpha = self.mesh.create("alpha", environment=manager.environment(WATCHDOG_USEC="2000000"))
        fed = lambda: sum(line == "WATCHDOG=1" for line in manager.lines)
        wait_until("it is fed", lambda: fed() >= 5)
        times = [at for at, message in manager.messages if "WATCHDOG=1" in message]
        # As a rule: on a busy machine either side waits for a core now and then.
        between = statistics.median(after - before for before, after in zip(times, times[1:]))
        self.assertLess(between, 2, "in time")
        alpha.process.send_signal(signal.SIGSTOP)
        state = lambda: pathlib.Path(f"/proc/{alpha.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        wait_until("it is stopped", lambda: state() == "T")
        manager.drain()
        before = fed()
        time.sleep(2)  # the manager would end it now
        manager.drain()
        self.assertEqual(fed(), before)
        alpha.process.send_signal(signal.SIGCONT)
        wait_until("it is fed again", lambda: fed() > before + 2)

    def test_a_stuck_storage_thread_starves_the_watchdog(self):
        """The criterion is the work and not the process: one frozen thread is enough."""
        manager = self.manager()
        alpha = self.mesh.create("alpha", environment=manager.environment(WATCHDOG_USEC="1000000"))
        fed = lambda: sum(line == "WATCHDOG=1" for line in manager.lines)
        wait_until("it is fed", lambda: fed() >= 2)
        with frozen_thread(alpha.process.pid, "storage-write"):
            # Beside others, where those wait for a core.
            named = re.compile(r"parts=\S*storage")
            alpha.wait_until("the log names the part", lambda: named.search(alpha.log.read_text()))
            manager.drain()
            before = fed()
            time.sleep(1.5)  # as long as it would be borne
            manager.drain()
            self.assertEqual(fed(), before)


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


@contextlib.contextmanager
def frozen_thread(process, name):
    """Stops one thread, as a disk that never answers would."""
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            thread = int(task.name)
            break
    else:
        raise AssertionError(f"process {process} has no thread called {name}")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(request):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request} of {name}")

    ptrace(PTRACE_SEIZE)
    try:
        ptrace(PTRACE_INTERRUPT)
        wait_until(f"{name} is stopped", lambda: os.waitpid(thread, os.WNOHANG | WALL)[0] == thread)
        yield
    finally:
        ptrace(PTRACE_DETACH)


# waitpid(2): threads too.
WALL = 0x40000000

PRINT_ENVIRONMENT = """
import json, os, sys
for line in sys.stdin:
    found = [name for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if name in os.environ]
    message = json.loads(line)
    print(json.dumps({"id": message["id"], "reply": found}), flush=True)
"""


class Unit(unittest.TestCase):
    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("NOT TESTED HERE: systemd-analyze is not installed (scripts/setup installs it)")

    def analyze(self, *arguments):
        return subprocess.run(
            ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
            env={**os.environ, "SYSTEMD_COLORS": "0"})

    def verify(self, text):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "meshnode.service"
            # What it starts must exist; here it lies elsewhere.
            unit.write_text(text.replace("/usr/local/bin/meshnode", os.path.realpath(os.environ["MESHNODE"])))
            return self.analyze("verify", "--man=no", unit)

    def test_it_is_well_formed(self):
        result = self.verify(UNIT.read_text())
        self.assertEqual((result.returncode, result.stderr.strip()), (0, ""), result.stderr)

    def test_the_check_sees_a_misspelt_directive(self):
        result = self.verify(UNIT.read_text().replace("ProtectSystem=", "ProtectSytem="))
        self.assertIn("ProtectSytem", result.stderr)

    def test_little_of_the_system_is_exposed(self):
        result = self.analyze("security", "--offline=true", "--threshold=20", UNIT)
        exposure = re.search(r"Overall exposure level for meshnode.service: ([0-9.]+)", result.stdout)
        self.assertTrue(exposure, result.stdout + result.stderr)
        self.assertLessEqual(float(exposure.group(1)), 2.0, result.stdout)


if __name__ == "__main__":
    unittest.main()
