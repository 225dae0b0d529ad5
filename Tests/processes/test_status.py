"""What operators see: twenty members at 120 columns, JSON that keeps to its schema, nothing secret anywhere."""
import http.client
import json
import pathlib
import random
import socket
import time

import jsonschema
from support import PATIENCE, ROOT, MeshCase


def status_schema():
    """Readers of status must ignore what they do not know; we must not send what the schema does not tell."""
    schema = json.loads((ROOT / "docs" / "status.schema.json").read_text())
    return close(schema)


def close(schema):
    if isinstance(schema, dict):
        if "properties" in schema:
            schema = {"additionalProperties": False, **schema}
        return {key: close(value) for key, value in schema.items()}
    return schema


class Status(MeshCase):
    def test_twenty_members_fit_into_120_columns_and_the_schema(self):
        self.mesh.create("node-00", "--zone", "eu-1", "--tag", "team=vision")
        for number in range(1, 20):
            self.mesh.join(f"node-{number:02}", "--zone", f"eu-{number % 3}", "--capability", "gpu=none")
        self.mesh.wait_members(20)
        victim = self.mesh.nodes[-1]
        victim.kill()
        alpha = self.mesh.nodes[0]
        alpha.wait_until("the victim is dead", lambda: alpha.state_of(victim.name) == "dead")

        table = self.succeed(alpha.command("status")).stdout
        too_long = [line for line in table.splitlines() if len(line) > 120]
        self.assertEqual(too_long, [])
        for node in self.mesh.nodes:
            self.assertEqual(sum(line.startswith(node.name) for line in table.splitlines()), 1, table)
        self.assertNotIn("\x1b", table, "colour is for terminals")

        answer = self.succeed(alpha.command("status", "--format", "json")).stdout
        jsonschema.validate(json.loads(answer), status_schema())
        self.assertEqual(len(json.loads(answer)["members"]), 20)

    def test_the_schema_refuses_what_is_not_a_status(self):
        alpha = self.mesh.create("alpha")
        status = alpha.status()
        jsonschema.validate(status, status_schema())
        for spoil in (
            lambda: status["mesh"].pop("health"),
            lambda: status["members"][0].update(state="resting"),
            lambda: status["members"][0].update(incarnation="one"),
        ):
            status = alpha.status()
            spoil()
            with self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate(status, status_schema())

    def test_tags_capabilities_and_zone_reach_the_others(self):
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta", "--zone", "eu-2", "--tag", "team=vision", "--capability", "gpu.memory=24")
        self.mesh.wait_members(2)
        beta = lambda: next(member for member in alpha.status()["members"] if member["name"] == "beta")
        alpha.wait_until("the capability arrives", lambda: beta()["capabilities"].get("gpu.memory") == "24")
        self.assertEqual((beta()["zone"], beta()["tags"].get("team")), ("eu-2", "vision"))


class Secrets(MeshCase):
    def test_no_secret_is_told_to_whoever_may_look(self):
        alpha = self.mesh.create("alpha", "--http", "127.0.0.1:0", "--log-level", "trace")
        beta = self.mesh.join("beta", "--log-level", "trace")
        self.mesh.wait_members(2)
        token = self.mesh.token_file.read_text().strip()
        secrets = [token, token.removeprefix("mesh1.")[8:40]]
        for node in (alpha, beta):
            admin = (node.data / "admin.token")
            if admin.exists():
                secrets.append(admin.read_text().strip())
            for private in ("admin.token", "mesh.token", "node.key", "api.sock"):
                if (node.data / private).exists():
                    self.assertEqual((node.data / private).stat().st_mode & 0o077, 0, private)
        places = {}
        for node in (alpha, beta):
            # The token is printed once, with the join command, on standard output of the node that makes the mesh.
            places[f"log of {node.name}"] = node.log.read_text()
            places[f"ps of {node.name}"] = pathlib.Path(f"/proc/{node.process.pid}/cmdline").read_text()
            places[f"metrics of {node.name}"] = node.request("GET", "/metrics").body.decode()
            places[f"status of {node.name}"] = node.request("GET", "/v1/status").body.decode()
        places["output of beta"] = beta.output.read_text()
        places["config"] = alpha.command("config").stdout
        for place, text in places.items():
            for secret in secrets:
                self.assertNotIn(secret, text, place)

    def test_http_asks_for_the_admin_token(self):
        alpha = self.mesh.create("alpha", "--http", "127.0.0.1:0")
        address = alpha.status()["node"]["http"]
        admin = (alpha.data / "admin.token").read_text().strip()
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": f"Basic {admin}"}, 401),
            ({"Authorization": f"Bearer {admin}"}, 200),
        ):
            with self.subTest(headers=list(headers)):
                self.assertEqual(http_status(address, "/v1/status", headers), status)
        self.assertEqual(http_status(address, "/healthz", {}), 200)


class Garbage(MeshCase):
    def test_a_node_counts_garbage_and_goes_on(self):
        alpha, beta = self.mesh.create("alpha"), self.mesh.join("beta")
        self.mesh.wait_members(2)
        host, port = alpha.address.rsplit(":", 1)
        chance = random.Random(20)
        refused = lambda: sum(alpha.status()["node"]["refused"].values())
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(25):  # in small bursts: what the kernel drops is not counted
                before = refused()
                for size in (1, 3, 24, 41, 200, 1400, 9000):
                    sender.sendto(chance.randbytes(size), (host, int(port)))
                alpha.wait_until("the garbage is counted", lambda: refused() >= before + 7)
        for size in (0, 1, 100, 70_000):
            with socket.create_connection((host, int(port)), PATIENCE) as stream:
                try:
                    stream.sendall(chance.randbytes(size))
                    stream.shutdown(socket.SHUT_WR)
                    while stream.recv(4096):
                        pass
                except OSError:
                    pass  # refused in the middle: as good as at the end
        self.assertEqual(alpha.state_of("beta"), "alive")
        self.assertEqual(beta.state_of("alpha"), "alive")
        reply = beta.request("POST", "/v1/call/meshnode/echo/x", "1")
        self.assertEqual(reply.status, 200)
        lines = [line for line in alpha.log.read_text().splitlines() if "refused what came from outside" in line]
        seconds = time.monotonic() - began
        reasons = len(alpha.status()["node"]["refused"])
        self.assertLessEqual(len(lines), reasons * (seconds + 1), "one line a second per reason, not one per packet")


def http_status(address, path, headers):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
