"""Tokens that nobody else can make: a value, the purpose it is for, and 128 bits of HMAC.

A token made for one purpose never opens another door. The first key signs, every key
verifies, so a key can be changed without breaking the links of old letters.
"""

import binascii
import contextlib
import functools
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from connector.errors import ExpiredLink, InvalidLink, Misconfigured

TAG_BYTES = 16
BLOCK = 64  # SHA-256's own
# RFC 4648 section 5: base64 for URLs.
URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, repr=False)
class Keys:
    """Signing keys, newest first; at least 32 bytes each."""

    secrets: tuple[bytes, ...]

    def tag(self, purpose: str, value: str) -> str:
        """22 URL-safe characters that prove `value` was ours, for `purpose`."""
        return _tag(self.secrets[0], purpose, value)

    def proof(self, purpose: str, value: str) -> bytes:
        """32 bytes of proof, for where a tag's letters would not survive or two are wanted."""
        return _digest(self.secrets[0], purpose, value)

    def proofs(self, purpose: str, value: str) -> list[bytes]:
        """The proofs of every key, newest first."""
        return [_digest(secret, purpose, value) for secret in self.secrets]

    def sign(self, purpose: str, value: str) -> str:
        """`value` followed by its proof; safe in a URL when `value` is."""
        return f"{value}.{self.tag(purpose, value)}"

    def verify(self, purpose: str, token: str) -> str:
        """The value inside a token; raises InvalidLink for anything we did not sign."""
        value, _, tag = token.rpartition(".")
        for secret in self.secrets:
            if hmac.compare_digest(_bytes(_tag(secret, purpose, value)), _bytes(tag)):
                return value
        raise InvalidLink("This link is not one of ours, or part of it is missing.")

    def sign_at(self, purpose: str, value: str, *, now: int) -> str:
        """A token that knows when it was made."""
        return self.sign(purpose, f"{value}.{now:x}")

    def verify_within(self, purpose: str, token: str, *, age: int, now: int) -> str:
        """The value of a token made by `sign_at` in the last `age` milliseconds.

        Raises InvalidLink, or ExpiredLink with the time it was made.
        """
        value, _, signed = self.verify(purpose, token).rpartition(".")
        try:
            signed_at = int(signed, 16)
        except ValueError:
            raise InvalidLink("This link is not one of ours, or part of it is missing.") from None
        if now - signed_at > age:
            raise ExpiredLink("This link is too old to use.", signed_at=signed_at)
        return value


def _tag(secret: bytes, purpose: str, value: str) -> str:
    encoded = binascii.b2a_base64(_proof(secret, purpose, value), newline=False)
    return encoded.translate(URL_SAFE, b"=").decode()


def _proof(secret: bytes, purpose: str, value: str) -> bytes:
    return _digest(secret, purpose, value)[:TAG_BYTES]


def _digest(secret: bytes, purpose: str, value: str) -> bytes:
    inner, outer = _begun(secret, purpose)
    first = inner.copy()
    first.update(_bytes(value))
    second = outer.copy()
    second.update(first.digest())
    return second.digest()


@functools.lru_cache(maxsize=64)
def _begun(secret: bytes, purpose: str) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """HMAC-SHA-256 as far as it is the same for every value (RFC 2104 section 4).

    A letter has several proofs, and `hmac` would begin each of them anew.
    """
    key = hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret
    key = key.ljust(BLOCK, b"\0")
    return (
        hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + _bytes(f"{purpose}\0")),
        hashlib.sha256(bytes(byte ^ 0x5C for byte in key)),
    )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # what strangers send need not be text


def read_keys(text: str, *, source: str) -> Keys:
    """Keys from text, one a line, newest first; raises Misconfigured when one is too short."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or any(len(line) < 32 for line in lines):  # noqa: PLR2004
        raise Misconfigured(
            f"{source}: a signing key needs at least 32 characters; "
            "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return Keys(tuple(line.encode() for line in lines))


def keys_in(path: Path) -> Keys:
    """The keys in a file, made on first use and readable only by its owner (mode 0600)."""
    if not path.exists():
        _make(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path}: is not a key file. Restore it from a backup.") from None
    return read_keys(text, source=str(path))


def _make(path: Path) -> None:
    # Written aside and linked into place, so that a process beside us never reads half a key.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        draft.unlink(missing_ok=True)
