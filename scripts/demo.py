"""Three nodes on loopback count the words of docs/ while one of them is killed and comes back; see scripts/demo.

Every line of every text is a message. Its sender repeats it, under one idempotency key, until some node acknowledges
it. What was processed is read where the effect happened: in the journals of the workers. Exit 0 if every acknowledged
message was processed and the words add up to what a plain count of the same texts gives.
"""
import collections
import json
import os
import pathlib
import queue
import re
import signal
import sys
import threading
import time

from meshlocal import Failure, Mesh, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "cluster" / "examples" / "wordcount"
NODES = ("alpha", "beta", "gamma")
ACTORS = 24
SENDERS = 8


def say(text):
    print(f"demo: {text}", flush=True)


def texts():
    files = sorted((ROOT / "docs").rglob("*.md"))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def messages(texts):
    """(idempotency key, actor, text) of every line that has a word."""
    found = []
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\w", line):
                found.append((f"{name}:{number}", f"part-{len(found) % ACTORS:02}", line))
    return found


class Senders:
    """Threads that each send one message at a time, to any node that takes it."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.waiting = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.retries = collections.Counter()
        self.errors = []
        for number in range(SENDERS):
            threading.Thread(target=self.run, args=(number,), daemon=True).start()

    def send(self, messages):
        """Returns when all of them are acknowledged."""
        for message in messages:
            self.waiting.put(message)
        wanted = {key for key, _, _ in messages}

        def done():
            if self.errors:
                raise Failure(self.errors[0])
            with self.lock:
                return wanted <= self.acknowledged

        wait_until(f"{len(wanted)} messages are acknowledged", done, 300)

    def run(self, number):
        try:
            while True:
                self.send_one(number, *self.waiting.get())
        except Exception as error:  # told to the main thread, which ends the demo
            self.errors.append(f"sender {number}: {error!r}")

    def send_one(self, number, key, actor, text):
        deadline = time.monotonic() + 120
        body = json.dumps({"key": key, "text": text})
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        for attempt in range(10_000):
            node = self.nodes[(number + attempt) % len(self.nodes)]
            try:
                reply = node.request("POST", f"/v1/send/text/wordcount/{actor}", body, headers)
                if reply.status == 202:
                    with self.lock:
                        self.acknowledged.add(key)
                    return
                # 429 and 503 pass, 504 is an unknown outcome: under its key the message can be sent again.
                if reply.status not in (429, 503, 504):
                    raise Failure(f"{node.name} answers {reply.status} to {key}: {reply.body.decode()}")
                reason = f"answer {reply.status}"
            except OSError as error:
                reason = type(error).__name__
            with self.lock:
                self.retries[reason] += 1
            if time.monotonic() > deadline:
                raise Failure(f"no node took {key} within 120 s, last reason: {reason}")
            if attempt % len(self.nodes) == len(self.nodes) - 1:
                time.sleep(0.1)  # every node was asked once: back off before the next round


class Journals:
    """What the workers wrote down, one file per node, read as it grows."""

    def __init__(self, folder):
        self.paths = {name: folder / f"{name}.journal" for name in NODES}
        self.offsets = dict.fromkeys(NODES, 0)
        self.taken = dict.fromkeys(NODES, 0)  # lines, repeats included
        self.words = {}  # key: words of the message, as first counted

    def processed(self):
        """Keys of all messages processed until now."""
        for name, path in self.paths.items():
            if not path.exists():
                continue
            with open(path, "rb") as file:
                file.seek(self.offsets[name])
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.offsets[name] += len(line)
                    self.taken[name] += 1
                    entry = json.loads(line)
                    self.words.setdefault(entry["key"], entry["words"])
        return self.words.keys()


def detect(victim, survivors):
    """Kills a node; seconds to the first suspicion and to the verdict of each survivor."""
    say(f"kill -9 {victim.name}")
    began = time.monotonic()
    victim.kill()
    suspected, dead = {}, {}

    def all_know():
        for node in survivors:
            if node.name not in dead:
                state = node.state_of(victim.name)
                elapsed = time.monotonic() - began
                if state in ("suspect", "dead"):
                    suspected.setdefault(node.name, elapsed)
                if state == "dead":
                    dead[node.name] = elapsed
        return len(dead) == len(survivors)

    wait_until(f"all survivors know that {victim.name} is dead", all_know)
    return min(suspected.values()), max(dead.values())


def members(node):
    counts = node.status()["mesh"]["members"]
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"


def table(rows):
    width = max(len(name) for name, _ in rows)
    print("\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in rows) + "\n", flush=True)


def run(mesh):
    journals = Journals(mesh.folder)
    environment = {name: {"WORDCOUNT_JOURNAL": str(path)} for name, path in journals.paths.items()}

    alpha = mesh.create("alpha", environment=environment["alpha"])
    nodes = [alpha] + [mesh.join(name, environment=environment[name]) for name in NODES[1:]]
    mesh.wait_members(3)
    say("three nodes: " + ", ".join(f"{node.name} at {node.address}" for node in nodes))

    applied = alpha.command("apply", "-f", EXAMPLE / "wordcount.yaml")
    if applied.returncode != 0:
        raise Failure(f"meshnode apply ended with {applied.returncode}: {applied.stderr}")
    print(applied.stdout, end="", flush=True)

    documents = texts()
    work = messages(documents)
    third = len(work) // 3
    say(f"{len(work)} lines of {len(documents)} texts to {ACTORS} actors, from {SENDERS} senders")
    senders = Senders(nodes)
    before = members(alpha)
    senders.send(work[:third])

    victim, survivors = nodes[2], nodes[:2]
    # Sent while the node dies: some of these messages are on it when it goes, all are sent until acknowledged.
    with_kill = threading.Thread(target=guarded, args=(senders.send, work[third : 2 * third], senders), daemon=True)
    with_kill.start()
    first, last = detect(victim, survivors)
    during = members(alpha)
    say(f"suspected after {first:.2f} s, dead to all after {last:.2f} s")
    with_kill.join()  # its waits have deadlines

    say(f"start {victim.name} again, without --join")
    victim.start()
    senders.send(work[2 * third :])
    mesh.wait_members(3)
    after = members(alpha)

    acknowledged = senders.acknowledged
    wait_until("all acknowledged messages are processed", lambda: acknowledged <= journals.processed())
    mesh_is_empty = lambda: all(node.status()["node"]["mailbox_depth"] == 0 for node in nodes)
    wait_until("all mailboxes are empty", mesh_is_empty)
    processed = set(journals.processed())

    counted = collections.Counter()
    for words in journals.words.values():
        counted.update(words)
    recount = collections.Counter(word for text in documents.values() for word in re.findall(r"\w+", text.lower()))
    taken = sum(journals.taken.values())

    for node in nodes:
        status = node.stop()
        if status != 0:
            raise Failure(f"{node.name} ended with {status} on SIGTERM\n{node.tail()}")
    wait_until("no process is left", lambda: not mesh.processes())

    table([
        ("messages acknowledged, distinct", f"{len(acknowledged):,}"),
        ("messages processed, distinct", f"{len(processed):,}"),
        ("repeats (delivery is at least once)", f"{taken - len(processed):,}"),
        ("processed on", ", ".join(f"{name} {count:,}" for name, count in journals.taken.items())),
        ("retries of the senders", ", ".join(f"{count} x {why}" for why, count in senders.retries.items()) or "none"),
        ("members before the kill", before),
        ("members after the kill", during),
        ("members after the restart", after),
        ("kill -9 to the first suspicion", f"{first:.2f} s"),
        ("kill -9 to the last verdict", f"{last:.2f} s"),
        ("words counted by the mesh", f"{counted.total():,}"),
        ("words by a plain count", f"{recount.total():,}"),
    ])
    if acknowledged != processed:
        raise Failure(f"not the same messages: {sorted(acknowledged ^ processed)[:10]}")
    if counted != recount:
        raise Failure(f"not the same words: {(counted - recount) + (recount - counted)}")
    say("every acknowledged message was processed, and the words add up; nothing is left running")


def guarded(work, argument, senders):
    """In a thread: a failure goes to the main thread with the senders' own."""
    try:
        work(argument)
    except Exception as error:
        senders.errors.append(str(error))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the mesh is closed then, too
    try:
        with Mesh(workdir=EXAMPLE) as mesh:
            run(mesh)
    except Failure as failure:
        sys.exit(f"demo: failed: {failure}")


main()
