"""Email addresses: the form a person typed, and the key that tells two people apart.

Checks syntax only; whether anybody reads there is what a confirmation finds out.
"""

from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from connector.errors import InvalidAddress

LONGEST = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets


@dataclass(frozen=True, slots=True)
class Address:
    """`display` is what we write to and show; `key` is normalised and casefolded."""

    display: str
    key: str

    @property
    def domain(self) -> str:
        return self.key.rpartition("@")[2]


def parse(text: str) -> Address:
    """Read an address a person typed; raises InvalidAddress with one sentence why not."""
    typed = text.strip()
    if not typed:
        raise InvalidAddress("Please type an email address.")
    if len(typed) > LONGEST:
        raise InvalidAddress("This is too long to be an email address.")
    try:
        found = validate_email(typed, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidAddress(f"“{typed[:80]}” is not an email address: {error}") from None
    return Address(display=found.normalized, key=key_of(found.normalized))


def key_of(address: str) -> str:
    """The key of an address that is already normalised."""
    return address.casefold()
