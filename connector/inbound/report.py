"""Mail that came back, read: bounces (RFC 3464), complaints (RFC 5965), answers by machines.

Whatever comes in, `read` answers with a Report and never raises; it looks at a bounded part
of a message, opens nothing and answers nobody.
"""

import contextlib
import email.parser
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from typing import TypeAlias

from connector.delivery import links
from connector.delivery.mime import read_verp
from connector.delivery.outcome import printable
from connector.errors import InvalidLink
from connector.inbound.bounce import Claim, Report, is_permanent
from connector.settings import Settings

log = logging.getLogger(__name__)

Mail: TypeAlias = "Message[str, str]"

# A letter of ours is at most about 100 kB, and what it comes back in is little more.
LARGEST = 1024 * 1024
MOST_PARTS = 30
MOST_CLAIMS = 5
LONGEST_TEXT = 64 * 1024
NEWEST_ID = 2**63 - 1

# Who a copy was delivered to, as Postfix, Exim, qmail, Exchange and Dovecot write it down.
ENVELOPE = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To")
# The same address on its way out, in what a report returns.
RETURNED = ("Return-Path", "Original-Mail-From", "X-Original-Return-Path", "Sender")
COMPLAINTS = ("abuse", "fraud", "opt-out", "opt-out-list", "miscategorized")
ARRIVED = ("delivered", "relayed", "expanded")

_NESTED = re.compile(rb"(?:^|[\r\n])content-type:\s*(?:multipart|message)/", re.IGNORECASE)
# The standard library reads the parameters of a header in time that grows with their square.
_ENDLESS = re.compile(
    rb"(?:^|[\r\n])content-type:(?:[^\r\n]|[\r\n]{1,2}[ \t]){4000}", re.IGNORECASE
)
_GLOBAL = re.compile(rb"message/global-delivery-status", re.IGNORECASE)
_VERP = re.compile(
    r"[^\s<>,;:\"()\[\]]{1,64}\+\d{1,19}\.[0-9a-z]{16,20}@[^\s<>,;:\"()\[\]]{1,255}", re.IGNORECASE
)
_MESSAGE_ID = re.compile(rb"(?<![\w.+-])(\d{1,19})\.([A-Za-z0-9_-]{16,22})@[A-Za-z0-9]")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_UNSUBSCRIBE = re.compile(r"\bunsubscribe\b[\s:]+(\d{1,19}\.[A-Za-z0-9_-]+)", re.IGNORECASE)
_WISH = re.compile(r"unsubscribe\b", re.IGNORECASE)
# Each paragraph of a bounce by qmail: an address, then why (cr.yp.to/proto/qsbmf.txt).
_QMAIL = re.compile(r"^<[^<>\s]{1,320}>:[ \t]*\n((?:[^\n]+\n)+)", re.MULTILINE)
_REPLY = re.compile(r"\b[45]\d\d[ -]")
_ABSENT = re.compile(
    r"out of (?:the )?office|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|"
    r"abwesen|absence du bureau|fuera de la oficina|^auto:",
    re.IGNORECASE,
)


def read(settings: Settings, raw: bytes, *, recipient: str = "") -> Report:
    """What a message says; `recipient` is the one of its envelope, if known."""
    if len(raw) > LARGEST:
        size = f"larger than {LARGEST // 1024:,} kB"
        return Report("unreadable", detail=f"This message is {size}, so it was not read.")
    if len(_NESTED.findall(raw)) > MOST_PARTS or _ENDLESS.search(raw):
        return Report("unreadable", detail="This message has more parts than a report has.")
    try:
        return _read(settings, raw, recipient)
    except Exception as error:  # the parser raises a dozen kinds for garbage
        log.info("A message could not be read:", exc_info=True)
        return Report("unreadable", detail=f"This message is damaged ({type(error).__name__}).")


