"""What a node tells of itself and of others: events that can be resumed, logs of any member, and all of it in every format."""
import http.client
import json
import signal
import unittest

from support import PATIENCE, MeshCase, UnixConnection, wait_until


class Stream:
    """An open stream of server-sent events."""

    def __init__(self, node, path, headers=None):
        self.connection = UnixConnection(node.data / "api.sock", PATIENCE)
        self.connection.request("GET", path, headers=headers or {})
        self.response = self.connection.getresponse()

    def next(self):
        """The next event as (kind, id, data)."""
        fields = {}
        for line in self.response:
            line = line.decode().rstrip("\n")
            if not line and fields:
                return fields["event"], fields["id"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        raise http.client.IncompleteRead(b"")

    def close(self):
        self.connection.close()


class Events(MeshCase):
    def stream(self, node, query="", headers=None):
        stream = Stream(node, f"/v1/events{query}", headers)
        self.assertEqual(stream.response.status, 200)
        self.addCleanup(stream.close)
        return stream

    def test_a_reader_misses_nothing_while_it_is_away_and_hears_of_a_restart(self):
        alpha = self.mesh.create("alpha")
        first = self.stream(alpha, "?type=user,definitions")
        self.succeed(alpha.command("event", "send", "one"))
        kind, last, data = first.next()
        self.assertEqual((kind, data["name"], data["id"]), ("user", "one", last))
        first.close()
        # While nobody reads:
        self.apply(alpha, "cat", "/cat/{key}", ["cat"])
        self.succeed(alpha.command("event", "send", "two"))
        second = self.stream(alpha, "?type=user,definitions", {"Last-Event-ID": last})
        self.assertEqual([second.next()[2].get("name") for _ in range(2)], ["cat", "two"])
        alpha.stop()
        alpha.start()
        third = self.stream(alpha, f"?type=membership,user,definitions&after={last}")
        kind, place, data = third.next()
        self.assertEqual((kind, data), ("gap", {"after": last, "reason": "restarted"}))
        boot = alpha.status()["node"]["boot_epoch"]
        self.assertEqual(int(place.split("-")[0]), boot)
        self.succeed(alpha.command("event", "send", "three"))
        kind, identifier, _ = third.next()
        while kind != "user":
            kind, identifier, _ = third.next()
        self.assertEqual(int(identifier.split("-")[0]), boot)

    def test_follow_goes_on_across_a_restart_of_the_node(self):
        alpha = self.mesh.create("alpha")
        follow = self.mesh.spawn("events", node=alpha)
        # The stream is open when an event comes through; until then events are raised again.
        def heard(name):
            self.succeed(alpha.command("event", "send", name))
            return f"user {name} from alpha" in follow.text()

        wait_until("the first event", lambda: heard("before"), poll=0.3)
        alpha.stop()
        alpha.start()
        wait_until("an event after the restart", lambda: heard("after"), poll=0.3)
        self.assertIn("the node was restarted", follow.text())

    def test_logs_of_any_member_from_any_node(self):
        alpha = self.mesh.create("alpha")
        beta = self.mesh.join("beta", "--log-level", "debug")
        self.mesh.wait_members(2)
        own = self.succeed(beta.command("logs", "--format", "json"))
        # A member that is asked has two seconds.
        asked = lambda *arguments: wait_until("it answers", lambda: answer_of(alpha.command("logs", *arguments)))
        remote = asked("beta", "--format", "json")
        lines = [json.loads(line) for line in remote.stdout.splitlines()]
        self.assertTrue(any(line["message"] == "in the mesh" for line in lines), lines)
        self.assertEqual({line["node"] for line in lines}, {"beta"})
        # Beta may have said more meanwhile.
        self.assertEqual([json.loads(line) for line in own.stdout.splitlines()], lines[: len(own.stdout.splitlines())])
        # As it was written to standard error.
        text = asked("beta").stdout
        self.assertIn(next(line for line in beta.log.read_text().splitlines() if "in the mesh" in line), text)
        both = asked("--all", "--lines", "3").stdout.splitlines()
        self.assertEqual({line.split()[0] for line in both}, {"alpha", "beta"})
        self.refuse(alpha.command("logs", "nobody"), 4, "nobody", "meshnode members")
        # Who follows waits for a node that was there, and not for one that never was.
        nowhere = {"MESHNODE_DATA": "/nonexistent"}
        for arguments in (("logs", "-f"), ("logs", "-f", "--all"), ("events",)):
            self.refuse(self.mesh.command(*arguments, environment=nowhere), 3, "no node answers", "--data")
        self.refuse(alpha.command("logs", "--level", "loud"), 2, "loud", "warning")
        follow = self.mesh.spawn("logs", "--all", "-f", "--lines", "0", "--level", "warning", node=alpha)
        wait_until("the log is followed", lambda: self.raise_warning(alpha, beta) in follow.text(), poll=0.3)
        # Silent for seconds before it is dead, and so asked in vain, however seldom the follower gets to ask.
        beta.process.send_signal(signal.SIGSTOP)
        wait_until("the follower says that beta is silent", lambda: "beta did not send its log" in follow.text())
        wait_until("and what alpha says of it", lambda: "member dead" in follow.text())

    def raise_warning(self, node, peer):
        """Makes the node log a warning."""
        import socket

        host, port = node.address.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"garbage", (host, int(port)))
        return "refused what came from outside"

    def test_no_secret_is_in_a_log(self):
        alpha = self.mesh.create("alpha", "--log-level", "trace")
        beta = self.mesh.join("beta", "--log-level", "trace")
        self.mesh.wait_members(2)
        self.apply(alpha, "cat", "/cat/{key}", ["cat"])
        alpha.command("call", "/cat/a", "--data", '"x"', "--timeout", "1s")
        self.succeed(alpha.command("token"))
        for node in (alpha, beta):
            # What it says on standard output, which supervisors keep too.
            logs = node.log.read_text() + node.output.read_text() + self.succeed(node.command("logs", "--lines", "4096")).stdout
            secrets = [
                (node.data / "mesh.token").read_text().strip(), (node.data / "admin.token").read_text().strip(),
                (node.data / "node.key").read_bytes().hex()]
            for secret in secrets:
                self.assertGreaterEqual(len(secret), 32)
                self.assertNotIn(secret, logs)
                # Nor a good part of it.
                self.assertNotIn(secret[-24:], logs)

    def test_json_and_yaml_say_the_same(self):
        import yaml

        alpha = self.mesh.create("alpha")
        self.apply(alpha, "cat", "/cat/{key}", ["cat"])
        self.succeed(alpha.command("call", "/meshnode/echo/x", "--data", "{}"))
        for command in (
            ("members",), ("actors",), ("get",), ("get", "cat"), ("config",), ("version",), ("token",),
            ("status", "--why", "alpha"), ("status",), ("call", "/meshnode/echo/x", "--data", '{"a":[1.5,"no",null]}'),
        ):
            with self.subTest(command):
                told = lambda format, read: without_clocks(
                    read(self.succeed(alpha.command(*command, "-o", format)).stdout))

                # What changed between two answers, such as the memory that is free, is asked for again.
                def same():
                    before, between = told("json", json.loads), told("yaml", yaml.safe_load)
                    after = told("json", json.loads)
                    return (before, between) if before == after else None

                json_answer, yaml_answer = wait_until("nothing changes meanwhile", same)
                self.assertEqual(yaml_answer, json_answer)


def answer_of(result):
    """The result of a command that could ask everybody; None if somebody did not answer in time."""
    return result if result.returncode == 0 and "did not send its log" not in result.stderr else None


def without_clocks(value):
    """What may differ between two answers of one node: times, and the id of a message."""
    if isinstance(value, dict):
        passing = {"since_s", "uptime_s", "seconds_ago", "id"}
        return {key: without_clocks(item) for key, item in value.items() if key not in passing}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    unittest.main()
