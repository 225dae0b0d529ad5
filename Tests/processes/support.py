"""What the process tests share: the harness of scripts/meshlocal.py and a test case that owns a mesh."""
import json
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from meshlocal import PATIENCE, Failure, Mesh, Node, UnixConnection, wait_until  # noqa: E402,F401 (re-exported)


class MeshCase(unittest.TestCase):
    """Each test has a mesh of its own, ended and removed with it."""

    maxDiff = None

    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.close)

    def apply(self, node, name, path, command, timeout="60s"):
        """Applies an `exec` actor on a node."""
        file = self.mesh.folder / f"{name}.yaml"
        lines = [
            "apiVersion: meshnode/v1",
            "kind: Actor",
            f"metadata: {{name: {name}}}",
            "spec:",
            f"  path: {path}",
            "  handler:",
            f"    exec: {{command: {json.dumps(command)}, timeout: {timeout}}}",
        ]
        file.write_text("\n".join(lines) + "\n")
        self.succeed(node.command("apply", "-f", file))

    def succeed(self, result):
        self.assertEqual(result.returncode, 0, f"{result.args}\n{result.stdout}\n{result.stderr}")
        return result

    def refuse(self, result, status, *parts):
        """It ended with this status and one clear line that says these things."""
        self.assertEqual(result.returncode, status, f"{result.args}\n{result.stdout}\n{result.stderr}")
        for part in parts:
            self.assertIn(part.lower(), result.stderr.lower())
        self.assertNotIn("Fatal error", result.stderr)

    def refused_start(self, *arguments, data=None, seconds=PATIENCE, prefix=()):
        """The result of a `meshnode start` that is expected to end by itself; `prefix` runs it as somebody else."""
        data = data or self.mesh.folder / "refused"
        bind = f"{self.mesh.address}:0"
        command = [*prefix, self.mesh.binary, "start", "--data", data, "--bind", bind, "--http", "none"]
        return subprocess.run(
            [str(part) for part in [*command, *arguments]], capture_output=True, text=True, timeout=seconds,
            cwd=self.mesh.folder)