def _read(settings: Settings, raw: bytes, recipient: str) -> Report:
    message = email.parser.BytesParser().parsebytes(_GLOBAL.sub(b"message/delivery-status", raw))
    parts = list(message.walk())
    found = (
        _complaint(message, parts)
        or _status_report(parts)
        or _unsubscribe(settings, message)
        or _by_qmail(parts)
        or _by_exim(message, parts)
        or _receipt(parts)
        or _auto_reply(message)
        or _letter(message)
    )
    return _proven(settings, found, recipient, parts, raw)


# Reports by the standards


def _status_report(parts: list[Mail]) -> Report | None:
    """RFC 3464: one block about the message, then one for each address."""
    reports = [
        _of_recipient(block)
        for part in parts
        if part.get_content_type() == "message/delivery-status"
        for block in _blocks(part)
        if block["Action"] or block["Final-Recipient"] or block["Status"]
    ]
    if not reports:
        return None
    # One address of ours may be several people's at the other end; one of them has it.
    for kind in ("delivered", "bounce", "delayed"):
        of_kind = [one for one in reports if one.kind == kind]
        if of_kind:
            return max(of_kind, key=lambda one: one.permanent)
    return None


def _of_recipient(block: Mail) -> Report:
    action = _value(block, "Action").partition(" ")[0].lower()
    diagnostic = _value(block, "Diagnostic-Code")
    diagnostic = re.sub(r"^[a-z0-9-]+;\s*", "", diagnostic, flags=re.IGNORECASE)
    status = code_in(_value(block, "Status"), diagnostic)
    if action in ARRIVED:
        return Report("delivered", status=status, detail=diagnostic)
    if action == "delayed" or (action != "failed" and not status.startswith("5")):
        return Report("delayed", status=status, detail=diagnostic)
    return Report(
        "bounce",
        permanent=is_permanent(status),
        status=status or "5.0.0",
        detail=diagnostic,
    )


def code_in(status: str, diagnostic: str) -> str:
    """The most telling RFC 3463 code: Exim says 5.0.0 and leaves the rest to the diagnostic."""
    found = _STATUS.search(status)
    told = _STATUS.search(diagnostic)
    if told and (not found or found[1].endswith(".0.0")):
        return told[1]
    return found[1] if found else ""


def _blocks(part: Mail) -> list[Mail]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _complaint(message: Mail, parts: list[Mail]) -> Report | None:
    """RFC 5965: the recipient is often blacked out, so only our own proof says who it was."""
    feedback = [part for part in parts if part.get_content_type() == "message/feedback-report"]
    if not feedback:
        return None
    fields = _fields(feedback[0])
    kind = _value(fields, "Feedback-Type").lower()
    if kind in COMPLAINTS:
        return Report("complaint", detail=f"{kind}, reported by {_value(fields, 'User-Agent')}")
    return Report("unreadable", detail=f"A report of the kind “{kind}”: {_subject(message)}")


def _fields(part: Mail) -> Mail:
    payload = part.get_payload()
    if isinstance(payload, list):
        return payload[0] if payload and isinstance(payload[0], Message) else part
    return email.parser.HeaderParser().parsestr(_text(part).lstrip())


# What machines and people write without a standard


def _unsubscribe(settings: Settings, message: Mail) -> Report | None:
    """A mail to the address in List-Unsubscribe: the token in its subject says who and proves it.

    Without a good one it is for a person to read, even if a machine wrote it.
    """
    subject = _subject(message)
    if found := _UNSUBSCRIBE.search(subject):
        with contextlib.suppress(InvalidLink, ValueError):
            recipient = links.recipient_of(settings, "unsubscribe", found[1])
            return Report("unsubscribe", recipient=recipient, detail="asked by mail")
    return _letter(message) if _WISH.match(subject) else None


def _by_qmail(parts: list[Mail]) -> Report | None:
    text = _body(parts)
    if not text.lstrip().startswith("Hi. This is the"):
        return None
    found = _QMAIL.search(text)
    return _in_words(found[1]) if found else None


def _by_exim(message: Mail, parts: list[Mail]) -> Report | None:
    if not message["X-Failed-Recipients"]:
        return None
    text = _body(parts).partition("This is a copy of")[0]
    return _in_words(next((line for line in text.splitlines() if _REPLY.search(line)), ""))


