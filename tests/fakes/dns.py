"""A small real DNS server over UDP on loopback, and a resolver that asks it.

| behaviour | follows |
|---|---|
| answers A and AAAA questions for planned names, each time with the next answer | RFC 1035, 4.1; rebinding |
| the time to live is 0, so that nobody may keep an answer | RFC 1035, 3.2.1 |
| other names do not exist (NXDOMAIN) | RFC 1035, 4.1.1 |
"""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import anyio

_A, _AAAA, _IN = 1, 28, 1
_NO_SUCH_NAME = 3


@dataclass(slots=True)
class Dns:
    """The running server, what it answers and what it was asked.

    Attributes:
        names: name → answers in turn, each a list of addresses; the last one stays.
        asked: every question, name by name.
    """

    port: int
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Ask this server for the addresses of a host, as a resolver of the guard does."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            found = [*await self._ask(host, _A), *await self._ask(host, _AAAA)]
        if not found:
            raise OSError(f"{host} does not exist")
        return found

    async def _ask(self, host: str, kind: int) -> list[str]:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in host.rstrip(".").split("."))
        query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, _IN)
        async with await anyio.create_connected_udp_socket("127.0.0.1", self.port) as udp:
            await udp.send(query)
            answer = await udp.receive()
        count = struct.unpack("!6H", answer[:12])[3]
        found, place = [], len(query)
        for _ in range(count):
            length = struct.unpack("!H", answer[place + 10 : place + 12])[0]
            found.append(str(ip_address(answer[place + 12 : place + 12 + length])))
            place += 12 + length
        return found

    def _answer(self, query: bytes) -> bytes:
        labels, place = [], 12
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length].decode())
            place += 1 + length
        name = ".".join(labels).lower()
        kind = struct.unpack("!H", query[place + 1 : place + 3])[0]
        question = query[12 : place + 5]
        self.asked.append((name, kind))
        planned = self.names.get(name)
        if planned is None:
            return query[:2] + struct.pack("!5H", 0x8180 | _NO_SUCH_NAME, 1, 0, 0, 0) + question
        # Both questions of one look-up get the same answer; the question for AAAA ends the look-up.
        addresses = planned[0]
        if kind == _AAAA and len(planned) > 1:
            planned.pop(0)
        packed = [ip_address(one).packed for one in addresses]
        right = [one for one in packed if len(one) == (4 if kind == _A else 16)]
        records = b"".join(struct.pack("!3HIH", 0xC00C, kind, _IN, 0, len(one)) + one for one in right)
        return query[:2] + struct.pack("!5H", 0x8180, 1, len(right), 0, 0) + question + records


@contextmanager
def running_dns() -> Iterator[Dns]:
    """Serve on a free port of loopback until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        dns = Dns(listener.getsockname()[1])

        def serve() -> None:
            while True:
                query, sender = listener.recvfrom(512)
                if not query:
                    return
                listener.sendto(dns._answer(query), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield dns
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"", ("127.0.0.1", dns.port))
            thread.join(10)
