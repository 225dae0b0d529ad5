"""Faults of a chaos run: what, to whom, and for how long is drawn from the seed. Several may be on at a time."""
import random
import signal
import time

from namespaces import run

QUIET_SECONDS = (0.5, 5)
# Most are short, for what begins is what breaks; some are longer than any timeout.
LENGTHS = ((0.6, (0.3, 4)), (0.3, (4, 15)), (0.1, (15, 60)))
CLOCK_SECONDS = 7200


class Faults:
    """Each kind is a generator: what it does before its `yield` begins the fault, what it does after ends it."""

    def __init__(self, chaos, kinds):
        self.chaos, self.random = chaos, random.Random(f"{chaos.seed} faults")
        self.kinds = kinds
        self.count = dict.fromkeys(kinds, 0)
        self.on = []  # (until, names, generator, line)
        self.drops = {}  # number of a fault: (from, to) whose packets are lost
        self.down = set()  # names of nodes that do not run because we want it so
        self.may_end = set()  # and of those that may end by themselves

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        begin = 0
        while time.monotonic() < deadline and not self.chaos.over.wait(0.05):
            self.look()
            for fault in [fault for fault in self.on if fault[0] <= time.monotonic()]:
                self.end(fault)
            if time.monotonic() >= begin:
                self.begin(deadline)
                begin = time.monotonic() + self.random.uniform(*QUIET_SECONDS)
        for fault in list(self.on):
            self.end(fault)
        self.look()

    def begin(self, deadline):
        """Never more than a minority of the nodes at a time, but now and then all of them at once."""
        harmed = {name for _, names, _, _ in self.on for name in names}
        kind = self.random.choice(self.kinds)
        length = self.length()
        nodes = [node for node in self.chaos.mesh.nodes if node.name not in harmed]
        if kind in ("killall", "split"):
            if harmed:
                return
            node = None
        else:
            if kind in ("full", "nearly_full"):
                nodes = [node for node in nodes if node.host.disk]
            if len(harmed) >= (len(self.chaos.mesh.nodes) - 1) // 2 or not nodes:
                return
            node = self.random.choice(nodes)
        self.count[kind] += 1
        fault = getattr(self, kind)(node) if node else getattr(self, kind)()
        line = {"type": "fault", "kind": kind, "call": self.chaos.history.now()}
        line["nodes"] = next(fault) or [node.name]
        self.on.append((min(time.monotonic() + length, deadline), line["nodes"], fault, line))

    def length(self):
        draw = self.random.random()
        for share, bounds in LENGTHS:
            if draw < share:
                break
            draw -= share
        return min(self.random.uniform(*bounds), self.chaos.longest)

    def end(self, fault):
        self.on.remove(fault)
        next(fault[2], None)
        fault[3]["return"] = self.chaos.history.now()
        self.chaos.history.add(fault[3])

    def look(self):
        """Nobody ends by itself, unless its disk is full."""
        for node in self.chaos.mesh.nodes:
            if node.process.poll() is not None and node.name not in self.down | self.may_end:
                raise self.chaos.failure(f"{node.name} ended by itself with {node.process.returncode}\n{node.tail()}")

    # Processes

    def kill(self, node):
        self.down.add(node.name)
        node.kill()
        yield
        self.start(node)

    def killall(self):
        for node in self.chaos.mesh.nodes:
            self.down.add(node.name)
            node.kill()
        yield [node.name for node in self.chaos.mesh.nodes]
        for node in self.chaos.mesh.nodes:
            self.start(node)

    def stop(self, node):
        """As a service manager does it: SIGTERM, and SIGKILL for who takes too long."""
        self.down.add(node.name)
        node.process.send_signal(signal.SIGTERM)
        yield
        try:
            node.wait_exit(30)
        except self.chaos.failure as failure:
            print(f"  {failure}")
            node.kill()
            self.chaos.troubles.append(f"{node.name} did not end within 30 s of SIGTERM")
        self.start(node)

    def pause(self, node):
        node.process.send_signal(signal.SIGSTOP)
        yield
        node.process.send_signal(signal.SIGCONT)

    def start(self, node):
        node.start("--bind", node.bound, wait=False)
        self.down.discard(node.name)

    # Networks

    def isolate(self, node):
        return self.cut([(node, other) for other in self.others(node)], both=True)

    def partial(self, node):
        others = self.others(node)
        return self.cut([(node, other) for other in self.random.sample(others, self.random.randint(1, len(others) - 1))], both=True)

    def oneway(self, node):
        """It hears some of the others no more, or they do not hear it."""
        others = self.others(node)
        pairs = [(node, other) for other in self.random.sample(others, self.random.randint(1, len(others)))]
        return self.cut(pairs if self.random.random() < 0.5 else [(b, a) for a, b in pairs], both=False)

    def split(self):
        nodes = self.random.sample(self.chaos.mesh.nodes, len(self.chaos.mesh.nodes))
        half = len(nodes) // 2
        return self.cut([(a, b) for a in nodes[:half] for b in nodes[half:]], both=True, names=[node.name for node in nodes[:half]])

    def others(self, node):
        return [other for other in self.chaos.mesh.nodes if other is not node]

    def cut(self, pairs, both, names=None):
        key = object()
        self.drops[key] = pairs + [(b, a) for a, b in pairs] if both else pairs
        self.filter()
        yield names
        del self.drops[key]
        self.filter()

    def filter(self):
        """All rules anew: what one fault ends another may still want."""
        for node in self.chaos.mesh.nodes:
            node.host.network.heal()
            silent = {source.host.address for pairs in self.drops.values() for source, target in pairs if target is node}
            for address in sorted(silent):
                node.host.network.drop(f"ip saddr {address}")

    def netem(self, node):
        run(*node.host.network.prefix, "tc", "qdisc", "add", "dev", "eth0", "root", "netem",
            "delay", "20ms", "10ms", "loss", "10%", "duplicate", "2%", "reorder", "5%")
        yield
        run(*node.host.network.prefix, "tc", "qdisc", "delete", "dev", "eth0", "root")

    # Disks and clocks

    def full(self, node):
        self.may_end.add(node.name)
        node.host.disk.fill(until=0)
        yield
        node.host.disk.empty()
        # It ends when a write has failed, which may be now.
        time.sleep(0.2)
        if node.process.poll() is not None:
            self.start(node)
        self.may_end.discard(node.name)

    def nearly_full(self, node):
        """No more messages are taken here."""
        node.host.disk.fill(until=20 << 20)
        yield
        node.host.disk.empty()

    def clock(self, node):
        offset = self.random.choice([-1, 1]) * self.random.choice([0.2, 5, 600, CLOCK_SECONDS])
        node.host.set_clock(offset)
        yield
        node.host.set_clock(0)


def netem_is_there(host):
    try:
        run(*host.prefix, "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms")
        run(*host.prefix, "tc", "qdisc", "delete", "dev", "eth0", "root")
        return True
    except (RuntimeError, FileNotFoundError):
        return False