def _in_words(reason: str) -> Report:
    status = code_in("", reason)
    if status.startswith("4"):
        return Report("bounce", status=status, detail=reason)
    return Report("bounce", permanent=is_permanent(status), status=status or "5.0.0", detail=reason)


def _receipt(parts: list[Mail]) -> Report | None:
    """RFC 8098: a mail program tells that its owner has opened the letter, or thrown it away."""
    if not any(part.get_content_type() == "message/disposition-notification" for part in parts):
        return None
    return Report("auto-reply", detail="a receipt")


def _auto_reply(message: Mail) -> Report | None:
    """RFC 3834, and what programs did before it."""
    submitted = _value(message, "Auto-Submitted").partition(";")[0].lower()
    is_automatic = (
        submitted not in ("", "no")
        or _value(message, "Precedence").lower() in ("auto_reply", "bulk", "junk", "list")
        or any(message[name] for name in ("X-Autoreply", "X-Autorespond", "X-AutoReply-From"))
        or _ABSENT.search(_subject(message))
    )
    return Report("auto-reply", detail=_subject(message)) if is_automatic else None


def _letter(message: Mail) -> Report:
    """Whatever else it is: somebody has to read it."""
    return Report(
        "unreadable",
        detail=_subject(message) or "A message without a subject.",
        author=parseaddr(str(message["From"] or "")[:1000])[1],
    )


# Which letter it is about


def delivery_in(settings: Settings, texts: Iterable[str]) -> int | None:
    """The first delivery that an address in these texts proves."""
    for text in texts:
        for seen in _VERP.findall(text[:LONGEST_TEXT]):
            delivery = read_verp(settings, seen)
            if delivery is not None:
                return delivery
    return None


def claims_in(texts: Iterable[bytes]) -> tuple[Claim, ...]:
    """The first few Message-IDs that look like ours."""
    found: dict[Claim, None] = {}
    for text in texts:
        for seen in _MESSAGE_ID.finditer(text):
            claim = Claim(int(seen[1]), seen[2].decode())
            if claim.delivery <= NEWEST_ID:
                found[claim] = None
            if len(found) >= MOST_CLAIMS:
                return tuple(found)
    return tuple(found)


def _proven(
    settings: Settings, found: Report, recipient: str, parts: list[Mail], raw: bytes
) -> Report:
    delivery = delivery_in(settings, _addresses(recipient, parts))
    claims = () if delivery is not None else claims_in((raw, *_encoded(parts)))
    return replace(found, detail=printable(found.detail), delivery=delivery, claims=claims)


def _addresses(recipient: str, parts: list[Mail]) -> Iterator[str]:
    yield recipient
    for name in ENVELOPE:
        yield from (str(value) for value in parts[0].get_all(name, []))
    for part in parts[1:]:
        fields = part
        if part.get_content_type() in ("message/feedback-report", "text/rfc822-headers"):
            fields = _fields(part)
        for name in RETURNED:
            yield from (str(value) for value in fields.get_all(name, []))


def _encoded(parts: list[Mail]) -> Iterator[bytes]:
    """What the message itself does not show: its parts in base64."""
    for part in parts:
        encoding = _value(part, "Content-Transfer-Encoding").lower()
        if encoding == "base64" and not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


# Words


def _body(parts: list[Mail]) -> str:
    plain = next((part for part in parts if part.get_content_type() == "text/plain"), None)
    return _text(plain) if plain is not None else ""


def _text(part: Mail) -> str:
    payload = part.get_payload(decode=True)
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return text[:LONGEST_TEXT].replace("\r\n", "\n")


def _value(message: Mail, name: str) -> str:
    return printable(str(message[name] or ""))


def _subject(message: Mail) -> str:
    subject = str(message["Subject"] or "")[:1000]
    try:
        return printable(str(make_header(decode_header(subject))))
    except (LookupError, ValueError):
        return printable(subject)
