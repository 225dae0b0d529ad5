"""Metrics as Prometheus judges them, and what is built on them: the dashboard and the alerts name nothing that is not."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import unittest

from support import PATIENCE, ROOT, MeshCase

PROMETHEUS = ROOT / "cluster" / "prometheus"
DASHBOARD = ROOT / "cluster" / "dashboards" / "meshnode.json"
PROMTOOL = os.environ.get("MESHNODE_TEST_PROMTOOL") or shutil.which("promtool")


def promtool(test, *arguments, input=None):
    if not PROMTOOL or not os.path.exists(PROMTOOL):
        test.skipTest("NOT TESTED HERE: there is no promtool (scripts/setup fetches it)")
    return subprocess.run(
        [PROMTOOL, *map(str, arguments)], input=input, capture_output=True, text=True, timeout=PATIENCE)


def families(text):
    """Name to type, and the names of all samples."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = set(re.findall(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]", text, re.MULTILINE))
    return types, samples


def named_in(expression):
    """The metrics of a PromQL expression: every name of ours that is not quoted."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b((?:meshnode|process)_[a-z0-9_]+)\b", bare))


def expressions():
    """Where each stands, and the expression."""
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard, {panel['title']}", target["expr"]
    for rule in re.findall(r"^ +expr: (?:>-\n +)?(.*)$", (PROMETHEUS / "meshnode.rules.yml").read_text(), re.MULTILINE):
        yield "alerts", rule


class Metrics(MeshCase):
    def test_promtool_accepts_what_a_busy_node_tells(self):
        alpha = self.busy()
        text = alpha.request("GET", "/metrics").body.decode()
        result = promtool(self, "check", "metrics", input=text)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))
        spoilt = promtool(self, "check", "metrics", input=text.replace("# HELP meshnode_members ", "# "))
        self.assertNotEqual(spoilt.returncode, 0, "the check sees a metric without help")

    def test_every_metric_of_the_dashboard_the_alerts_and_the_docs_exists(self):
        alpha = self.busy()
        types, samples = families(alpha.request("GET", "/metrics").body.decode())
        seen = 0
        for place, expression in expressions():
            for name in named_in(expression):
                self.assertIn(name, samples, f"{place}: {expression}")
                seen += 1
        self.assertGreater(seen, 40)
        documented = set(re.findall(r"`((?:meshnode|process)_[a-z0-9_]+)", (ROOT / "docs" / "operations.md").read_text()))
        absent = {name for name in documented - set(types) if not name.startswith("meshnode_gpu_")}
        self.assertEqual(absent, set(), "docs/operations.md; those of GPUs are there where a GPU is")
        self.assertEqual(set(types) - documented, set(), "not in docs/operations.md")

    def test_what_is_measured_is_so(self):
        alpha = self.mesh.create("alpha")
        beta = self.mesh.join("beta")
        self.mesh.wait_members(2)
        for number in range(8):
            self.assertEqual(alpha.request("POST", f"/v1/call/meshnode/echo/{number}", "1").status, 200)
        read = lambda: self.read(alpha)
        self.assertEqual(read()['meshnode_members{state="alive"}'], 2)
        # The neighbour's, which is opened again where both opened one at once.
        alpha.wait_until("there is one stream", lambda: read()["meshnode_streams"] == 1)
        alpha.wait_until("probes are counted", lambda: read().get('meshnode_probes_total{result="direct"}', 0) >= 2)
        values = read()
        for name in ("meshnode_datagram_bytes_received_total", "meshnode_datagram_bytes_sent_total",
                     "meshnode_stream_bytes_received_total", "meshnode_stream_bytes_sent_total"):
            self.assertGreater(values[name], 100, name)
        status = pathlib.Path(f"/proc/{alpha.process.pid}/status").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
        self.assertLess(abs(values["process_resident_memory_bytes"] - resident), 16 << 20)
        files = len(os.listdir(f"/proc/{alpha.process.pid}/fd"))
        self.assertLess(abs(values["process_open_fds"] - files), 8)
        self.assertGreater(values["process_cpu_seconds_total"], 0)
        beta.kill()
        alpha.wait_until("the death is counted", lambda: read()['meshnode_members{state="dead"}'] == 1)
        dead = [name for name in read() if name.startswith("meshnode_member_changes_total") and 'to="dead"' in name]
        self.assertEqual(len(dead), 1, dead)

    def busy(self):
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta")
        self.mesh.wait_members(2)
        for number in range(4):
            alpha.request("POST", f"/v1/call/meshnode/echo/{number}", "1")
        alpha.request("GET", "/v1/status")
        # A refusal and a probe, so that their counters are there.
        host, port = alpha.address.rsplit(":", 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            def refused():
                sender.sendto(b"x", (host, int(port)))
                return alpha.status()["node"]["refused"]

            alpha.wait_until("the refusal is counted", refused)
        return alpha

    def read(self, node):
        lines = node.request("GET", "/metrics").body.decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}


class Built(unittest.TestCase):
    def test_the_alerts_are_sound_and_do_what_their_tests_say(self):
        for arguments in (("check", "rules", PROMETHEUS / "meshnode.rules.yml"),
                          ("test", "rules", PROMETHEUS / "meshnode.rules.test.yml"),
                          ("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")):
            result = promtool(self, *arguments)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_dashboard_is_one_that_grafana_reads(self):
        dashboard = json.loads(DASHBOARD.read_text())
        self.assertEqual(dashboard["uid"], "meshnode")
        self.assertGreaterEqual(dashboard["schemaVersion"], 36)
        identifiers = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(identifiers), len(set(identifiers)))
        taken = set()
        for panel in dashboard["panels"]:
            self.assertIn(panel["type"], ("row", "stat", "timeseries"))
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertEqual(cells & taken, set(), f"{panel['title']} lies on another")
            taken |= cells
            for target in panel.get("targets", []):
                self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})
        for variable in re.findall(r"\$(\w+)", " ".join(expression for _, expression in expressions())):
            if not variable.startswith("__"):
                self.assertIn(variable, [each["name"] for each in dashboard["templating"]["list"]])

    def test_every_expression_parses(self):
        # promtool of Debian 12 cannot parse alone: as rules it can, with Grafana's variables filled in.
        rules = []
        for number, (_, expression) in enumerate(expressions()):
            text = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
            rules.append({"record": f"test:expression:{number}", "expr": text})
        result = promtool(self, "check", "rules", "/dev/stdin", input=json.dumps({"groups": [{"name": "g", "rules": rules}]}))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
