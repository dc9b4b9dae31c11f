"""The one way to the DNS: asks a question and says what was answered, or that nobody could say.

It judges nothing, and never waits long: a server that is silent is reported, not waited for.
"""

import contextlib
import ipaddress
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename

from connector.errors import Refused

Kind = Literal["TXT", "MX", "A", "AAAA", "PTR"]

PORT = 53
# Long enough for one server that is slow and one that is far; a person waits for this.
SECONDS = 3.0
# After so many silent answers in a row nobody is there at all.
PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """Records as text; none when there are none. `trouble` says why nobody could tell."""

    records: tuple[str, ...] = ()
    trouble: str = ""


class Resolver:
    """Asks one nameserver, or with none given the one this machine asks."""

    def __init__(self, nameserver: str = "", *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._silent = 0
        self._known: dict[tuple[str, Kind], Answer] = {}
        self._resolver: dns.resolver.Resolver | None
        try:
            self._resolver = dns.resolver.Resolver(configure=not nameserver)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = None
            return
        if nameserver:
            host, port = _server(nameserver)
            self._resolver.nameservers = [host]
            self._resolver.port = port

    def ask(self, name: str, kind: Kind) -> Answer:
        """The records of a name; the same question is asked once."""
        known = self._known.get((name, kind))
        if known is None:
            known = self._known[name, kind] = self._ask(name, kind)
        return known

    def names_of(self, ip: str) -> Answer:
        """The names an address says it has (PTR)."""
        return self.ask(dns.reversename.from_address(ip).to_text(omit_final_dot=True), "PTR")

    def addresses_of(self, name: str) -> Answer:
        """The IPv4 and IPv6 addresses of a name."""
        four, six = self.ask(name, "A"), self.ask(name, "AAAA")
        records = (*four.records, *six.records)
        return Answer(records, "" if records else four.trouble or six.trouble)

    def _ask(self, name: str, kind: Kind) -> Answer:
        if self._resolver is None:
            return Answer(trouble="this machine names no DNS server")
        if self._silent >= PATIENCE:
            return Answer(trouble="the DNS server does not answer")
        trouble = ""
        try:
            found = self._resolver.resolve(
                name, kind, search=False, raise_on_no_answer=False, lifetime=self._seconds
            )
            self._silent = 0
            return Answer(tuple(_text(record, kind) for record in found.rrset or ()))
        except dns.resolver.NXDOMAIN:
            self._silent = 0
        except dns.exception.Timeout:
            self._silent += 1
            trouble = f"no answer within {self._seconds:g} seconds"
        except dns.resolver.NoNameservers:
            trouble = "the DNS server could not find out"
        except (dns.exception.DNSException, UnicodeError, OSError) as error:
            trouble = f"it cannot be asked for ({error})"
        return Answer(trouble=trouble)


def _text(record: object, kind: Kind) -> str:
    if kind == "TXT":
        # RFC 7208 section 3.3: the strings of one record belong together, without a space.
        strings: tuple[bytes, ...] = record.strings  # type: ignore[attr-defined]
        return b"".join(strings).decode("utf-8", "replace")
    text: str = record.to_text()  # type: ignore[attr-defined]
    return text.lower() if kind != "MX" else text


def _server(text: str) -> tuple[str, int]:
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text)), PORT
    host, _, port = text.rpartition(":")
    with contextlib.suppress(ValueError):
        if 0 < int(port) < 2**16:
            return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    raise Refused(f"“{text}” is not a DNS server; write it like 9.9.9.9 or 127.0.0.1:5353.")
