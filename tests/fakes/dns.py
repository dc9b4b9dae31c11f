"""A nameserver for tests, over real UDP and TCP on loopback; it misbehaves only on purpose."""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class FakeNameserver:
    """`with FakeNameserver(zone).running() as address:`; names it does not have do not exist.

    `zone` is {(name, type): [record, …]}, records as a zone file has them.
    """

    zone: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # SERVFAIL for these names
    silent: set[str] = field(default_factory=set)  # no answer at all; "*" for every name
    truncated: set[str] = field(default_factory=set)  # too long for UDP, whole over TCP
    asked: list[tuple[str, str]] = field(default_factory=list)

    def put(self, name: str, kind: str, *records: str) -> None:
        quoted = [f'"{one}"' if kind == "TXT" and '"' not in one else one for one in records]
        self.zone[name, kind] = quoted

    def answer(self, wire: bytes, *, is_udp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent or "*" in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.truncated and is_udp:
            response.flags |= dns.flags.TC
        elif (name, kind) in self.zone:
            records = self.zone[name, kind]
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Answer until the block ends; how to find it."""
        udp, tcp = _both()
        servers: tuple[_Udp | _Tcp, ...] = (udp, tcp)
        threads = []
        for server in servers:
            server.ours = self
            turn = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            turn.start()
            threads.append(turn)
        try:
            yield f"127.0.0.1:{udp.server_address[1]}"
        finally:
            for server, turn in zip(servers, threads, strict=True):
                server.shutdown()
                turn.join()
                server.server_close()


def _both() -> tuple["_Udp", "_Tcp"]:
    """A port that is free for UDP and for TCP."""
    while True:
        udp = _Udp(("127.0.0.1", 0), _Datagram)
        try:
            return udp, _Tcp(udp.server_address, _Stream)
        except OSError:
            udp.server_close()  # somebody has it for TCP


class _Udp(socketserver.UDPServer):
    ours: FakeNameserver


class _Tcp(socketserver.TCPServer):
    allow_reuse_address = True
    ours: FakeNameserver


class _Datagram(socketserver.BaseRequestHandler):
    server: Any

    def handle(self) -> None:
        wire, socket = self.request
        answer = self.server.ours.answer(wire, is_udp=True)
        if answer is not None:
            socket.sendto(answer, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        (length,) = struct.unpack("!H", self.rfile.read(2))
        answer = self.server.ours.answer(self.rfile.read(length), is_udp=False)
        if answer is not None:
            self.wfile.write(struct.pack("!H", len(answer)) + answer)
