"""Words as mail carries them: quoted-printable bodies, RFC 2047 headers, folded lines.

Nothing here knows what a letter says. Whatever goes in, no line comes out that is too long,
begins with a dot, or ends a header early.
"""

import base64
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from email_validator import EmailNotValidError, validate_email

T = TypeVar("T", str, bytes)

QP_LINE = 75  # RFC 2045 section 6.7: 76 with the soft break
HEADER_LINE = 78  # RFC 5322 section 2.1.1
WORD = 75  # RFC 2047 section 2
LONGEST_ADDRESS = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
SOFT_BREAK = b"=\r\n"

_NEWLINE = re.compile(r"\r\n|\r|\n")
_PLAIN = re.compile(r"[ !-<>-~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ORDINARY = re.compile(r"[A-Za-z0-9_.+=-]{1,64}@[A-Za-z0-9.-]{1,189}")
_UNSENDABLE = re.compile(r'[\x00-\x20\x7f-\xa0<>()\[\],;:\\"\u2028\u2029\ud800-\udfff]')
_QP = [
    bytes([byte]) if byte in b" \t" or (33 <= byte <= 126 and byte != ord("=")) else b"=%02X" % byte  # noqa: PLR2004
    for byte in range(256)
]
# RFC 2047 section 5 (3): what may stand for itself in an encoded word of a name.
_Q_SAFE = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = [
    chr(byte) if byte in _Q_SAFE else "_" if byte == ord(" ") else f"={byte:02X}"
    for byte in range(256)
]


# Bodies


def quoted_printable(text: str) -> bytes:
    """Text as quoted-printable UTF-8 with CRLF line ends; no line starts with a dot.

    So a body needs no dot-stuffing (RFC 5321 section 4.5.2), and `From ` at the start of a
    line, which old mailboxes change, is hidden in the same way.
    """
    return b"\r\n".join(_soft_lines(line) for line in _NEWLINE.split(text))


def quoted_value(text: str) -> bytes:
    """Text for a line of its own inside a body, before a soft break; its line ends are data."""
    is_plain = _PLAIN.fullmatch(text)
    if is_plain and len(text) < QP_LINE and not text.startswith((".", "From")):
        return text.encode()
    if is_plain:
        lines = [text[at : at + QP_LINE] for at in range(0, len(text), QP_LINE)]
        if not any(line.startswith((".", "From ")) or line[-1] == " " for line in lines):
            return "=\r\n".join(lines).encode()
    return _soft_lines(text)


def _soft_lines(line: str) -> bytes:
    data = line.encode("utf-8", "replace")
    last = len(data) - 1
    lines: list[bytes] = []
    now = bytearray()
    for at, byte in enumerate(data):
        sign = b"=%02X" % byte if at == last and byte in b" \t" else _QP[byte]
        if len(now) + len(sign) > QP_LINE:
            lines.append(bytes(now))
            now.clear()
        if not now and (sign == b"." or data.startswith(b"From ", at)):
            sign = b"=%02X" % byte
        now += sign
    lines.append(bytes(now))
    return SOFT_BREAK.join(lines)


# Headers


def unstructured(name: str, text: str) -> str:
    """A header whose value is just text, such as Subject; folded, pure ASCII."""
    words = text.split(" ")
    if not _is_plain(text) or max(map(len, words)) > HEADER_LINE - len(name) - 2:
        words = encoded_words(text, after=len(name) + 2)
    return fold(name, words)


def mailbox(name: str, display: str, address: str) -> str:
    """A header that names one person: `From: Ada Lovelace <ada@example.org>`.

    ASCII unless the address itself needs SMTPUTF8.
    """
    line = f"{name}: {display} <{address}>\r\n"
    if len(line) <= HEADER_LINE + 2 and is_ordinary(address) and _is_simple(display):
        return line
    return fold(name, [*phrase(display, after=len(name) + 2), f"<{header_address(address)}>"])


def _is_simple(display: str) -> bool:
    """What nearly every name is: nothing to quote, encode or fold."""
    return bool(_NAME.fullmatch(display)) and "=?" not in display


def phrase(text: str, *, after: int) -> list[str]:
    """The words of a display name, quoted or encoded where needed, for a line `after` wide."""
    if not text:
        return []
    quoted = text if _ATOMS.fullmatch(text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    words = quoted.split(" ")
    if not _is_plain(text) or max(map(len, words)) > HEADER_LINE - after:
        return encoded_words(text, after=after)
    return words


def fold(name: str, words: Iterable[str]) -> str:
    """`name: words`, on lines of at most 78 where the words allow it; ends with CRLF."""
    lines: list[str] = []
    now = f"{name}:"
    for word in words:
        if len(now) + 1 + len(word) > HEADER_LINE and now.strip() != f"{name}:":
            lines.append(now)
            now = ""
        now += f" {word}"
    return "\r\n".join([*lines, now]) + "\r\n"


def encoded_words(text: str, *, after: int = 0) -> list[str]:
    """Text as RFC 2047 encoded words, none longer than 75; the first leaves `after` free.

    Quoted or base64, whichever is shorter; no character is split between two words.
    """
    signs = [sign.encode("utf-8", "replace") for sign in text]
    quoted = ["".join(_Q[byte] for byte in sign) for sign in signs]
    room = WORD - len("=?utf-8?q??=")
    if sum(map(len, quoted)) <= sum(map(len, signs)) * 4 / 3 + 3:
        chunks = _chunks(quoted, first=room - after, room=room)
        return [f"=?utf-8?q?{''.join(chunk)}?=" for chunk in chunks]
    return [
        f"=?utf-8?b?{base64.b64encode(b''.join(chunk)).decode()}?="
        for chunk in _chunks(signs, first=(room - after) // 4 * 3, room=room // 4 * 3)
    ]


def _chunks(signs: Sequence[T], *, first: int, room: int) -> Iterator[list[T]]:
    """Signs in order, in lists whose lengths add up to `room` at most (`first`, for the first)."""
    chunk: list[T] = []
    left = first
    for sign in signs:
        if chunk and len(sign) > left:
            yield chunk
            chunk, left = [], room
        chunk.append(sign)
        left -= len(sign)
    yield chunk


def _is_plain(text: str) -> bool:
    # A header that only looks like an encoded word would be decoded by its reader.
    return text.isascii() and text.isprintable() and "=?" not in text


# Addresses


def on_the_wire(address: str) -> str:
    """The address as relays take it: an international domain in its ASCII form (RFC 5890)."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{ascii_domain(domain)}"


@functools.lru_cache(maxsize=1024)
def ascii_domain(domain: str) -> str:
    """The A-label form of a domain; what is not one is returned as it is."""
    if domain.isascii():
        return domain
    try:
        return validate_email(f"x@{domain}", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return domain


def needs_smtputf8(address: str) -> bool:
    """Whether only a relay with SMTPUTF8 (RFC 6531) can take this address."""
    return not on_the_wire(address).isascii()


def is_sendable(address: str) -> bool:
    """Whether an address can stand in an SMTP command or a header as it is."""
    local, _, domain = address.rpartition("@")
    return (
        bool(local and domain)
        and "@" not in local
        and len(address) <= LONGEST_ADDRESS
        and not _UNSENDABLE.search(address)
    )


def is_ordinary(address: str) -> bool:
    """Whether an address is of the kind nearly all are, which needs no second look."""
    return _ORDINARY.fullmatch(address) is not None


def header_address(address: str) -> str:
    """An address for a header: on the wire, without anything that could end the header early."""
    return _UNSENDABLE.sub("", on_the_wire(address))[:LONGEST_ADDRESS]
