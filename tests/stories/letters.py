"""What arrived: letters by address, their two texts, and the links a reader finds in them."""

import email
import email.policy
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser

from connector.database import Database
from connector.delivery import tray
from tests.fakes.smtp import FakeRelay
from tests.waiting import until

LINK = re.compile(r"https?://[^\s<>\"]+")
ENCODED_WORD = b"=?"


@dataclass(frozen=True)
class Arrived:
    """One message as it stood on the wire."""

    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def one_click(self) -> str:
        """The address in List-Unsubscribe that a mail program posts to (RFC 8058)."""
        return str(self.message["List-Unsubscribe"]).partition("<")[2].partition(">")[0]

    def link(self, purpose: str) -> str:
        """The one link in the text with this first part in its path."""
        (found,) = {link for link in links_in(self.text) if f"/{purpose}/" in link}
        return found

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert isinstance(part, EmailMessage)
        return str(part.get_content())


class Inbox(ABC):
    """Everybody's post."""

    @abstractmethod
    def to(self, address: str) -> list[Arrived]:
        """What came to an address, oldest first."""

    def wait(self, address: str, subject: str) -> Arrived:
        """The letter to `address` whose subject holds `subject`, once it is there."""

        def there() -> list[Arrived]:
            return [one for one in self.to(address) if subject in one.subject]

        until(there, f"“{subject}” to {address}", seconds=20)
        (found,) = there()
        return found

    def subjects(self, address: str) -> list[str]:
        return [one.subject for one in self.to(address)]


@dataclass(frozen=True)
class AtTheRelay(Inbox):
    relay: FakeRelay

    def to(self, address: str) -> list[Arrived]:
        return [Arrived(one.message) for one in self.relay.received if one.recipient == address]


@dataclass(frozen=True)
class InTheTray(Inbox):
    db: Database

    def to(self, address: str) -> list[Arrived]:
        with self.db.read() as connection:
            kept = [
                one for one in tray.messages(connection, limit=1000) if one.recipient == address
            ]
            found = [tray.message(connection, each.id) for each in reversed(kept)]
        return [Arrived(one.raw) for one in found if one]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.add(values["href"] or "")
        elif tag == "img":
            self.pictures.append(values)


def links_in(text: str) -> set[str]:
    return set(LINK.findall(text))


def links_in_html(html: str) -> set[str]:
    """Where its links lead, pictures aside."""
    return _read(html).links


def pictures_in(html: str) -> list[dict[str, str | None]]:
    return _read(html).pictures


def _read(html: str) -> _Links:
    reader = _Links()
    reader.feed(html)
    return reader


ONCE = ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type")
OF_A_LIST = ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Archive")


def check_wire(raw: bytes, *, is_issue: bool) -> None:
    """What every message of ours keeps to, whichever way it went."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = raw.split(b"\r\n")
    message = Arrived(raw).message
    names = [name.lower() for name in message]
    assert head.isascii()
    assert b"\0" not in raw
    assert all(b"\n" not in line and b"\r" not in line for line in lines), "CRLF only"
    assert max(map(len, lines)) <= 998
    assert body.isascii(), "transfer-encoded for seven bits"
    for name in ONCE:
        assert names.count(name.lower()) == 1, name
    for name in OF_A_LIST:
        assert names.count(name.lower()) == is_issue, name
    for name in ("bcc", "return-path", "received"):
        assert name not in names
    assert ("auto-submitted" in names) != is_issue
    if is_issue:
        _check_one_click(head)
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert not re.search(rb"\[\[\w+\]\]|\{\{|\{%", raw), "no mark is left"


def _check_one_click(head: bytes) -> None:
    unsubscribe = re.search(rb"^List-Unsubscribe: ([^\r]*(?:\r\n[ \t][^\r]*)*)", head, re.MULTILINE)
    assert unsubscribe
    assert ENCODED_WORD not in unsubscribe[1]
    ways = re.findall(rb"<([^>]*)>", unsubscribe[1])
    assert [way.partition(b":")[0] for way in ways] in ([b"https", b"mailto"], [b"http", b"mailto"])
    assert not any(set(way) & set(b" \t\r\n") for way in ways), "no fold inside an address"
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
