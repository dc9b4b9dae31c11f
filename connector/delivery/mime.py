"""A letter as bytes: encoded once, then joined with one reader's few words in microseconds.

Every header of a message is written here and nowhere else. The standard library's own
folding is never used: it breaks List-Unsubscribe into encoded words.
"""

import hashlib
import hmac
import html
import re
from collections.abc import Sequence
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from connector.clock import moment
from connector.delivery import links
from connector.delivery.encoding import (
    QP_LINE,
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
from connector.delivery.mailing import Delivery
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.delivery.dkim import Seal

Kind = Literal["issue", "notice"]
Part = Literal["header", "text", "html"]
Slot = tuple[Part, str]

MARKER = re.compile(r"\[\[(address|name|unsubscribe|preferences)\]\]")
# What nearly all names and links are: nothing that either body would write in another way.
PLAIN = re.compile(r"(?!From|\.)[A-Za-z0-9:/@._~-]+(?: [A-Za-z0-9:/@._~-]+)*")
VERP = re.compile(r"\+(\d{1,19})\.([0-9a-f]{20})")
BODIES: tuple[Part, ...] = ("text", "html")
ONE_CLICK = ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
# Where the header's own places are: To, and Message-ID with List-Unsubscribe.
TO, IDENTITY = 1, 3
PROOF = 10  # bytes: half a proof of ours, enough where each guess is a letter to be sent
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
        self._site = links.site(settings)
        head, body = self._head(letter, date), self._body(letter)
        pieces = [*head, *body]
        self._pieces = [b"" if isinstance(piece, tuple) else piece for piece in pieces]
        self._seal = _seal(settings, head, body, date=date)
        places = [(at, piece) for at, piece in enumerate(pieces) if isinstance(piece, tuple)]
        self._at = {
            what: [[at for at, one in places if one == (part, what)] for part in BODIES]
            for what in {what for _, (part, what) in places if part != "header"}
        }
        self._has_list = kind == "issue"
        self._needs_unsubscribe = self._has_list or "unsubscribe" in self._at
        self._return_path = _return_path(settings)
        # RFC 2369: what follows the link of the reader's own, up to the token.
        reader = _return_path(settings) if settings.reads_returns else settings.publication.email
        owner = quote(header_address(reader), safe="@.+-_~")
        self._mailto = f">,\r\n <mailto:{owner}?subject=unsubscribe%20"

    def fill(self, deliveries: Sequence[Delivery]) -> list[tuple[str, list[bytes]]]:
        """Letters ready to go: of each its envelope sender, and the pieces of its message."""
        filled = []
        for id_, _, recipient, address, name, _ in deliveries:
            proof = _proof(self._settings, id_)
            pieces = self._filled(id_, proof, recipient, address, name)
            filled.append((_verp(self._return_path, id_, proof), pieces))
        self._sealed([pieces for _, pieces in filled])
        return filled

    def message(self, *, delivery: int, recipient: int | None, address: str, name: str) -> bytes:
        """The whole message for one reader, with CRLF line ends.

        No line starts with a dot. `recipient` is None for a notice to somebody who is not a
        subscriber and for a test: such a message has no List-Unsubscribe.
        """
        proof = _proof(self._settings, delivery)
        pieces = self._filled(delivery, proof, recipient, address, name)
        self._sealed([pieces])
        return b"".join(pieces)

    def _sealed(self, letters: Sequence[list[bytes]]) -> None:
        if self._seal is not None:
            for pieces, header in zip(letters, self._seal.headers(letters), strict=True):
                pieces.insert(0, header)

    def _filled(
        self, delivery: int, proof: bytes, recipient: int | None, address: str, name: str
    ) -> list[bytes]:
        pieces, at = self._pieces.copy(), self._at
        name = one_line(name)
        # RFC 6532: UTF-8 where the address cannot be written without; ASCII else.
        pieces[TO] = mailbox("To", name, address).encode()
        own = f"Message-ID: <{delivery}.{_tag(proof)}@{self._domain}>\r\n"
        link = self._site
        if recipient is not None and self._needs_unsubscribe:
            token = links.token(self._settings, "unsubscribe", recipient)
            link = f"{link}/unsubscribe/{token}"
            if self._has_list:
                # RFC 8058. The mailto too: Microsoft has honoured only that form. A token is
                # made of letters that need no quoting in either.
                own += f"List-Unsubscribe: <{link}{self._mailto}{token}{ONE_CLICK}"
        pieces[IDENTITY] = own.encode()
        if "unsubscribe" in at:
            _put(pieces, at["unsubscribe"], link)
        if "preferences" in at:
            link = self._site
            if recipient is not None:
                link = links.preferences(self._settings, recipient)
            _put(pieces, at["preferences"], link)
        if "name" in at:
            _put(pieces, at["name"], name)
        if "address" in at:
            _put(pieces, at["address"], address)
        return pieces

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
            ("header", "identity"),
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


def _put(pieces: list[bytes], at: list[list[int]], value: str) -> None:
    """A reader's own words in both bodies, as each writes them."""
    in_text, in_html = at
    if len(value) < QP_LINE and PLAIN.fullmatch(value):
        quoted = value.encode()
        for place in in_text + in_html:
            pieces[place] = quoted
        return
    quoted = quoted_value(value)
    for place in in_text:
        pieces[place] = quoted
    quoted = quoted_value(html.escape(value))
    for place in in_html:
        pieces[place] = quoted


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
    return _verp(_return_path(settings), delivery, _proof(settings, delivery))


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
        hmac.compare_digest(proof[:PROOF].hex(), tag)
        for proof in settings.keys.proofs("bounce", str(delivery))
    ]
    return delivery if any(known) else None


def is_message_of(settings: Settings, tag: str, *, delivery: int) -> bool:
    """Whether `tag`, from a Message-ID that came back, proves it the one we gave this delivery."""
    known = [
        hmac.compare_digest(_tag(proof), tag)
        for proof in settings.keys.proofs("bounce", str(delivery))
    ]
    return any(known)


def _proof(settings: Settings, delivery: int) -> bytes:
    """What only we can say of a delivery: one part goes on the envelope, another into the letter."""
    return settings.keys.proof("bounce", str(delivery))


def _verp(return_path: str, delivery: int, proof: bytes) -> str:
    local, _, domain = return_path.rpartition("@")
    return f"{local}+{delivery}.{proof[:PROOF].hex()}@{domain}"


def _tag(proof: bytes) -> str:
    return proof[PROOF : 2 * PROOF].hex()


def _return_path(settings: Settings) -> str:
    return on_the_wire(settings.mail.return_path or f"bounces@{settings.domain}")
