"""What the systems under comparison have in common: a network of their own, events with the moment at which they
arrived here, and what their processes cost."""
import ctypes
import os
import re
import selectors
import statistics
import subprocess
import time

from meshlocal import Failure

CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace with nothing but loopback; whoever is started inside `with network:` lives in it."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self):
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.call(self.libc.unshare, CLONE_NEWNET)
        self.inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.__exit__()

    def call(self, function, *arguments):
        if function(*arguments) != 0:
            raise Failure(f"network namespace: {os.strerror(ctypes.get_errno())}; run it as root")

    def __enter__(self):
        self.call(self.libc.setns, self.inside, CLONE_NEWNET)

    def __exit__(self, *_):
        self.call(self.libc.setns, self.outside, CLONE_NEWNET)

    def close(self):
        os.close(self.inside)
        os.close(self.outside)

    def counters(self):
        """Bytes and packets over loopback, every header included, each packet once."""
        with self, open("/proc/thread-self/net/dev") as lines:
            fields = next(line for line in lines if line.strip().startswith("lo:")).split(":")[1].split()
        return int(fields[0]), int(fields[1])


class Cluster:
    """Members n1 to nN of one system. A subclass starts them and turns what they say into events."""

    def __init__(self, count):
        self.names = [f"n{number}" for number in range(1, count + 1)]
        self.network = Network()
        self.selector = selectors.DefaultSelector()
        self.events = []  # (time, observer, kind, subject)

    # To be filled in

    def start(self): raise NotImplementedError  # all members, knowing nobody
    def join(self): raise NotImplementedError  # everybody learns of n1 at once; returns when that began
    def raise_event(self, name, event): raise NotImplementedError
    def change_tag(self, name, value): raise NotImplementedError
    def process(self, name): raise NotImplementedError
    def restart(self, name): raise NotImplementedError
    def parse(self, line): raise NotImplementedError  # (kind, subject) or None

    # Events

    def watch(self, file, observer):
        self.selector.register(file, selectors.EVENT_READ, [observer, b""])

    def read(self, seconds):
        for key, _ in self.selector.select(seconds):
            moment = time.monotonic()
            try:
                data = os.read(key.fd, 65536)
            except (BlockingIOError, ConnectionResetError):
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
            lines = (key.data[1] + data).split(b"\n")
            key.data[1] = lines.pop()
            for line in lines:
                event = self.parse(line.decode(errors="replace"))
                if event:
                    self.events.append((moment, key.data[0], *event))

    def wait(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failure(f"{type(self).__name__}: not within {seconds:g} s: {what}")
            self.read(0.02)

    def pause(self, seconds):
        """Goes on reading, so that no member has to wait for its log to be taken."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read(0.1)

    def told(self, kind, subject):
        """When each member first told of it."""
        told = {}
        for moment, observer, *event in self.events:
            if event == [kind, subject]:
                told.setdefault(observer, moment)
        return told

    def until_told(self, kind, subject, observers):
        self.wait(f"{len(observers)} members tell of {kind} {subject}", lambda: observers <= self.told(kind, subject).keys())
        return max(moment for observer, moment in self.told(kind, subject).items() if observer in observers)

    # Measurements, each in seconds from its cause

    def time_mass_join(self):
        self.start()
        self.events.clear()
        began = self.join()
        pairs = lambda: {(observer, subject): moment for moment, observer, kind, subject in reversed(self.events)
                         if kind == "alive" and observer != subject}
        self.wait("all know all", lambda: len(pairs()) == len(self.names) * (len(self.names) - 1), 20)
        return max(pairs().values()) - began

    def time_event(self, name, event):
        self.events.clear()
        began = time.monotonic()
        self.raise_event(name, event)
        return self.until_told("event", event, set(self.names)) - began

    def time_tag(self, name, value):
        self.events.clear()
        began = time.monotonic()
        self.change_tag(name, value)
        return self.until_told("tag", name, set(self.names) - {name}) - began

    def time_death(self, name, signal):
        """To the first suspicion and to the last verdict."""
        self.events.clear()
        began = time.monotonic()
        self.process(name).send_signal(signal)
        last = self.until_told("dead", name, set(self.names) - {name})
        suspected = self.told("suspect", name) or self.told("dead", name)
        times = min(suspected.values()) - began, last - began
        self.process(name).kill()
        self.process(name).wait()
        self.events.clear()
        self.restart(name)
        self.until_told("alive", name, set(self.names) - {name})
        return times

    # Costs

    def sample(self):
        return time.monotonic(), *self.network.counters(), sum(cpu(self.process(name).pid) for name in self.names)

    def cost(self, before, after):
        """Per member and second, between two samples, and the memory now."""
        seconds, count, packets, processor = (late - early for early, late in zip(before, after))
        members = len(self.names)
        return {"bytes": count / seconds / members, "packets": packets / seconds / members,
                "cpu": 100 * processor / seconds / members,
                "memory": statistics.median(resident(self.process(name).pid) for name in self.names)}


def cpu(process):
    """Seconds of a core, user and system, since it began."""
    fields = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process):
    """MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process}/status").read())[1]) / 1024
