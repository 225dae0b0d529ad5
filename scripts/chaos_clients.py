"""What clients of a chaos run do, and what they write down: the history that `meshsim check` judges."""
import http.client
import json
import random
import threading
import time

# So many of each: few enough that clients meet, many enough that most partitions' leaders have some.
REGISTERS, QUEUES, COUNTERS, INBOXES, PROGRAMS = 8, 8, 8, 32, 4
CALL_SECONDS = 4
# With an idempotency key a client asks again for so long before it gives up.
STUBBORN_SECONDS = 45


class History:
    """What happened, in the order in which it was over. Times are nanoseconds of one monotonic clock."""

    def __init__(self):
        # What a program does outside of the mesh may be done again; everything else is done once. So two histories.
        self.exactly_once = [{"type": "history", "version": 1, "delivery": "exactly_once"}]
        self.at_least_once = [{"type": "history", "version": 1, "delivery": "at_least_once"}]
        self.lock = threading.Lock()
        self.began = time.monotonic_ns()

    def now(self):
        return time.monotonic_ns() - self.began

    def add(self, line):
        with self.lock:
            self.of(line["object"] if "object" in line else "").append(line)

    def of(self, path):
        return self.at_least_once if path.startswith("/chaos/") else self.exactly_once

    @property
    def lines(self):
        return self.exactly_once + self.at_least_once


class Client(threading.Thread):
    """Does one thing after the other, at whatever node, and writes down what came of it."""

    def __init__(self, chaos, name):
        super().__init__(name=name)
        self.chaos, self.random = chaos, random.Random(f"{chaos.seed} client {name}")
        self.count, self.sent, self.last_seen = 0, {}, {}
        self.failure = None

    def run(self):
        try:
            while not self.chaos.over.wait(self.random.uniform(0, 0.04)):
                self.once()
        except Exception as error:  # a mistake of ours must end the run, not only the thread
            self.failure = error
            self.chaos.over.set()

    def once(self):
        self.random.choice([self.register, self.queue, self.counter, self.inbox, self.inbox, self.program])()

    def unique(self):
        self.count += 1
        return f"{self.name}-{self.count}"

    # One operation each

    def register(self):
        key, draw = self.random.randrange(REGISTERS), self.random.random()
        if draw < 0.5:
            operation = {"read": True}
        elif draw < 0.75:
            operation = {"write": self.unique()}
        else:
            operation = {"cas": [self.last_seen.get(key), self.unique()]}
        answer = self.call("register", key, operation)
        if answer is not None:
            self.last_seen[key] = answer["value"]

    def queue(self):
        operation = {"push": self.unique()} if self.random.random() < 0.5 else {"pop": True}
        self.call("queue", self.random.randrange(QUEUES), operation)

    def counter(self):
        operation = {"add": self.random.randint(1, 9)} if self.random.random() < 0.7 else {"read": True}
        self.call("counter", self.random.randrange(COUNTERS), operation)

    def inbox(self):
        """To a queue that nobody but the reader pops: what it pops was processed once, in that order."""
        path = f"/meshnode/queue/inbox-{self.random.randrange(INBOXES)}"
        self.send(path, lambda message: {"push": message})

    def program(self):
        self.send(f"/chaos/{self.random.randrange(PROGRAMS)}", lambda message: message)

    def call(self, kind, key, operation, is_stubborn=None):
        path = f"/meshnode/{kind}/{key}"
        line = {"type": kind, "object": path, "client": self.name, "op": operation}
        headers = {"Meshnode-Deadline-Ms": str(CALL_SECONDS * 1000)}
        return self.ask(line, "/v1/call" + path, operation, headers, is_stubborn)

    def send(self, path, body):
        self.sent[path] = self.sent.get(path, 0) + 1
        message = {"client": self.name, "number": self.sent[path]}
        self.ask({"type": "message", "object": path, **message}, "/v1/send" + path, body(message), {})

    # Asking

    def ask(self, line, path, body, headers, is_stubborn=None):
        """The answer, if there is one. Every second request may be repeated until its outcome is known."""
        if is_stubborn is None:
            is_stubborn = self.random.random() < 0.5
        headers = {"Meshnode-Sender": self.name, **headers}
        until = 0
        if is_stubborn:
            headers["Idempotency-Key"] = "key-" + self.unique()
            until = time.monotonic() + STUBBORN_SECONDS
        line["call"] = self.chaos.history.now()
        line["tries"] = []
        line["outcome"], answer = self.attempt(path, body, headers, line["tries"])
        while line["outcome"] != "ok" and time.monotonic() < until:
            time.sleep(self.random.uniform(0.02, 0.4))
            outcome, answer = self.attempt(path, body, headers, line["tries"])
            # What is unknown of an earlier try stays so.
            if outcome == "ok" or line["outcome"] == "failed":
                line["outcome"] = outcome
        if line["outcome"] != "unknown":
            line["return"] = self.chaos.history.now()
        if line["outcome"] == "ok" and line["type"] != "message":
            line["answer"] = answer
        self.chaos.history.add(line)
        return answer if line["outcome"] == "ok" else None

    def attempt(self, path, body, headers, tries):
        """Outcome and answer of one request to one node. `tries` keeps what became of each, for people."""
        node = self.random.choice(self.chaos.mesh.nodes)
        began = self.chaos.history.now()
        try:
            response = node.request("POST", path, json.dumps(body), headers, timeout=CALL_SECONDS + 2)
            if response.status in (200, 202):
                outcome, answer, reason = "ok", response.json, "ok"
            else:
                error = response.json["error"]
                outcome, answer, reason = "failed" if error["accepted"] == "no" else "unknown", None, error["message"]
                self.chaos.refusals[f"{error['accepted']:7} {error['message'].replace(path.removeprefix('/v1/call'), 'PATH')}"] += 1
        except (FileNotFoundError, ConnectionRefusedError) as error:
            outcome, answer, reason = "failed", None, type(error).__name__  # nobody was there to hear it
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            outcome, answer, reason = "unknown", None, repr(error)
        tries.append([node.name, began, self.chaos.history.now(), reason])
        return outcome, answer


class Reader(Client):
    """Pops what the clients sent to the inboxes, and notes it as processed. There is one, so the order is known."""

    def once(self):
        for number in range(INBOXES):
            while not self.chaos.over.is_set() and self.pop(number):
                pass

    def pop(self, number):
        """False if nothing was there. A pop whose outcome stays unknown would lose a message, so it is never given up."""
        path = f"/meshnode/queue/inbox-{number}"
        headers = {"Idempotency-Key": "key-" + self.unique(), "Meshnode-Deadline-Ms": str(CALL_SECONDS * 1000)}
        deadline, tries = time.monotonic() + self.chaos.patience, []
        while time.monotonic() < deadline:
            outcome, answer = self.attempt("/v1/call" + path, {"pop": True}, headers, tries)
            if outcome == "ok":
                if (message := answer["value"]) is not None:
                    self.chaos.history.add({"type": "processed", "object": path, **message})
                return answer["value"] is not None
            time.sleep(0.2)
        raise self.chaos.failure(f"{path} did not answer a pop for {self.chaos.patience} s: {tries[-3:]}")
