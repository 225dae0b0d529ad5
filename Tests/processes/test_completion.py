"""Completion in real shells: each is started on a terminal of its own, and somebody presses TAB."""
import os
import pty
import re
import select
import shutil
import signal
import time
import unittest

from support import PATIENCE, Failure, MeshCase

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()].|[=>78M])|\r|\x08")


class Terminal:
    """A shell on a terminal; what it shows, without what only moves the cursor."""

    def __init__(self, arguments, environment, folder):
        self.shown = ""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(arguments[0], arguments, environment)

    def type(self, text):
        """Forgets what was shown before."""
        self.shown = ""
        os.write(self.descriptor, text.encode())

    def wait(self, text, again=None):
        """Until it shows this; `again` is typed now and then until it does."""
        deadline = time.monotonic() + PATIENCE
        next_try = time.monotonic() + 5
        while text not in self.shown:
            if time.monotonic() > deadline:
                raise Failure(f"the shell does not show {text!r} but {self.shown!r}")
            if again and time.monotonic() > next_try:
                next_try = time.monotonic() + 5
                os.write(self.descriptor, again.encode())
            if select.select([self.descriptor], [], [], 0.05)[0]:
                try:
                    self.shown += ESCAPES.sub("", os.read(self.descriptor, 65536).decode(errors="replace"))
                except OSError:
                    raise Failure(f"the shell ended; it showed {self.shown!r}") from None

    def complete(self, typed, shown):
        # A node that is asked for names has a second; whoever gets nothing presses TAB again.
        self.type(typed + "\t")
        self.wait(shown, again="\t")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


class Completion(MeshCase):
    def shell(self, name, arguments, setup, node=None):
        if not shutil.which(name):
            self.skipTest(f"{name} is not installed; scripts/setup does that")
        folder = self.mesh.folder / "shell"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "meshnode").symlink_to(self.mesh.binary)
        script = folder / ("_meshnode" if name == "zsh" else f"meshnode.{name}")
        script.write_text(self.succeed(self.mesh.command("completion", name)).stdout)
        environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "vt100", "LANG": "C.UTF-8",
            "COLUMNS": "200", "PS1": "$ "}
        if node:
            environment["MESHNODE_DATA"] = str(node.data)
        terminal = Terminal([name, *arguments], environment, folder)
        self.addCleanup(terminal.close)
        # The answer differs from what is typed, which the terminal shows as well.
        terminal.type(f"{setup.format(script=script, folder=folder)}; echo re''ady\n")
        terminal.wait("ready")
        return terminal

    def complete(self, terminal):
        terminal.complete("meshnode stat", "meshnode status")
        # One that is not on the line yet, so that what is typed cannot be taken for it.
        terminal.complete("--wat", "--watch")
        terminal.complete("\x15meshnode logs alp", "meshnode logs alpha")
        terminal.complete("\x15meshnode get wordc", "meshnode get wordcount")

    def node(self):
        node = self.mesh.create("alpha")
        self.apply(node, "wordcount", "/text/wordcount/{key}", ["cat"])
        return node

    def test_bash(self):
        self.complete(self.shell("bash", ["--norc", "-i"], "source {script}", self.node()))

    def test_zsh(self):
        setup = "fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D"
        self.complete(self.shell("zsh", ["-f", "-i"], setup, self.node()))

    def test_fish(self):
        self.complete(self.shell("fish", ["--no-config", "-i"], "source {script}", self.node()))


if __name__ == "__main__":
    unittest.main()
