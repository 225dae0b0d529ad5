"""Shows on the running testbed what a mesh must stand: check.py SCRIPTS/TESTBED [--short].

Partition of the zones, datagrams blocked between two nodes, a rolling restart under load, and a rotation of the keys
during a partition, each ending in one mesh on which every node agrees, with every acknowledged message processed. Every wait has a deadline; the figures printed
are what was seen, not what is demanded.
"""
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
NODES = [1, 2, 3, 4, 5]
EAST, WEST = [1, 2, 3], [4, 5]
# Seconds: what happens at all happens within them, on whatever machine.
PATIENCE = 180
DOCKER = os.environ.get("DOCKER", "docker")
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME", "meshnode-testbed")
IMAGE = os.environ.get("MESHNODE_IMAGE", "meshnode:testbed")


class Failure(Exception):
    """What did not hold."""


def say(text):
    print(f"check: {text}", flush=True)


def run(*command, timeout=PATIENCE, input=None, allow=(0,)):
    done = subprocess.run([str(each) for each in command], input=input, capture_output=True, text=True, timeout=timeout)
    if done.returncode not in allow:
        raise Failure(f"{' '.join(map(str, command[:6]))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(what, condition, seconds, otherwise=lambda: ""):
    """Seconds until `condition()` was true."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Failure(f"not within {seconds} s: {what}\n{otherwise()}")
        time.sleep(0.2)
    return time.monotonic() - began


class Testbed:
    def __init__(self, script):
        self.script = script
        self.ids = {}
        for n in NODES:
            label = "label=com.docker.compose."
            found = run(DOCKER, "ps", "-aq", "--filter", f"{label}project={PROJECT}", "--filter", f"{label}service=node{n}")
            self.ids[n] = found.stdout.strip()
        missing = [n for n, id in self.ids.items() if not id]
        if missing:
            raise Failure(f"nodes {missing} do not exist; start the testbed with: scripts/testbed up")

    def __call__(self, *arguments):
        return run(self.script, *arguments, timeout=300)

    def node(self, n, *command, allow=(0,)):
        """Runs a command in a node."""
        return run(DOCKER, "exec", self.ids[n], *command, allow=allow)

    def status(self, n):
        return json.loads(self.node(n, "meshnode", "status", "--format", "json").stdout)

    def states(self, n):
        return {member["name"]: member["state"] for member in self.status(n)["members"]}

    def logs(self, n):
        done = run(DOCKER, "logs", "--tail", "12", self.ids[n])
        return "".join(f"    node{n}| {line}\n" for line in (done.stdout + done.stderr).splitlines())

    def all_logs(self):
        return "".join(self.logs(n) for n in NODES)

    def wait_agreement(self, seconds=PATIENCE):
        """One mesh: every node says that all five are alive, and nothing else of anybody."""
        everyone = {f"node{n}": "alive" for n in NODES}

        def agree():
            seen = [self.status(n) for n in NODES]
            return len({each["mesh"]["id"] for each in seen}) == 1 and all(
                each["mesh"]["health"] == "healthy" and {m["name"]: m["state"] for m in each["members"]} == everyone
                for each in seen)

        return wait_until("every status says that all five are alive", agree, seconds, self.all_logs)


def hardened(testbed):
    """What the compose file promises about a container."""
    for n in NODES:
        identity = testbed.node(n, "sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x 2>&1; stat -c %a /mesh/token")
        uid, capabilities, refusal, mode = identity.stdout.splitlines()
        if uid == "0" or int(capabilities.split()[1], 16) != 0 or "Read-only" not in refusal or mode != "600":
            raise Failure(f"node{n} is not hardened: {identity.stdout}")
    say("five nodes: not root, no capability, read-only root, token in a file of mode 600")


def part_zones(testbed):
    """Seconds until each zone holds the other for dead."""
    testbed("partition", "east", "west")
    began = time.monotonic()
    for ours, others in ((EAST, WEST), (WEST, EAST)):
        expected = {f"node{n}": "alive" for n in ours} | {f"node{n}": "dead" for n in others}
        for n in ours:
            wait_until(
                f"node{n} sees its own zone only", lambda: testbed.states(n) == expected, PATIENCE, testbed.all_logs)
    return time.monotonic() - began


def partition(testbed):
    apart = part_zones(testbed)
    # The packets of the last pair flow again at the end of this, those of the first about two seconds before.
    testbed("heal")
    healed = testbed.wait_agreement()
    say(f"zones parted: each side held the other for dead after {apart:.1f} s; healed: one mesh {healed:.1f} s later")


def key_rotation(testbed):
    """Begun in one zone while the other is away, and ended when they are one mesh again."""
    keys = lambda n, *arguments: json.loads(testbed.node(n, "meshnode", "keys", *arguments, "--format", "json").stdout)
    held = lambda n: [key["id"] for key in keys(n, "list")["keys"]]  # the primary first
    everywhere = lambda ids: wait_until(
        f"every node has the keys {ids}", lambda: all(held(n) == ids for n in NODES), PATIENCE,
        lambda: "\n".join(f"node{n}: {held(n)}" for n in NODES))
    old = held(1)
    part_zones(testbed)
    new = keys(1, "install")["key"]
    keys(1, "use", new)
    seen = {n: held(n) for n in NODES}
    if seen != {n: [new, *old] for n in EAST} | {n: old for n in WEST}:
        raise Failure(f"east should seal with {new} and west know nothing of it: {seen}")
    testbed("heal")
    testbed.wait_agreement()
    late = everywhere([new, *old])
    for key in old:
        keys(5, "remove", key)
    everywhere([new])
    testbed.wait_agreement()
    say(f"keys rotated in east while west was away: west seals with the new key {late:.1f} s after they agree on the "
        "members; the old one is removed everywhere")


def datagrams_blocked(testbed, seconds):
    """The stream stands in for the datagrams: nobody is given up, and both ends name the cause."""
    testbed("partition", 1, 4, "--udp")
    warned = lambda n, other: any(f"UDP to node{other} " in text for text in testbed.status(n)["node"]["warnings"])
    lost = lambda: [f"node{n}: {states}" for n in NODES if "dead" in (states := testbed.states(n)).values()]
    began = time.monotonic()
    for n, other in ((1, 4), (4, 1)):
        wait_until(
            f"node{n} says that UDP to node{other} is blocked", lambda: warned(n, other), PATIENCE, testbed.all_logs)
    named = time.monotonic() - began
    while time.monotonic() - began < seconds:
        if found := lost():
            raise Failure(f"somebody is held for dead: {found}")
        time.sleep(0.5)
    testbed("heal")
    cleared = wait_until(
        "nobody warns any more", lambda: not any(warned(n, other) for n, other in ((1, 4), (4, 1))), PATIENCE,
        testbed.all_logs)
    testbed.wait_agreement()
    say(f"UDP blocked between node1 and node4 for {seconds} s: nobody dead; named after {named:.1f} s, "
        f"{cleared:.1f} s after the end not any more")


class Load:
    """Senders in a container beside the nodes; see load.py."""

    def __init__(self, testbed):
        self.testbed = testbed
        self.name = f"{PROJECT}-load"
        self.remove()
        volumes = [part for n in NODES for part in ("--volume", f"{PROJECT}_node{n}:/nodes/{n}")]
        run(DOCKER, "create", "--interactive", "--name", self.name, "--network", "none", *volumes,
            "--entrypoint", "python3", IMAGE, "-c", (HERE / "load.py").read_text(),
            uuid.uuid4().hex[:8])
        run(DOCKER, "start", self.name)
        wait_until("messages are acknowledged", lambda: len(self.lines()) > 20, PATIENCE, self.errors)

    def lines(self):
        return run(DOCKER, "logs", self.name).stdout.splitlines()

    def errors(self):
        return run(DOCKER, "logs", self.name).stderr

    def finish(self):
        """Keys of all acknowledged messages."""
        run(DOCKER, "kill", "--signal", "TERM", self.name, allow=(0, 1))
        code = run(DOCKER, "wait", self.name, timeout=2 * PATIENCE).stdout.strip()
        *keys, last = self.lines() or ["nothing"]
        if code != "0" or last != f"end {len(keys)}":
            raise Failure(f"the senders ended with {code}: {self.errors()}")
        return set(keys)

    def remove(self):
        run(DOCKER, "rm", "--force", self.name, allow=(0, 1))


def processed(testbed):
    """Keys in the journals of the actors, and how many lines there are: where the effect happened."""
    keys, lines = set(), 0
    for n in NODES:
        journal = testbed.node(n, "sh", "-c", "cat /data/wordcount.journal 2>/dev/null || true").stdout
        for line in journal.splitlines():
            keys.add(json.loads(line)["key"])
            lines += 1
    return keys, lines


def rolling_restart(testbed):
    testbed.node(1, "meshnode", "apply", "-f", "/handlers/wordcount.yaml")
    load = Load(testbed)
    try:
        began = time.monotonic()
        for n in NODES:
            testbed("restart", n)
            testbed.wait_agreement()
        took = time.monotonic() - began
        acknowledged = load.finish()
    finally:
        load.remove()
    missing = lambda: acknowledged - processed(testbed)[0]
    wait_until("every acknowledged message is processed", lambda: not missing(), PATIENCE,
               lambda: f"missing: {sorted(missing())[:10]}\n{testbed.all_logs()}")
    keys, lines = processed(testbed)
    say(f"rolling restart of five nodes in {took:.0f} s: {len(acknowledged)} messages acknowledged, "
        f"{len(keys & acknowledged)} of them processed, {lines - len(keys)} twice")


def main():
    script, *flags = sys.argv[1:]
    short = flags == ["--short"]
    if flags and not short:
        sys.exit(f"check: unknown arguments {flags}; the only one is --short")
    try:
        testbed = Testbed(script)
        testbed("heal")
        testbed.wait_agreement()
        hardened(testbed)
        for _ in range(1 if short else 3):
            partition(testbed)
        datagrams_blocked(testbed, 15 if short else 60)
        rolling_restart(testbed)
        key_rotation(testbed)
    except (Failure, subprocess.TimeoutExpired) as failure:
        sys.exit(f"check: failed: {failure}")
    say("everything held")


main()
