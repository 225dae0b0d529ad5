#!/usr/bin/env python3
"""A word counter as an `exec` actor: JSON lines in, JSON lines out, one process per activation.

Reads   {"v":1,"id":"…","path":"/text/wordcount/moby-dick","sender":"…","body":{"text":"Call me Ishmael"}}
Writes  {"id":"…","reply":{"words":3,"total":215864}}

Its state outlives the process in a journal, one line per message taken: the file that WORDCOUNT_JOURNAL names, if it
is set. Delivery is at least once, so a message can come again; the journal tells which ids were counted already.
"""
import collections
import json
import os
import re
import sys


class Journal:
    """Lines appended whole, so that the processes of several actors can share one file."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "ab", buffering=0) if path else None

    def entries(self):
        if not self.path:
            return
        with open(self.path, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # else another actor is just writing it
                    yield json.loads(line)

    def append(self, entry):
        if self.file:
            self.file.write((json.dumps(entry) + "\n").encode())


def words(text):
    return re.findall(r"\w+", text.lower())


def main():
    journal = Journal(os.environ.get("WORDCOUNT_JOURNAL"))
    counted = collections.defaultdict(set)  # path: ids
    totals = collections.Counter()  # path: words
    for entry in journal.entries():
        if entry["id"] not in counted[entry["path"]]:
            counted[entry["path"]].add(entry["id"])
            totals[entry["path"]] += sum(entry["words"].values())

    for line in sys.stdin:
        message = json.loads(line)
        identifier, path, body = message["id"], message["path"], message["body"]
        if not isinstance(body, dict) or not isinstance(body.get("text"), str):
            error = {"code": "invalidArgument", "message": 'expected {"text": "…"}'}
            print(json.dumps({"id": identifier, "error": error}), flush=True)
            continue
        found = collections.Counter(words(body["text"]))
        # The effect first, then the answer that ends the turn: a crash between the two makes a repeat, never a loss.
        journal.append({"id": identifier, "path": path, "key": body.get("key"), "words": found})
        if identifier not in counted[path]:
            counted[path].add(identifier)
            totals[path] += found.total()
        print(json.dumps({"id": identifier, "reply": {"words": found.total(), "total": totals[path]}}), flush=True)


main()
