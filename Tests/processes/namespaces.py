"""Networks of one's own: a switch and a host per node, made from network namespaces, with a firewall between them.

What loopback cannot show is shown here: a path on which UDP is lost while TCP passes, a narrow path, a cut. Needs root,
`ip` and `nft`; `unavailable()` says why where they are missing, and tests skip with that reason.
"""
import itertools
import os
import shutil
import subprocess
import uuid

_subnets = itertools.count()


def run(*command):
    """Output of a command that must succeed."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def unavailable():
    """Why no namespaces with a firewall can be made here; None where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft"):
        if not shutil.which(tool):
            return f"{tool} is not installed (scripts/setup installs it)"
    name = f"mn-{uuid.uuid4().hex[:8]}"
    try:
        run("ip", "netns", "add", name)
    except RuntimeError as error:
        return f"no network namespace can be made: {error}"
    try:
        run("ip", "netns", "exec", name, "nft", "add", "table", "inet", "meshnode")
    except RuntimeError as error:
        return f"the kernel has no nftables for namespaces: {error}"
    finally:
        run("ip", "netns", "delete", name)
    return None


class Host:
    """One machine on a `Wire`: a namespace with an address. Its firewall is nftables."""

    def __init__(self, wire, index):
        self.name, self.wire, self.port = f"{wire.name}-{index}", wire.name, f"p{index}"
        self.address = f"{wire.prefix}.{index}"
        self.prefix = ["ip", "netns", "exec", self.name]
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", "eth0", "netns", self.name, "type", "veth", "peer", "name", f"p{index}", "netns", wire.name)
        run("ip", "-n", wire.name, "link", "set", f"p{index}", "master", "switch", "up")
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", self.name, "link", "set", device, "up")
        self.nft("add table inet filter")
        for chain in ("input", "output"):
            self.nft(f"add chain inet filter {chain} {{ type filter hook {chain} priority 0; }}")

    def plug(self, is_in):
        """Its cable, at the switch: without it packets vanish and nobody gets an error."""
        run("ip", "-n", self.wire, "link", "set", self.port, "up" if is_in else "down")

    def nft(self, rule):
        run(*self.prefix, "nft", *rule.split())

    def drop(self, rule):
        """Drops what comes in and matches, such as `ip saddr 10.0.0.2 meta l4proto udp`."""
        self.nft(f"add rule inet filter input {rule} drop")

    def drop_udp(self, other):
        self.drop(f"ip saddr {other.address} meta l4proto udp")

    def refuse_to_send_udp(self):
        """Its own firewall: the system refuses each send with EPERM."""
        self.nft("add rule inet filter output meta l4proto udp drop")

    def heal(self):
        for chain in ("input", "output"):
            self.nft(f"flush chain inet filter {chain}")


class Wire:
    """A switch with hosts on it. Leave it with `close`: namespaces outlive processes."""

    def __init__(self, hosts):
        self.name = f"mn-{uuid.uuid4().hex[:8]}"
        self.prefix = f"10.213.{next(_subnets) % 200}"
        self.hosts = []
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "-n", self.name, "link", "add", "switch", "type", "bridge")
            run("ip", "-n", self.name, "link", "set", "switch", "up")
            for index in range(1, hosts + 1):
                self.hosts.append(Host(self, index))
        except RuntimeError:
            self.close()
            raise

    def close(self):
        for name in run("ip", "netns", "list").split():
            if name.startswith(self.name):
                run("ip", "netns", "delete", name)
