"""Signatures by which mailbox providers know that a letter is ours, whole and unchanged (RFC 6376).

What all readers of a letter share is brought into canonical form and hashed once. Nothing
here changes a byte of a letter, or knows what it says.
"""

import base64
import functools
import hashlib
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from connector.clock import SECOND
from connector.delivery.encoding import HEADER_LINE, ascii_domain, fold
from connector.errors import Misconfigured
from connector.settings import DkimKey, Settings

Kind = Literal["rsa", "ed25519"]

NAMES = {"rsa": "RSA", "ed25519": "Ed25519"}
RSA_BITS = 2048  # RFC 8301 section 3.2 allows less; mailbox providers do not
RSA_EXPONENT = 65537
# What differs from reader to reader, in the order in which it is signed.
PERSONAL = ("To", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
# Signed once more than they are there, so that nobody can add another (RFC 6376 section 8.15).
NOT_TWICE = ("From", "Subject", "Date", "To", "List-Unsubscribe", "List-Unsubscribe-Post")
# Signed even where a letter has none, so that answers cannot be led astray.
ALWAYS = "Reply-To"
# RFC 6376 section 5.4.1: these are the relays' to change.
NEVER = ("received", "return-path")
TXT_STRING = 255  # RFC 1035 section 3.3.14
SIGNATURE_LINE = 72

_CRLF = b"\r\n"
_SPACE = re.compile(rb"[ \t]+")
_LINE_END = re.compile(rb"[ \t]+\r\n")
_EMPTY_END = re.compile(rb"(\r\n)+\Z")


class Seal:
    """The signatures of one letter, for reader after reader.

    `head` and `body` are its pieces as they go over the wire, with None for a reader's own.
    Each piece of the head is whole fields, the last ends with the empty line; in the body a
    reader's place begins a line and is followed by `=` or by the end of its line. `date` (ms)
    is the mailing's: the same delivery has the same signature every time. Safe to share
    between threads.
    """

    def __init__(
        self,
        signers: Sequence["Signer"],
        head: Sequence[bytes | None],
        body: Sequence[bytes | None],
        *,
        date: int,
    ) -> None:
        fields = [field for piece in head if piece for field in _fields(piece)]
        fields = [field for field in fields if field[0].lower() not in NEVER]
        self._head = hashlib.sha256(b"".join(canonical for _, canonical in fields))
        self._personal_head = [at for at, piece in enumerate(head) if piece is None]
        beginning, self._places = _parted(body, first=len(head))
        self._body = hashlib.sha256(beginning)
        names = [name for name, _ in fields]
        self._signs = [signer.sign for signer in signers]
        self._beginnings = [_beginning(signer, names, date) for signer in signers]

    def headers(self, letters: Sequence[Sequence[bytes]]) -> list[bytes]:
        """The DKIM-Signature fields to put before each of `letters`: the pieces of whole ones."""
        hashed = [self._hashed(pieces) for pieces in letters]
        # All at once: signing drives what else a letter needs out of the processor's cache.
        proofs = [
            [sign(digest) for sign, digest in zip(self._signs, digests, strict=True)]
            for _, digests in hashed
        ]
        return [
            b"".join(
                [
                    _field(beginning, body_hash, proof)
                    for (beginning, _), proof in zip(self._beginnings, signed, strict=True)
                ]
            )
            for (body_hash, _), signed in zip(hashed, proofs, strict=True)
        ]

    def _hashed(self, pieces: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """The body's hash as the field tells it, and what each key has to sign."""
        words: list[bytes] = []
        for at, ends_line, then in self._places:
            words += (_relaxed_value(pieces[at], ends_line=ends_line), then)
        body = self._body.copy()
        body.update(b"".join(words))
        body_hash = b2a_base64(body.digest(), newline=False)
        found = {
            name: canonical for at in self._personal_head for name, canonical in _fields(pieces[at])
        }
        head = self._head.copy()
        head.update(b"".join([found.get(name, b"") for name in PERSONAL]))
        digests = []
        for _, canonical in self._beginnings:
            # RFC 6376 section 3.7: the field signs itself, with nothing yet after `b=`.
            whole = head.copy()
            whole.update(b"%b%b; b=" % (canonical, body_hash))
            digests.append(whole.digest())
        return body_hash, digests


def _field(beginning: bytes, body_hash: bytes, signature: bytes) -> bytes:
    proof = b2a_base64(signature, newline=False)
    lines = [proof[at : at + SIGNATURE_LINE] for at in range(0, len(proof), SIGNATURE_LINE)]
    return b"%b%b;\r\n b=%b\r\n" % (beginning, body_hash, b"\r\n ".join(lines))


def _beginning(signer: "Signer", shared: Sequence[str], date: int) -> tuple[bytes, bytes]:
    """The field up to the body's hash: as it is sent, and in canonical form."""
    names = [*shared, *PERSONAL]
    if ALWAYS not in names:
        names.append(ALWAYS)
    tags = [
        "v=1;",
        f"a={signer.kind}-sha256;",
        "c=relaxed/relaxed;",
        f"d={signer.domain};",
        f"s={signer.selector};",
        f"t={date // SECOND};",
    ]
    listed = wrap("h=" + ": ".join([*names, *NOT_TWICE]), HEADER_LINE - 2, break_on_hyphens=False)
    lines = [f" {line}".replace(": ", ":") for line in listed]
    text = fold("DKIM-Signature", tags) + "\r\n".join(lines) + ";\r\n bh="
    field = text.encode()
    ((_, canonical),) = _fields(field)
    return field, canonical.removesuffix(_CRLF)


# Canonical form, RFC 6376 section 3.4: `relaxed` for both, so that a relay may fold anew


def _fields(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """Each field's name, and the field in canonical form."""
    unfolded = piece.replace(b"\t", b" ").replace(b"\r\n ", b" ")
    for field in unfolded.split(_CRLF):
        name, colon, value = field.partition(b":")
        if colon:
            name, value = name.strip(b" "), value.strip(b" ")
            if b"  " in value:
                value = _SPACE.sub(b" ", value)
            yield name.decode(), b"%b:%b\r\n" % (name.lower(), value)


class _Place(NamedTuple):
    """Where a reader's own words go into the body, and the shared bytes after them."""

    at: int
    ends_line: bool
    then: bytes


def _parted(body: Sequence[bytes | None], *, first: int) -> tuple[bytes, list[_Place]]:
    """The body in canonical form: what comes before the first place, and the places."""
    places = [at for at, piece in enumerate(body) if piece is None]
    shared = [
        b"".join(piece or b"" for piece in body[one + 1 : other])
        for one, other in pairwise([-1, *places, len(body)])
    ]
    beginning, *rest = [*map(_relaxed, shared[:-1]), _EMPTY_END.sub(_CRLF, _relaxed(shared[-1]))]
    return beginning, [
        _Place(first + at, then.startswith(_CRLF), then)
        for at, then in zip(places, rest, strict=True)
    ]


def _relaxed(text: bytes) -> bytes:
    return _SPACE.sub(b" ", _LINE_END.sub(_CRLF, text))


def _relaxed_value(value: bytes, *, ends_line: bool) -> bytes:
    if b"  " in value or b"\t" in value or b" \r" in value:
        value = _relaxed(value)
    return value.rstrip(b" ") if ends_line else value


# Keys


@dataclass(frozen=True, repr=False)
class Signer:
    """A key, and where the world finds its public half. `sign` takes a SHA-256 digest."""

    kind: Kind
    domain: str
    selector: str
    public: str
    sign: Callable[[bytes], bytes]


class Record(NamedTuple):
    """What the DNS has to say about a key."""

    name: str
    value: str

    @property
    def strings(self) -> list[str]:
        """The value in pieces that a zone file takes."""
        size = TXT_STRING
        return [self.value[at : at + size] for at in range(0, len(self.value), size)]


def signers(settings: Settings) -> tuple[Signer, ...]:
    """Who signs the letters; nobody when `dkim.selector` is empty.

    Raises Misconfigured with every key that cannot be used, and the cure.
    """
    return _signers(settings.dkim_keys, domain(settings))


def domain(settings: Settings) -> str:
    """The domain that signs, as the DNS writes it."""
    return ascii_domain(settings.dkim_domain)


@functools.lru_cache(maxsize=8)
def _signers(keys: tuple[DkimKey, ...], domain: str) -> tuple[Signer, ...]:
    problems: list[str] = []
    found = []
    for key in keys:
        try:
            found.append(signer(key, domain))
        except Misconfigured as error:
            problems += error.problems
    if problems:
        raise Misconfigured(problems)
    return tuple(found)


def new_key(kind: Kind) -> bytes:
    """A private key of that kind, as PEM."""
    key: RSAPrivateKey | Ed25519PrivateKey = (
        generate_private_key(RSA_EXPONENT, RSA_BITS)
        if kind == "rsa"
        else Ed25519PrivateKey.generate()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def record(signer: Signer) -> Record:
    """The TXT record by which a signer's letters can be verified (RFC 6376 section 3.6.1)."""
    return Record(
        f"{signer.selector}._domainkey.{signer.domain}",
        f"v=DKIM1; k={signer.kind}; p={signer.public}",
    )


def signer(key: DkimKey, domain: str) -> Signer:
    """A key, ready to sign; raises Misconfigured when it cannot."""
    private = _private(key)
    if isinstance(private, RSAPrivateKey):
        sign, public = _rsa(private, key)
    else:
        # RFC 8463 section 3: the digest is signed as any message would be.
        sign = private.sign
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Signer(key.kind, domain, key.selector, base64.b64encode(public).decode(), sign)


def _private(key: DkimKey) -> RSAPrivateKey | Ed25519PrivateKey:
    cure = "move it away, and make one with: connector dkim new"
    cure += " --ed25519" if key.kind == "ed25519" else ""
    try:
        # Half of OpenSSL's own examination is whether the primes are; _rsa tries the key instead.
        private = load_pem_private_key(key.pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise Misconfigured(f"{key.path}: is locked with a password; {cure}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Misconfigured(f"{key.path}: is not a private key in PEM; {cure}") from None
    if not isinstance(private, RSAPrivateKey if key.kind == "rsa" else Ed25519PrivateKey):
        raise Misconfigured(f"{key.path}: is not an {NAMES[key.kind]} key; {cure}")
    return private


def _rsa(private: RSAPrivateKey, key: DkimKey) -> tuple[Callable[[bytes], bytes], bytes]:
    if private.key_size < RSA_BITS:
        raise Misconfigured(
            f"{key.path}: is a key of {private.key_size} bits, and mailbox providers ask for "
            f"{RSA_BITS}; move it away, and make one with: connector dkim new"
        )
    padding, algorithm = PKCS1v15(), Prehashed(SHA256())
    public = private.public_key()
    probe = bytes(32)
    try:
        public.verify(private.sign(probe, padding, algorithm), probe, padding, algorithm)
    except (InvalidSignature, ValueError):
        raise Misconfigured(f"{key.path}: is damaged. Restore it from a backup.") from None

    def sign(digest: bytes) -> bytes:
        return private.sign(digest, padding, algorithm)

    return sign, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
