"""A letter as bytes: encoded once, then joined with one reader's few words in microseconds.

Every header of a message is written here and nowhere else. The standard library's own
folding is never used: it breaks List-Unsubscribe into encoded words.
"""

import hashlib
import hmac
import html
import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from connector.clock import moment
from connector.delivery import links
from connector.delivery.encoding import (
    SOFT_BREAK,
    ascii_domain,
    fold,
    header_address,
    mailbox,
    on_the_wire,
    phrase,
    quoted_printable,
    quoted_value,
    unstructured,
)
from connector.delivery.letter import Letter, one_line
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.delivery.dkim import Seal

Kind = Literal["issue", "notice"]
Part = Literal["header", "text", "html"]
Slot = tuple[Part, str]

MARKER = re.compile(r"\[\[(address|name|unsubscribe|preferences)\]\]")
VERP = re.compile(r"\+(\d{1,19})\.([0-9a-f]{20})")
# The places whose words somebody typed; the others are links of our own making.
STRANGERS_WORDS = ("address", "name")
SENDER_ID = 15  # the longest that Gmail's feedback loop takes; the shortest is 5


class Template:
    """A letter with everything written but what is a reader's own.

    The same delivery gives the same bytes every time, so that a copy sent again after a
    crash carries the same Message-ID. Safe to share between threads.
    """

    def __init__(
        self, letter: Letter, settings: Settings, *, mailing: int, kind: Kind, date: int
    ) -> None:
        self._settings = settings
        self._mailing = mailing
        self._kind = kind
        self._sender = _sender(letter, settings, kind)
        self._domain = ascii_domain(self._sender.rpartition("@")[2].lower())
        head, body = self._head(letter, date), self._body(letter)
        pieces = [*head, *body]
        self._pieces = [b"" if isinstance(piece, tuple) else piece for piece in pieces]
        self._seal = _seal(settings, head, body, date=date)
        self._slots = [(at, piece) for at, piece in enumerate(pieces) if isinstance(piece, tuple)]
        self._markers = {what for _, (part, what) in self._slots if part != "header"}
        self._needs_unsubscribe = kind == "issue" or "unsubscribe" in self._markers
        # RFC 2369: what follows the link of the reader's own, up to the token.
        reader = _return_path(settings) if settings.reads_returns else settings.publication.email
        owner = quote(header_address(reader), safe="@.+-_~")
        self._mailto = f">,\r\n <mailto:{owner}?subject=unsubscribe%20"

    def message(self, *, delivery: int, recipient: int | None, address: str, name: str) -> bytes:
        """The whole message for one reader, with CRLF line ends.

        No line starts with a dot. `recipient` is None for a notice to somebody who is not a
        subscriber and for a test: such a message has no List-Unsubscribe.
        """
        values = self._values(recipient, address, one_line(name))
        pieces = self._pieces.copy()
        for at, (part, what) in self._slots:
            if part == "header":
                pieces[at] = self._header(what, delivery, recipient, address, values)
            elif part == "html" and what in STRANGERS_WORDS:
                pieces[at] = quoted_value(html.escape(values[what]))
            else:
                pieces[at] = quoted_value(values[what])
        if self._seal is not None:
            pieces.insert(0, self._seal.header(pieces))
        return b"".join(pieces)

    def _values(self, recipient: int | None, address: str, name: str) -> dict[str, str]:
        values = {"address": address, "name": name}
        if recipient is None:
            values["unsubscribe"] = values["preferences"] = self._site
            return values
        if self._needs_unsubscribe:
            values["unsubscribe"] = links.unsubscribe(self._settings, recipient)
        if "preferences" in self._markers:
            values["preferences"] = links.preferences(self._settings, recipient)
        return values

    # Headers

    def _head(self, letter: Letter, date: int) -> list[bytes | Slot]:
        settings = self._settings
        reply_to = letter.reply_to
        if self._kind == "notice":
            # Nobody may read at the address notices come from; somebody reads at this one.
            reply_to = reply_to or settings.publication.email
        first = [
            f"Date: {format_datetime(moment(date, settings.publication.zone))}\r\n",
            mailbox("From", one_line(letter.sender_name), self._sender),
        ]
        then = [
            mailbox("Reply-To", "", reply_to) if reply_to else "",
            unstructured("Subject", one_line(letter.subject)),
        ]
        last = [
            "MIME-Version: 1.0\r\n",
            *(self._list() if self._kind == "issue" else ["Auto-Submitted: auto-generated\r\n"]),
            f'Content-Type: multipart/alternative; boundary="{self._boundary}"\r\n\r\n',
        ]
        return [
            _ascii(first),
            ("header", "to"),
            _ascii(then),
            ("header", "message-id"),
            ("header", "unsubscribe"),
            _ascii(last),
        ]

    def _list(self) -> list[str]:
        """What RFC 2369 and RFC 2919 say about the list, the same for every reader."""
        publication = self._settings.publication
        title = phrase(one_line(publication.title), after=len("List-Id: "))
        owner = quote(header_address(publication.email), safe="@.+-_~")
        sender_id = _sender_id(self._settings.domain)
        return [
            fold("List-Id", [*title, f"<{_namespace(self._settings)}>"]),
            f"List-Help: <mailto:{owner}?subject=help>\r\n",
            f"List-Owner: <mailto:{owner}>\r\n",
            f"List-Archive: <{self._site}/archive>\r\n",
            "List-Post: NO\r\n",
            f"Feedback-ID: {self._mailing}:{self._kind}::{sender_id}\r\n",
        ]

    def _header(
        self, what: str, delivery: int, recipient: int | None, address: str, values: dict[str, str]
    ) -> bytes:
        if what == "to":
            # RFC 6532: UTF-8 where the address cannot be written without; ASCII else.
            return mailbox("To", values["name"], address).encode()
        if what == "message-id":
            proof = self._settings.keys.proof("message", f"{self._mailing}.{delivery}")
            tag = proof[:10].hex()
            return f"Message-ID: <{delivery}.{tag}@{self._domain}>\r\n".encode()
        if recipient is None or self._kind == "notice":
            return b""
        return self._list_unsubscribe(values["unsubscribe"]).encode()

    def _list_unsubscribe(self, url: str) -> str:
        # RFC 8058. The mailto too: Microsoft has honoured only that form. A token is made of
        # letters that need no quoting in either.
        return (
            f"List-Unsubscribe: <{url}{self._mailto}{url.rpartition('/')[2]}>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        )

    # Bodies

    def _body(self, letter: Letter) -> list[bytes | Slot]:
        # The text comes first: RFC 2046 section 5.1.4 puts the richest form last.
        return [
            self._part("text/plain"),
            *_spliced(letter.text, "text"),
            self._part("text/html"),
            *_spliced(letter.html, "html"),
            f"\r\n--{self._boundary}--\r\n".encode(),
        ]

    def _part(self, media_type: str) -> bytes:
        return (
            f"\r\n--{self._boundary}\r\n"
            f"Content-Type: {media_type}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode()

    @property
    def _boundary(self) -> str:
        # `=_` never occurs in quoted-printable, so no body can hold this line.
        return f"=_{hashlib.sha256(f'{self._domain}.{self._mailing}'.encode()).hexdigest()[:24]}"

    @property
    def _site(self) -> str:
        return links.site(self._settings)


def _seal(
    settings: Settings, head: list[bytes | Slot], body: list[bytes | Slot], *, date: int
) -> "Seal | None":
    if not settings.dkim_keys:
        return None
    from connector.delivery import dkim

    shared = [
        [None if isinstance(piece, tuple) else piece for piece in part] for part in (head, body)
    ]
    return dkim.Seal(dkim.signers(settings), *shared, date=date)


def _sender(letter: Letter, settings: Settings, kind: Kind) -> str:
    if kind == "issue":
        return letter.sender
    return settings.mail.notices_from or f"notices@{settings.domain}"


def _spliced(text: str, part: Part) -> list[bytes | Slot]:
    """A body in pieces, each reader's place on a line of its own between soft breaks."""
    pieces: list[bytes | Slot] = []
    for at, words in enumerate(MARKER.split(text)):
        if at % 2:
            pieces += [(part, words), SOFT_BREAK]
        else:
            encoded = quoted_printable(words)
            pieces.append(encoded)
            if encoded and not encoded.endswith(b"\r\n"):
                pieces.append(SOFT_BREAK)
    # Nothing follows the last words on their line.
    return pieces[:-1] if pieces[-1] == SOFT_BREAK else pieces


def _ascii(lines: list[str]) -> bytes:
    return "".join(lines).encode("ascii", "replace")


def _namespace(settings: Settings) -> str:
    """A name for the list that stays the same as long as the site does (RFC 2919 section 3)."""
    host = settings.domain if settings.is_local else settings.host
    return f"letters.{ascii_domain(host)}"


def _sender_id(domain: str) -> str:
    """What Gmail's feedback loop counts complaints by: 5 to 15 letters, the same for ever."""
    return (re.sub(r"[^a-z0-9]", "", ascii_domain(domain)) + "letters")[:SENDER_ID]


# The envelope


def envelope_sender(settings: Settings, delivery: int) -> str:
    """Where a bounce of this delivery goes: an address that names it and proves it (VERP)."""
    local, _, domain = _return_path(settings).rpartition("@")
    return f"{local}+{delivery}.{settings.keys.proof('bounce', str(delivery))[:10].hex()}@{domain}"


def read_verp(settings: Settings, address: str) -> int | None:
    """The delivery an envelope sender was made for, or None when we did not make it.

    The proof is 80 bits, in letters that survive a change of case: mail systems on the way
    back may change it.
    """
    local, _, domain = _return_path(settings).lower().rpartition("@")
    seen = address.strip().strip("<>").lower()
    found = VERP.fullmatch(seen.removeprefix(local).removesuffix(f"@{domain}"))
    if not found:
        return None
    delivery, tag = int(found[1]), found[2]
    known = [
        hmac.compare_digest(proof[:10].hex(), tag)
        for proof in settings.keys.proofs("bounce", str(delivery))
    ]
    return delivery if any(known) else None


def is_message_of(settings: Settings, tag: str, *, mailing: int, delivery: int) -> bool:
    """Whether `tag`, from a Message-ID that came back, proves it the one we gave this delivery."""
    known = [
        hmac.compare_digest(proof[:10].hex(), tag)
        for proof in settings.keys.proofs("message", f"{mailing}.{delivery}")
    ]
    return any(known)


def _return_path(settings: Settings) -> str:
    return on_the_wire(settings.mail.return_path or f"bounces@{settings.domain}")
