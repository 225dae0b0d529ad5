"""serf (Debian package `serf`) as a cluster under comparison."""
import base64
import os
import re
import socket
import subprocess
import tempfile
import time

from peers.cluster import Cluster

# Each agent has a loopback address of its own.
PORT, RPC_PORT = 7946, 7373
# What the serf library logs at once; over RPC its agent tells of members only after coalescing for 1 to 3 s.
EVENTS = [
    (re.compile(r"EventMemberJoin: (\S+)"), "alive"), (re.compile(r"EventMemberFailed: (\S+)"), "dead"),
    (re.compile(r"Suspect (\S+) has failed"), "suspect"), (re.compile(r"EventMemberUpdate: (\S+)"), "tag"),
    (re.compile(r"user-event: (\S+)"), "event"), (re.compile(r"(agent running)"), "running"),
]


class Serf(Cluster):
    def __init__(self, count, profile="lan", encrypt=False):
        super().__init__(count)
        self.profile = profile
        # memberlist gossips after 200 ms what is queued; its own log level must be INFO for the lines above.
        self.key = base64.b64encode(os.urandom(32)).decode() if encrypt else None
        self.processes = {}

    def address(self, name):
        return f"127.0.0.{name[1:]}"

    def launch(self, name, *arguments):
        command = ["serf", "agent", f"-node={name}", f"-bind={self.address(name)}:{PORT}", "-log-level=info",
                   f"-rpc-addr={self.address(name)}:{RPC_PORT}", f"-profile={self.profile}", *arguments]
        if self.key:
            command.append(f"-encrypt={self.key}")
        with self.network:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(process.stdout.fileno(), False)
        self.processes[name] = process
        self.watch(process.stdout, name)

    def start(self):
        for name in self.names:
            self.launch(name)
        running = lambda: {observer for _, observer, kind, _ in self.events if kind == "running"}
        self.wait("all agents run", lambda: len(running()) == len(self.names))
        self.pause(1)

    def join(self):
        began = time.monotonic()
        self.calls = [self.call(name, "join", {"Existing": [f"{self.address('n1')}:{PORT}"], "Replay": False})
                      for name in self.names[1:]]
        return began

    def raise_event(self, name, event):
        self.call(name, "event", {"Name": event, "Payload": b"x" * 32, "Coalesce": False})

    def change_tag(self, name, value):
        self.call(name, "tags", {"Tags": {"v": value}, "DeleteTags": []})

    def process(self, name):
        return self.processes[name]

    def restart(self, name):
        self.launch(name, f"-join={self.address('n1' if name != 'n1' else 'n2')}")

    def parse(self, line):
        for pattern, kind in EVENTS:
            found = pattern.search(line)
            if found:
                return kind, found[1]

    def call(self, name, command, body):
        """One request over RPC; the connection is kept until the answer cannot matter any more."""
        with self.network:
            connection = socket.create_connection((self.address(name), RPC_PORT), 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(packed({"Command": "handshake", "Seq": 0}) + packed({"Version": 1}))
        connection.recv(4096)
        connection.sendall(packed({"Command": command, "Seq": 1}) + packed(body))
        self.calls = [connection]
        return connection

    def close(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
            process.stdout.close()
        self.network.close()


def packed(value):
    """MessagePack, as much of it as the requests need."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xce" + value.to_bytes(4, "big")
    if isinstance(value, str):
        value = value.encode()
        return b"\xda" + len(value).to_bytes(2, "big") + value
    if isinstance(value, bytes):
        return b"\xda" + len(value).to_bytes(2, "big") + value
    if isinstance(value, list):
        return b"\xdc" + len(value).to_bytes(2, "big") + b"".join(map(packed, value))
    return b"\xde" + len(value).to_bytes(2, "big") + b"".join(packed(k) + packed(v) for k, v in value.items())
