"""Disks of one's own: a small file system in a mount namespace, that can be filled. Needs root."""
import os
import pathlib
import subprocess

MIB = 1 << 20


def unavailable():
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    probe = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"no mount namespace can be made: {probe.stderr.strip()}"


class SmallDisk:
    """Where a node runs: `data` is a file system of its own, seen from outside through the process."""

    address = "127.0.0.1"

    def __init__(self, data, mib):
        self.data = data
        # Kept by a process that does nothing else, so that it outlives the node's restarts.
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size={mib}m none '{data}' && echo && exec sleep 10000"],
            stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.inside = pathlib.Path(f"/proc/{self.holder.pid}/root{data}")

    @property
    def free(self):
        room = os.statvfs(self.inside)
        return room.f_bavail * room.f_frsize

    def fill(self, until):
        """Leaves so many bytes free, or none."""
        with open(self.inside / "filler", "ab") as file:
            try:
                while self.free > until:
                    file.write(b"x" * min(MIB, self.free - until))
                    file.flush()
            except OSError:
                pass  # full is what was asked for

    def empty(self):
        (self.inside / "filler").unlink()

    def command(self, *arguments):
        return subprocess.run(
            [*self.prefix, *map(str, arguments)], capture_output=True, text=True, timeout=120)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
