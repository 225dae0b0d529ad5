"""meshnode as a cluster under comparison: as it is shipped, with its database and HTTP open."""
import json
import signal
import socket
import time

from meshlocal import Failure, Mesh, wait_until
from peers.cluster import Cluster

# Each daemon has a loopback address of its own.
PORT, HTTP_PORT = 7946, 7950


class Meshnode(Cluster):
    def __init__(self, count, profile="lan"):
        super().__init__(count)
        self.profile = profile
        self.mesh = Mesh()
        self.nodes = {}

    def address(self, name):
        return f"127.0.0.{name[1:]}"

    def start(self):
        """Joining daemons that are stopped at the moment when their first dial is due, and n1, which waits for them.

        A daemon joins as it starts; starting fifty processes takes this machine longer than what is to be measured.
        So all start before n1 does, find nobody, and are stopped while they pause before the next try.
        """
        first = self.launch("n1")
        with self.network:
            first.start()
        self.mesh.token_file.touch(0o600)
        self.mesh.token_file.write_text(first.command("token").stdout)
        first.kill()
        for name in self.names[1:]:
            with self.network:
                self.launch(name).start(*self.joining, wait=False)
        for node in list(self.nodes.values())[1:]:
            wait_until(f"{node.name} looks for n1", lambda: "no seed answered" in node.log.read_text(), 60)
            self.listen(node.name)
            node.process.send_signal(signal.SIGSTOP)
        with self.network:
            first.start()
        self.listen("n1")
        # Longer than the pause before the second try, so that all of them are due.
        self.pause(3)

    @property
    def joining(self):
        return ["--join", f"{self.address('n1')}:{PORT}", "--token-file", self.mesh.token_file]

    def launch(self, name):
        config = self.mesh.folder / f"{name}.yaml"
        config.write_text("tags: []\n")
        self.nodes[name] = self.mesh.node(
            name, "--bind", f"{self.address(name)}:{PORT}", "--http", f"{self.address(name)}:{HTTP_PORT}",
            "--profile", self.profile, "--config", str(config))
        return self.nodes[name]

    def join(self):
        began = time.monotonic()
        for name in self.names[1:]:
            self.process(name).send_signal(signal.SIGCONT)
        return began

    def listen(self, name):
        """From now on no event of the member is missed."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(str(self.nodes[name].data / "api.sock"))
        stream.sendall(b"GET /v1/events?type=membership,user HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.settimeout(10)
        head = b""
        while b": connected" not in head:
            head += stream.recv(4096)
            if not head.startswith(b"HTTP/1.1 200"):
                raise Failure(f"{name} has no event stream: {head!r}")
        stream.setblocking(False)
        self.watch(stream, name)

    def parse(self, line):
        if not line.startswith("data:"):
            return None
        event = json.loads(line[5:])
        if event["type"] == "user":
            return "event", event["name"]
        if event["cause"] == "updated":
            return "tag", event["member"]["name"]
        return event["member"]["state"], event["member"]["name"]

    def raise_event(self, name, event):
        self.nodes[name].request("POST", "/v1/events", json.dumps({"name": event, "payload": "x" * 32}))

    def change_tag(self, name, value):
        (self.mesh.folder / f"{name}.yaml").write_text(f"tags: [v={value}]\n")
        self.process(name).send_signal(signal.SIGHUP)

    def process(self, name):
        return self.nodes[name].process

    def restart(self, name):
        with self.network:
            self.nodes[name].start()
        self.listen(name)

    def close(self):
        self.mesh.close()
        self.network.close()
