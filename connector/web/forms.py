"""What people type, made into values; a form keeps its errors beside its fields.

It knows no database: whether an address is already on the list is nothing a form may say.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request

from connector.delivery import address
from connector.errors import InvalidAddress
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
        email = _text(sent, "email")
        return cls(
            email=email,
            name=_text(sent, "name")[:LONGEST_NAME],
            page=_local(_text(sent, "page") or referrer),
            # People never see this field; programs that fill in everything do.
            is_trapped=bool(_text(sent, "website")),
            errors=_problem_with(email),
        )


@dataclass(frozen=True)
class NameForm:
    name: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, sent: FormData) -> "NameForm":
        name = _text(sent, "name")
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
        months = _text(sent, "months")
        if months not in PAUSES:
            return cls(errors={"months": "Choose one month or three."})
        return cls(PAUSES[months])


def _problem_with(email: str) -> dict[str, str]:
    if not email:
        return {"email": "Your email address goes here."}
    try:
        address.parse(email)
    except InvalidAddress as error:
        return {"email": str(error)}
    return {}


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    # No control character belongs in a name or an address, and none survives into a letter.
    return "".join(c for c in value if c.isprintable()).strip() if isinstance(value, str) else ""


def _local(page: str) -> str:
    """A path on this site, without query; nothing for anything else."""
    path = urlsplit(page).path if page.isprintable() else ""
    return path if path.startswith("/") and len(path) <= LONGEST_PAGE else ""
