"""Messages that were given up: listed from any node, shown, put back and deleted, also after their leader is gone."""
import json
import sys
import unittest

from test_partitions import PartitionCase

# Fails on everything for as long as its file is there.
PICKY = r"""
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if os.path.exists(os.environ["NOTES"] + ".broken"):
        answer = {"error": {"code": "broken", "message": "cannot be done now"}}
    else:
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(json.dumps([message["path"], message["body"]]) + "\n")
        answer = {"reply": "done"}
    print(json.dumps({"id": message["id"], **answer}), flush=True)
"""

DEFINITION = """apiVersion: meshnode/v1
kind: Actor
metadata: {name: picky}
spec:
  path: /picky/{key}
  handler:
    exec: {command: [%s, %s], timeout: 60s}
  retry:
    - {errors: [broken], backoff: constant, first: 10ms, attempts: 2}
"""


class DeadLetters(PartitionCase):
    def setUp(self):
        super().setUp()
        self.nodes = self.three()
        program = self.mesh.folder / "picky.py"
        program.write_text(PICKY)
        file = self.mesh.folder / "picky.yaml"
        file.write_text(DEFINITION % (sys.executable, program))
        self.succeed(self.nodes[0].command("apply", "-f", file))
        for node in self.nodes:
            spread = lambda node=node: node.request("GET", "/v1/definitions").json["definitions"]
            node.wait_until(f"{node.name} has the definition", spread)
        self.notes = self.mesh.folder / "notes"
        self.broken = self.mesh.folder / "notes.broken"
        self.broken.touch()

    def send(self, node, key, body):
        reply = node.request("POST", f"/v1/send/picky/{key}", json.dumps(body), {"Meshnode-Sender": "tester"})
        self.assertEqual(reply.status, 202, reply.body)
        return reply.json["id"]

    def list(self, node, *arguments):
        return json.loads(self.succeed(node.command("deadletters", "list", *arguments, "-o", "json")).stdout)

    def wait_letters(self, node, count):
        def letters():
            view = self.list(node, "/picky/", "--limit", "256")
            # In a list of its own: that of no letters is no false one.
            is_there = not view["missing"] and len(view["dead_letters"]) == count
            return [view["dead_letters"]] if is_there else None

        return node.wait_until(f"{node.name} lists {count} dead letters", letters)[0]

    def processed(self):
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def test_a_poison_message_is_told_to_who_waits_and_can_be_put_back(self):
        alpha, beta, gamma = self.nodes
        asked = alpha.request("POST", "/v1/call/picky/a", '"asked"', {"Meshnode-Deadline-Ms": "100000"})
        self.assertEqual(asked.status, 502, asked.body)
        self.assertIn("tried 2 times and is a dead letter now", asked.json["error"]["hint"])
        sent = self.send(beta, "a", {"told": "é"})
        letters = self.wait_letters(gamma, 2)
        self.assertEqual([letter["path"] for letter in letters], ["/picky/a"] * 2)
        self.assertEqual([letter["failures"] for letter in letters], [1, 1])
        letter = next(each for each in letters if each["message_id"] == sent)
        self.assertEqual(letter["sender"], "tester")
        self.assertIn("cannot be done now", letter["reason"])
        self.assertNotIn("body", letter)
        for node in self.nodes:
            shown = json.loads(self.succeed(node.command("deadletters", "show", letter["id"], "-o", "json")).stdout)
            self.assertEqual(json.loads(shown.pop("body")), {"told": "é"})
            self.assertEqual(shown, letter)
        self.assertIn("/picky/a", self.succeed(alpha.command("deadletters", "show", letter["id"])).stdout)
        # Put back while it fails, it dies again under another number.
        self.assertIn("replayed 1", self.succeed(alpha.command("deadletters", "replay", letter["id"])).stdout)
        again = self.wait_letters(beta, 2)
        self.assertNotIn(letter["id"], [each["id"] for each in again])
        self.refuse(alpha.command("deadletters", "replay", letter["id"]), 4, "not there")
        self.broken.unlink()
        view = json.loads(
            self.succeed(beta.command("deadletters", "replay", "--prefix", "/picky/", "-o", "json")).stdout)
        self.assertEqual((sorted(view["done"]), view["absent"]), (sorted(each["id"] for each in again), []))
        alpha.wait_until("both are processed", lambda: len(self.processed()) == 2)
        self.assertCountEqual(self.processed(), [["/picky/a", "asked"], ["/picky/a", {"told": "é"}]])
        self.wait_letters(gamma, 0)

    def test_pages_hold_every_letter_once_and_the_letters_outlive_their_leader(self):
        alpha, beta, gamma = self.nodes
        sent = {self.send(self.nodes[number % 3], number % 7, number) for number in range(40)}
        whole = self.wait_letters(alpha, 40)
        self.assertEqual({letter["message_id"] for letter in whole}, sent)
        pages, after = [], []
        while True:
            view = self.list(beta, "/picky/", "--limit", "7", *after)
            pages.append(view["dead_letters"])
            if "next" not in view:
                break
            after = ["--after", view["next"]]
        self.assertEqual([letter for page in pages for letter in page], whole)
        self.assertTrue(all(len(page) == 7 for page in pages[:-1]))
        some = self.list(beta, "/picky/3")["dead_letters"]
        self.assertEqual(some, [letter for letter in whole if letter["path"] == "/picky/3"])
        gamma.kill()
        alpha.wait_until(
            "others lead what gamma led",
            lambda: all(each["state"] != "no_leader" for each in self.partitions(alpha)["partitions"]))
        alpha.wait_until("gamma is not asked any more", lambda: not self.list(alpha)["missing"])
        self.assertEqual(self.wait_letters(alpha, 40), whole)
        first = whole[0]
        purged = json.loads(self.succeed(beta.command("deadletters", "purge", first["id"], "-o", "json")).stdout)
        self.assertEqual(purged["done"], [first["id"]])
        self.refuse(beta.command("deadletters", "show", first["id"]), 4, "no dead letter " + first["id"])
        self.assertEqual(self.wait_letters(beta, 39), whole[1:])
        self.assertIn("purged 39", self.succeed(alpha.command("deadletters", "purge", "--prefix", "/")).stdout)
        self.wait_letters(beta, 0)
        self.assertEqual(self.processed(), [])

    def test_mistakes_are_named(self):
        alpha = self.nodes[0]
        self.refuse(alpha.command("deadletters", "show", "seventeen"), 1, "'seventeen' is no dead letter", "17-3")
        self.refuse(alpha.command("deadletters", "show", "17-3"), 4, "no dead letter 17-3")
        self.refuse(alpha.command("deadletters", "show", "9999-3"), 4, "no dead letter 9999-3")
        self.refuse(alpha.command("deadletters", "purge"), 2, "--prefix")
        self.refuse(alpha.command("deadletters", "purge", "17-3", "--prefix", "/a"), 2, "--prefix")
        self.refuse(alpha.command("deadletters", "list", "--limit", "0"), 1, "limit is a whole number")
        self.refuse(alpha.command("deadletters", "replay", "--prefix", "a"), 1, "a prefix begins with /")
        for body in ("", "{}", '{"ids":[]}', '{"ids":["1-1"],"prefix":"/"}', '{"ids":[1]}'):
            reply = alpha.request("POST", "/v1/deadletters/purge", body)
            self.assertEqual((reply.status, reply.json["error"]["code"]), (400, "invalid_argument"), body)


if __name__ == "__main__":
    unittest.main()
