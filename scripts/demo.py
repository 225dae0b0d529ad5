"""Three nodes on loopback count the words of docs/ while the leader of the busiest partition is killed twice; see scripts/demo.

Every line of every text is a message to one of a few counters: so many words. Its sender repeats it, under one idempotency key, until
some node acknowledges it; senders never pause. Exit 0 if the counters made as many turns as messages were acknowledged, and hold
their words, and if all replicas of each partition have the same on their disks.
"""
import collections
import json
import pathlib
import re
import signal
import sys
import threading
import time

from meshlocal import Failure, Mesh, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
NODES = ("alpha", "beta", "gamma")
ACTORS = 24
SENDERS = 8
KILLS = 2
# Seconds of load before the first kill and after each return.
BREATH = 3
COUNTERS = "/meshnode/counter/part-"


def say(text):
    print(f"demo: {text}", flush=True)


def lines():
    """(name, words) of every line of docs/ that has a word."""
    found = []
    for file in sorted((ROOT / "docs").rglob("*.md")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            words = len(re.findall(r"\w+", line))
            if words:
                found.append((f"{file.relative_to(ROOT)}:{number}", words))
    return found


class Senders:
    """Threads that each send one message at a time, to any node that takes it, until they are told to stop."""

    def __init__(self, nodes, work):
        self.nodes, self.work = nodes, work
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.acknowledged = {}  # key: (actor, words)
        self.acks = []  # (when the send began, when it was acknowledged, actor)
        self.retries = collections.Counter()
        self.errors = []
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(180)
        self.check()
        if any(thread.is_alive() for thread in self.threads):
            raise Failure("a sender does not end")

    def check(self):
        if self.errors:
            raise Failure(self.errors[0])

    def run(self, number):
        try:
            place = number
            while not self.stopping.is_set():
                turn, index = divmod(place, len(self.work))
                name, words = self.work[index]
                self.send(number, f"{turn}:{name}", index % ACTORS, words)
                place += SENDERS
        except Exception as error:  # told to the main thread, which ends the demo
            self.errors.append(f"sender {number}: {error!r}")

    def send(self, number, key, actor, words):
        began = time.monotonic()
        body, headers = json.dumps({"add": words}), {"Idempotency-Key": key}
        for attempt in range(10_000):
            node = self.nodes[(number + attempt) % len(self.nodes)]
            try:
                reply = node.request("POST", f"/v1/send{COUNTERS}{actor:02}", body, headers, timeout=60)
                if reply.status == 202:
                    with self.lock:
                        self.acknowledged[key] = (actor, words)
                        self.acks.append((began, time.monotonic(), actor))
                    return
                # 429 and 503 pass, 504 is an unknown outcome: under its key the message can be sent again.
                if reply.status not in (429, 503, 504):
                    raise Failure(f"{node.name} answers {reply.status} to {key}: {reply.body.decode()}")
                reason = f"answer {reply.status}"
            except OSError as error:
                reason = type(error).__name__
            with self.lock:
                self.retries[reason] += 1
            if time.monotonic() > began + 120:
                raise Failure(f"no node took {key} within 120 s, last reason: {reason}")
            if attempt % len(self.nodes) == len(self.nodes) - 1:
                time.sleep(0.01)  # every node was asked once

    def go_on(self, seconds):
        time.sleep(seconds)
        self.check()

    def count(self):
        with self.lock:
            return len(self.acknowledged)


def places(node):
    """Partition of each actor."""
    return {actor: node.request("GET", f"/v1/explain{COUNTERS}{actor:02}").json["partition"] for actor in range(ACTORS)}


def leader(nodes, partition):
    def found():
        for node in nodes:
            if node.running:
                view = node.request("GET", "/v1/partitions").json["partitions"][partition]
                names = [replica["node"] for replica in view["replicas"] if replica["role"] == "leader"]
                return next((each for each in nodes if names == [each.name] and each.running), None)

    return wait_until(f"partition {partition} has a leader", found)


def kill_leader(nodes, senders, partition_of):
    """Kills the leader of the busiest partition and starts it again. Returns what a table says of it."""
    with senders.lock:
        load = collections.Counter(partition_of[actor] for _, _, actor in senders.acks)
    busiest = load.most_common(1)[0][0]
    victim = leader(nodes, busiest)
    say(f"kill -9 {victim.name}, which leads partition {busiest}, the busiest with {load[busiest]:,} messages")
    began = time.monotonic()
    victim.kill()
    its = lambda: [end for start, end, actor in senders.acks if partition_of[actor] == busiest and start > began]

    def goes_on():
        senders.check()
        with senders.lock:
            return its()

    wait_until("messages to its partition are acknowledged again", goes_on)
    others = [node for node in nodes if node is not victim]
    wait_until("the others hold it for dead", lambda: all(node.state_of(victim.name) == "dead" for node in others))
    dead = time.monotonic() - began
    senders.go_on(1)
    say(f"start {victim.name} again, without --join")
    victim.start()
    senders.nodes[0].mesh.wait_members(len(nodes))
    senders.nodes[0].mesh.wait_replicas(nodes)
    back = time.monotonic() - began
    senders.go_on(BREATH)
    with senders.lock:
        first = min(its()) - began
        longest = max(end - start for start, end, _ in senders.acks if end > began)
        times = sorted(end for _, end, _ in senders.acks if end > began - 1)
        silence = max(after - before for before, after in zip(times, times[1:]))
    return [
        (f"kill -9 of {victim.name} to the next acknowledgement", ""),
        ("  of its busiest partition", f"{first:.2f} s"),
        ("  longest wait of one send", f"{longest:.2f} s"),
        ("  longest silence of all senders", f"{silence:.2f} s"),
        ("  to the last verdict of its death", f"{dead:.2f} s"),
        ("  until all replicas are whole again", f"{back:.1f} s"),
    ]


def table(rows):
    width = max(len(name) for name, _ in rows)
    print("\n" + "\n".join(f"  {name:<{width}}  {value}".rstrip() for name, value in rows) + "\n", flush=True)


def run(mesh):
    nodes = [mesh.create(NODES[0])] + [mesh.join(name) for name in NODES[1:]]
    mesh.wait_members(len(nodes))
    say("three nodes: " + ", ".join(f"{node.name} at {node.address}" for node in nodes))
    mesh.wait_replicas()
    say("every partition has three replicas")

    work = lines()
    partition_of = places(nodes[0])
    say(f"lines of docs/ to {ACTORS} actors in {len(set(partition_of.values()))} partitions, from {SENDERS} senders without a pause")
    senders = Senders(nodes, work)
    began = time.monotonic()
    senders.go_on(BREATH)
    rows = []
    for _ in range(KILLS):
        rows += kill_leader(nodes, senders, partition_of)
    senders.stop()
    took = time.monotonic() - began

    empty = lambda: all(node.status()["node"]["mailbox_depth"] == 0 for node in nodes)
    wait_until("all mailboxes are empty", empty)
    # Turns of each actor, before anybody asks it for its value.
    turns = {actor["path"]: actor["processed"] for actor in nodes[1].request("GET", f"/v1/actors?prefix={COUNTERS}").json["actors"]}
    counted = 0
    for actor in range(ACTORS):
        reply = nodes[actor % len(nodes)].request("POST", f"/v1/call{COUNTERS}{actor:02}", '{"read":true}')
        if reply.status != 200:
            raise Failure(f"the counter {actor} cannot be read: {reply.status} {reply.body!r}")
        counted += reply.json["value"]
    words = sum(words for _, words in senders.acknowledged.values())
    # Copies end with what was acknowledged: nothing is sent any more.
    compared = nodes[2].command("partitions", "--verify")

    for node in nodes:
        status = node.stop()
        if status != 0:
            raise Failure(f"{node.name} ended with {status} on SIGTERM\n{node.tail()}")
    wait_until("no process is left", lambda: not mesh.processes())

    table([
        ("messages acknowledged, distinct", f"{senders.count():,}"),
        ("turns made", f"{sum(turns.values()):,}"),
        ("words acknowledged", f"{words:,}"),
        ("words counted by the mesh", f"{counted:,}"),
        ("acknowledged per second, all the time", f"{senders.count() / took:,.0f}"),
        ("retries of the senders", ", ".join(f"{count} x {why}" for why, count in senders.retries.items()) or "none"),
        *rows,
        ("states of the replicas compared", compared.stdout.strip().splitlines()[-1]),
    ])
    if sum(turns.values()) != senders.count():
        raise Failure("the turns are not as many as the messages that were acknowledged")
    if counted != words:
        raise Failure("the words do not add up")
    if compared.returncode != 0:
        raise Failure(f"replicas differ, or could not be compared:\n{compared.stdout}{compared.stderr}")
    say("every acknowledged message was processed once, and all replicas are equal; nothing is left running")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the mesh is closed then, too
    try:
        with Mesh() as mesh:
            run(mesh)
    except Failure as failure:
        sys.exit(f"demo: failed: {failure}")


main()
