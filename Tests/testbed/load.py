"""Sends messages to the testbed's actors until SIGTERM, through any node that takes them; runs in a container.

/nodes/N is the data folder of node N. One line on standard output per acknowledged message: its key. A message is
repeated under its key until some node acknowledges it; the last line, `end N`, says how many were. The argument makes
the keys of this run its own.
"""
import http.client
import itertools
import json
import signal
import socket
import sys
import threading
import time

NODES = [1, 2, 3, 4, 5]
ACTORS = 10
SENDERS = 4
PAUSE = 0.02  # per sender and message: a steady load, not a benchmark
PATIENCE = 180  # for one message

ending = threading.Event()
output = threading.Lock()
acknowledged = 0
failures = []


class Connection(http.client.HTTPConnection):
    def __init__(self, node):
        super().__init__("localhost", timeout=10)
        self.path = f"/nodes/{node}/api.sock"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def post(node, path, key, body):
    connection = Connection(node)
    try:
        connection.request("POST", path, body, {"Idempotency-Key": key, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()


def send(sender, number):
    global acknowledged
    key = f"{sys.argv[1]}-{sender}-{number}"
    path = f"/v1/send/text/wordcount/part-{number % ACTORS}"
    body = json.dumps({"key": key, "text": f"message {number} of sender {sender}"})
    deadline = time.monotonic() + PATIENCE
    for attempt in itertools.count(sender):
        try:
            status, answer = post(NODES[attempt % len(NODES)], path, key, body)
            if status == 202:
                with output:
                    acknowledged += 1
                    print(key, flush=True)
                return
            # 429 and 503 pass, 504 is an unknown outcome: under its key the message can be sent again.
            if status not in (429, 503, 504):
                raise SystemExit(f"answer {status} to {key}: {answer}")
            reason = f"answer {status}"
        except OSError as error:
            reason = repr(error)
        except http.client.HTTPException as error:
            reason = repr(error)
        if time.monotonic() > deadline:
            raise SystemExit(f"no node took {key} within {PATIENCE} s, last reason: {reason}")
        time.sleep(0.05)


def run(sender):
    try:
        for number in itertools.count():
            if ending.is_set():
                return
            send(sender, number)
            time.sleep(PAUSE)
    except SystemExit as failure:
        failures.append(str(failure))
        ending.set()


def main():
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    threads = [threading.Thread(target=run, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("\n".join(failures))
    print(f"end {acknowledged}", flush=True)


main()
