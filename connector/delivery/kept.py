"""A letter in the Tray, as somebody looking into it sees it: who, when, and both its parts.

It reads what was kept; it never follows a link and never loads a picture.
"""

import email
import email.policy
import zlib
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser

HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class TrayEntry:
    """One line of the list: `sender` and `recipient` are those of the envelope."""

    id: int
    received_at: int
    sender: str
    recipient: str
    subject: str


@dataclass(frozen=True, slots=True)
class TrayMessage:
    """A letter opened: `sender` and `to` as its headers show them, `raw` byte for byte."""

    id: int
    received_at: int
    envelope_sender: str
    recipient: str
    subject: str
    sender: str
    to: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the Tray: `raw` is compressed."""

    id: int
    received_at: int
    sender: str
    recipient: str
    subject: str
    raw: bytes


def opened(stored: Stored) -> TrayMessage:
    """Unpack a row; a part that is missing or unreadable is empty."""
    raw = zlib.decompress(stored.raw)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return TrayMessage(
        id=stored.id,
        received_at=stored.received_at,
        envelope_sender=stored.sender,
        recipient=stored.recipient,
        subject=stored.subject,
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers=tuple((name, str(value)) for name, value in message.items()),
        raw=raw,
    )


def packed(message: bytes) -> bytes:
    """A message as the Tray keeps it."""
    return zlib.compress(message, level=1)


def subject_of(message: bytes) -> str:
    """The subject line, decoded."""
    head = message.partition(HEADER_END)[0] + HEADER_END
    return str(BytesHeaderParser(policy=email.policy.default).parsebytes(head)["Subject"] or "")


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        text: str = part.get_content()
    except LookupError:
        return ""
    return text.replace("\r\n", "\n")
