"""What people type, made into values; a form keeps its errors beside its fields.

It knows no database: whether an address is already on the list is nothing a form may say.
"""

from dataclasses import dataclass, field
from unicodedata import digit
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request

from connector.delivery import address
from connector.errors import InvalidAddress
from connector.readers.signin import DIGITS
from connector.readers.subscriber import LONGEST_NAME, LONGEST_PAGE

PAUSES = {"1": 1, "3": 3}


async def read(request: Request) -> FormData:
    """The fields of a posted form; HTTPException(400) for one that no page of ours could send."""
    return await request.form(max_files=0, max_fields=20, max_part_size=16 * 1024)


@dataclass(frozen=True)
class SubscribeForm:
    email: str = ""
    name: str = ""
    page: str = ""
    is_trapped: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData, *, referrer: str) -> "SubscribeForm":
        """`referrer` stands in for the page when the form does not name it."""
        email = text(sent, "email")
        return cls(
            email=email,
            name=text(sent, "name")[:LONGEST_NAME],
            page=_local(text(sent, "page") or referrer),
            # People never see this field; programs that fill in everything do.
            is_trapped=bool(text(sent, "website")),
            errors=problem_with(email),
        )


@dataclass(frozen=True)
class NameForm:
    name: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "NameForm":
        name = text(sent, "name")
        if len(name) > LONGEST_NAME:
            too_long = f"That is longer than {LONGEST_NAME} letters; a shorter form will do."
            return cls(name, {"name": too_long})
        return cls(name)


@dataclass(frozen=True)
class PauseForm:
    months: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "PauseForm":
        months = text(sent, "months")
        if months not in PAUSES:
            return cls(errors={"months": "Choose one month or three."})
        return cls(PAUSES[months])


@dataclass(frozen=True)
class SignInForm:
    """An address, and where to go once they are signed in."""

    email: str = ""
    goes_to: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "SignInForm":
        email = text(sent, "email")
        return cls(email, text(sent, "next"), problem_with(email))


@dataclass(frozen=True)
class CodeForm:
    code: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "CodeForm":
        """Six digits of any script, however they were grouped."""
        typed = text(sent, "code")
        code = "".join(str(digit(sign)) for sign in typed if sign.isdecimal())
        others = [sign for sign in typed if not sign.isdecimal() and sign not in " -–."]
        if len(code) != DIGITS or others:
            return cls(errors={"code": "The code in the letter has six digits."})
        return cls(code)


@dataclass(frozen=True)
class EmailForm:
    email: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "EmailForm":
        email = text(sent, "email")
        return cls(email, problem_with(email))


def problem_with(
    email: str, *, name: str = "email", empty: str = "Your email address goes here."
) -> dict[str, str]:
    """What is wrong with an address, at its field; nothing where all is well."""
    if not email:
        return {name: empty}
    try:
        address.parse(email)
    except InvalidAddress as error:
        return {name: str(error)}
    return {}


def text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    # No control character belongs in a name or an address, and none survives into a letter.
    return "".join(c for c in value if c.isprintable()).strip() if isinstance(value, str) else ""


def lines(sent: FormData, name: str) -> str:
    """The same over several lines."""
    value = sent.get(name)
    rows = value.splitlines() if isinstance(value, str) else []
    return "\n".join("".join(c for c in row if c.isprintable()) for row in rows).strip()


def _local(page: str) -> str:
    """A path on this site, without query; nothing for anything else."""
    path = urlsplit(page).path if page.isprintable() else ""
    return path if path.startswith("/") and len(path) <= LONGEST_PAGE else ""
