"""What a stranger on the network does to nodes, and what he hears: for Tests/processes/test_hostile.py.

He can read and write packets; he holds no key.
"""
import random
import socket
import struct
import threading
import time

from meshlocal import PATIENCE, wait_until

ETH_P_ALL = 3
PACKET_OUTGOING = 4
# Of 400 KiB that a socket has at least, with all that the kernel counts: room for the next 64 packets.
WAITING_MAX = 100_000


class Capture:
    """Everything that goes over loopback from or to some ports. Needs the right to open a packet socket."""

    def __init__(self, ports):
        self.ports = set(ports)
        self.datagrams = {port: [] for port in self.ports}
        self.payloads = []
        self.missed = 0
        self.ended = threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        # SO_RCVBUFFORCE: as much as a burst needs, whatever the system's limit.
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)
        self.thread = threading.Thread(target=self.listen, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        # struct tpacket_stats: packets, drops.
        self.missed = struct.unpack("II", self.socket.getsockopt(263, 6, 8))[1]
        self.socket.close()

    def listen(self):
        while not self.ended.is_set():
            try:
                packet, address = self.socket.recvfrom(1 << 16)
            except TimeoutError:
                continue
            # Loopback shows each packet twice, on its way out and on its way in.
            if address[2] != PACKET_OUTGOING:
                self.take(packet)

    def take(self, packet):
        if len(packet) < 28 or packet[0] >> 4 != 4:
            return
        header, protocol = (packet[0] & 15) * 4, packet[9]
        source, target = struct.unpack_from("!HH", packet, header)
        if protocol not in (6, 17) or not {source, target} & self.ports:
            return
        payload = packet[header + (8 if protocol == 17 else (packet[header + 12] >> 4) * 4) :]
        self.payloads.append(payload)
        if protocol == 17 and target in self.ports:
            self.datagrams[target].append(payload)

    def holds(self, text):
        """Whether somebody who reads along sees the text; TCP may cut it where it likes, so the payloads are joined."""
        return text.encode() in b"".join(self.payloads)


def hostile_datagrams(genuine, count, seed):
    """Random, replayed, flipped and cut ones in turns, made of what was heard."""
    draw = random.Random(seed)
    for number in range(count):
        packet = bytearray(draw.choice(genuine))
        match number % 4:
            case 0:
                packet = bytearray(draw.randbytes(draw.randrange(0, 1600)))
            case 1:
                pass
            case 2:
                place = draw.randrange(len(packet))
                packet[place] ^= 1 << draw.randrange(8)
            case 3:
                del packet[draw.randrange(len(packet)) :]
        yield bytes(packet)


def send_datagrams(host, port, packets):
    """As fast as they are read: what is faster is dropped by the kernel, and shows nothing of who does not read it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((host, port))
        for number, packet in enumerate(packets):
            sender.send(packet)
            if number % 64 == 63:
                wait_until(f"{host}:{port} is read", lambda: bytes_waiting(port) < WAITING_MAX, poll=0.002)


def bytes_waiting(port):
    return int(udp_socket(port)[4].split(":")[1], 16)


def kernel_drops(port):
    """Datagrams that found the socket of a port full, as the kernel counts them."""
    return int(udp_socket(port)[-1])


def udp_socket(port):
    """What the kernel tells of it: proc(5)."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with open(table) as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if int(fields[1].rsplit(":", 1)[1], 16) == port:
                    return fields
    raise LookupError(f"nobody listens at UDP port {port}")


def junk_streams(host, port, count, silent, seed):
    """Connections that say nonsense, and some that say nothing: open until the node ends them. How many it did not end."""
    draw = random.Random(seed)
    streams = []
    for number in range(count + silent):
        stream = socket.create_connection((host, port), timeout=PATIENCE)
        streams.append(stream)
        try:
            if number < count:
                stream.sendall(junk(draw, number))
        except OSError:
            pass  # turned away already
    left = 0
    deadline = time.monotonic() + PATIENCE
    for stream in streams:
        stream.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            while stream.recv(4096):
                pass
        except TimeoutError:
            left += 1
        except OSError:
            pass
        stream.close()
    return left


def junk(draw, number):
    match number % 5:
        case 0:
            return draw.randbytes(draw.randrange(1, 3000))
        case 1:
            return b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"
        case 2:
            return b"\xff\xff" + draw.randbytes(100)
        case 3:
            return b"\x00\x00"
        case _:
            # As long as a first packet, with its version and flags.
            return struct.pack("!HBB", 70, 1, 0) + draw.randbytes(68)
