"""A mesh of real nodes on loopback, for the demo, the process tests, the soak test and the benchmarks.

Ports are chosen by the system, on an address of loopback that nobody else uses, data folders lie in one temporary
folder, and `close` ends every process that was started here, by its id. Every wait is for a condition and has a deadline.
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

POLL = 0.02
# Seconds. What happens at all happens within them, also on a machine that is busy with other things: how long things take
# is measured by benchmarks and judged by nobody here.
PATIENCE = 120
# Of each partition, where there are nodes enough.
REPLICAS = 3
# In the environment of every process started here, and so in that of the workers they start.
MARK = "MESHLOCAL_FOLDER"


class Failure(Exception):
    """What did not happen in time, with what the nodes said."""


def wait_until(what, condition, seconds=PATIENCE, poll=POLL):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:g} s: {what}")
        time.sleep(poll)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self.path))
        except OSError:
            self.sock.close()
            raise


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Node:
    """One daemon: its data folder, its process, and its API on `api.sock`."""

    def __init__(self, mesh, name, flags=(), environment=None, host=None):
        self.mesh, self.name = mesh, name
        # Where it runs: something with an `address` and the `prefix` of a command there. None is this machine.
        self.host = host
        self.data = mesh.folder / name
        self.flags, self.environment = list(flags), dict(environment or {})
        self.process = None
        self.starts = 0

    # The process

    def start(self, *arguments, wait=True, seconds=PATIENCE):
        """Starts the daemon, with the node's own flags and what is given here, and waits for its `ready`."""
        self.starts += 1
        self.output = self.mesh.folder / f"{self.name}.{self.starts}.out"
        self.log = self.mesh.folder / f"{self.name}.{self.starts}.log"
        prefix, address = (self.host.prefix, self.host.address) if self.host else ([], self.mesh.address)
        flags = [*self.flags, *map(str, arguments)]
        for flag, value in ("--bind", f"{address}:0"), ("--http", "none"):
            if flag not in flags:
                flags += [flag, value]
        command = [*prefix, self.mesh.binary, "start", "--data", str(self.data), "--name", self.name, *flags]
        with open(self.output, "wb") as output, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, cwd=self.mesh.workdir,
                env={**os.environ, MARK: str(self.mesh.folder), **self.environment})
        if wait:
            self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=PATIENCE):
        def ready():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode} before it was ready\n{self.tail()}")
            return any(line.startswith("ready") for line in self.output.read_text().splitlines())

        self.wait_until(f"{self.name} prints ready", ready, seconds)

    def kill(self):
        """kill -9: nothing is said to anyone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=PATIENCE, number=signal.SIGTERM):
        """Leaves the mesh; the exit status."""
        self.process.send_signal(number)
        return self.wait_exit(seconds)

    def wait_exit(self, seconds=PATIENCE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds:g} s\n{self.tail()}") from None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def tail(self, lines=15):
        parts = [path.read_text(errors="replace").splitlines()[-lines:] for path in (self.output, self.log)]
        return "\n".join(f"    {self.name}| {line}" for part in parts for line in part)

    def wait_until(self, what, condition, seconds=PATIENCE):
        try:
            return wait_until(what, condition, seconds)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.tail()}") from None

    # The API

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        connection = UnixConnection(self.data / "api.sock", timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        finally:
            connection.close()

    def status(self):
        response = self.request("GET", "/v1/status")
        if response.status != 200:
            raise Failure(f"{self.name} answers {response.status} to /v1/status: {response.body!r}")
        return response.json

    def state_of(self, name):
        """What this node believes of a member; None if it knows none by that name."""
        return next((member["state"] for member in self.status()["members"] if member["name"] == name), None)

    @property
    def addresses(self):
        return json.loads((self.data / "addresses.json").read_text())

    @property
    def address(self):
        """Where others reach it."""
        return self.addresses["advertise"]

    def command(self, *arguments, input=None, timeout=PATIENCE):
        """Runs the CLI against this node, which the environment names: `--data` of `send` and `call` is the message."""
        return self.mesh.command(*arguments, input=input, timeout=timeout, environment={"MESHNODE_DATA": str(self.data)})


class Spawned:
    """A command that goes on, with what it has written until now."""

    def __init__(self, process, output):
        self.process, self.output = process, output

    def text(self):
        return self.output.read_text(errors="replace")


class Mesh:
    """Nodes that know each other. Use it in a `with` statement: leaving it ends what still runs."""

    def __init__(self, binary=None, workdir=None):
        binary = binary or os.environ.get("MESHNODE")
        if not binary:
            raise SystemExit("say in MESHNODE which meshnode binary to use (scripts/test and scripts/demo do)")
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="meshnode-"))
        self.workdir = workdir or self.folder
        # A port that a node gives back stays free until the node is back: nobody else asks for one here.
        self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        self.token_file = self.folder / "token"
        self.nodes, self.spawned = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        processes = [each.process for each in self.nodes + self.spawned if each.process]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        try:
            wait_until("workers end with their daemons", lambda: not self.processes())
        finally:
            for process in self.processes():
                os.kill(process, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self):
        """Ids of all processes that this mesh started, directly or through a node, and that still run."""
        mark = f"{MARK}={self.folder}\0".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    pass  # ended meanwhile, or another user's
        return found

    def node(self, name, *flags, environment=None, host=None):
        """A node that is not started yet."""
        node = Node(self, name, flags, environment, host)
        self.nodes.append(node)
        return node

    def create(self, name, *flags, environment=None, host=None):
        """The first node; its join token is kept for the others."""
        node = self.node(name, *flags, environment=environment, host=host).start()
        self.keep_token(node)
        return node

    def keep_token(self, node):
        token = node.command("token")
        if token.returncode != 0:
            raise Failure(f"meshnode token ended with {token.returncode}: {token.stderr}")
        self.token_file.touch(0o600)
        self.token_file.write_text(token.stdout)

    def join(self, name, *flags, seed=None, environment=None, host=None):
        seed = seed or self.nodes[0]
        node = self.node(name, *flags, environment=environment, host=host)
        return node.start("--join", seed.address, "--token-file", self.token_file)

    def restart(self, nodes):
        """Kills all of them, and starts them again where they were."""
        addresses = {node.name: node.address for node in nodes}
        for node in nodes:
            node.kill()
        for node in nodes:
            node.start("--bind", addresses[node.name], wait=False)
        for node in nodes:
            node.wait_ready()

    def wait_members(self, count, state="alive", seconds=PATIENCE, nodes=None):
        """Every node counts so many members in that state."""
        for node in nodes or [node for node in self.nodes if node.running]:
            counted = lambda: node.status()["mesh"]["members"][state] == count
            try:
                wait_until(f"{node.name} sees {count} members {state}", counted, seconds)
            except Failure as failure:
                tails = "\n".join(node.tail() for node in self.nodes if node.process)
                raise Failure(f"{failure}\n{tails}") from None

    def wait_replicas(self, nodes=None, seconds=PATIENCE):
        """Every partition has its voters on these nodes, as many as it can have, and none is on its way."""
        nodes = nodes or [node for node in self.nodes if node.running]
        names, count = {node.name for node in nodes}, min(REPLICAS, len(nodes))

        def spread():
            view = nodes[0].request("GET", "/v1/partitions").json
            return not view["missing"] and all(
                sorted(replica["role"] for replica in partition["replicas"]) == ["leader"] + ["voter"] * (count - 1)
                and {replica["node"] for replica in partition["replicas"]} <= names
                for partition in view["partitions"])

        nodes[0].wait_until(f"every partition has {count} voters", spread, seconds)

    def spawn(self, *arguments, node):
        """Starts a command against a node, such as `event follow`."""
        output = self.folder / f"command.{len(self.spawned)}"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                [self.binary, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                cwd=self.workdir, env={**os.environ, "MESHNODE_DATA": str(node.data)})
        self.spawned.append(Spawned(process, output))
        return self.spawned[-1]

    def command(self, *arguments, input=None, timeout=PATIENCE, environment=None):
        return subprocess.run(
            [self.binary, *map(str, arguments)], input=input, capture_output=True, text=True, timeout=timeout,
            cwd=self.workdir, env={**os.environ, **(environment or {})})
