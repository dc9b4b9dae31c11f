"""What the columns of a list mean, whoever exported it: Substack, Ghost, Mailchimp, Buttondown, we.

Pure; it reads what a row says and judges no address.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from connector.clock import milliseconds
from connector.readers.subscriber import clean_name

Standing = Literal["active", "pending", "unsubscribed", "suppressed"]

# Headings are compared without case, spaces and punctuation; earlier ones are preferred.
EMAIL = ("email", "emailaddress", "subscriberemail", "mail")
NAME = ("name", "fullname", "displayname", "subscribername")
FIRST = ("firstname", "fname", "givenname", "first")
LAST = ("lastname", "lname", "surname", "familyname", "last")
SINCE = (
    "since", "subscribedat", "subscribedon", "subscribeddate", "datesubscribed", "confirmtime",
    "optintime", "signupdate", "subscriptiondate", "createdat", "creationdate", "created",
    "dateadded", "startdate", "joined",
)  # fmt: skip
WORDS = ("state", "status", "subscriptionstatus", "type", "subscribertype")
WANTED = ("active", "subscribed", "issubscribed", "subscribedtoemails", "emailenabled")
UNWANTED = (
    "emaildisabled", "unsubscribed", "unsubscribedat", "unsubtime", "deletedat", "disabled",
)  # fmt: skip
TIER = ("tier", "tiers", "plan", "stripeplan", "membership")
MEMBER = ("comp", "complimentary", "complimentaryplan", "member", "ismember", "paid", "gift")
SUBSCRIPTION = ("activesubscription",)
UNTIL = ("until", "expiry", "expiresat", "endsat")

STANDINGS: dict[str, Standing] = {
    **dict.fromkeys(
        ("unsubscribed", "inactive", "disabled", "removed", "deleted", "optedout", "archived"),
        "unsubscribed",
    ),
    **dict.fromkeys(("pending", "unconfirmed", "unactivated", "notconfirmed"), "pending"),
    **dict.fromkeys(
        ("suppressed", "bounced", "cleaned", "complained", "blocked", "blocklisted", "spam"),
        "suppressed",
    ),
}
PAYING = {
    "member", "comp", "complimentary", "comped", "gift", "gifted", "paid", "premium", "monthly",
    "yearly", "annual", "founding", "lifetime", "supporter",
}  # fmt: skip
FREE = {"", "free", "none", "no", "n", "false", "f", "0", "null", "everyone"}
YES = {"true", "yes", "y", "t", "1", "x", "on"}
NO = {"false", "no", "n", "f", "0", "off"}
# A spreadsheet runs a cell that begins with one of these.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what, by number; empty where there is no such column."""

    email: int
    name: tuple[int, ...] = ()
    since: tuple[int, ...] = ()
    words: tuple[int, ...] = ()
    wanted: tuple[int, ...] = ()
    unwanted: tuple[int, ...] = ()
    tier: tuple[int, ...] = ()
    member: tuple[int, ...] = ()
    subscription: tuple[int, ...] = ()
    until: tuple[int, ...] = ()

    @property
    def tell_standing(self) -> bool:
        return bool(self.words or self.wanted or self.unwanted)

    @property
    def tell_member(self) -> bool:
        return bool(self.tier or self.member or self.words)


def columns_in(header: Cells) -> Columns | None:
    """The columns a header names, or None when none of them holds addresses."""
    places: dict[str, int] = {}
    for index, heading in enumerate(header):
        places.setdefault(re.sub(r"[\W_]+", "", heading.casefold()), index)

    def first(names: Iterable[str]) -> tuple[int, ...]:
        return every(names)[:1]

    def every(names: Iterable[str]) -> tuple[int, ...]:
        return tuple(places[name] for name in names if name in places)

    email = first(EMAIL)
    if not email:
        return None
    return Columns(
        email=email[0],
        name=first(NAME) or first(FIRST) + first(LAST),
        since=first(SINCE),
        words=every(WORDS),
        wanted=every(WANTED),
        unwanted=every(UNWANTED),
        tier=every(TIER),
        member=every(MEMBER),
        subscription=first(SUBSCRIPTION),
        until=first(UNTIL),
    )


def name_in(columns: Columns, cells: Cells) -> str:
    return clean_name(" ".join([unguarded(_cell(cells, index)) for index in columns.name]))


def since_in(columns: Columns, cells: Cells, *, now: int) -> int:
    """When somebody joined; `now` when the row does not say, or says it unreadably."""
    at = _time(_cell(cells, columns.since[0])) if columns.since else None
    return at if at is not None and 0 <= at <= now else now


def standing_in(columns: Columns, cells: Cells) -> Standing:
    """The most careful reading of every column that says whether letters are wanted."""
    for index in columns.words:
        if standing := STANDINGS.get(_word(cells, index)):
            return standing
    if any(_word(cells, index) in NO for index in columns.wanted):
        return "unsubscribed"
    if any(_word(cells, index) not in NO | {""} for index in columns.unwanted):
        return "unsubscribed"
    return "active"


def member_until(columns: Columns, cells: Cells, *, now: int) -> int | Literal["always"] | None:
    """Until when a row makes somebody a member; None when it does not."""
    if not _is_member(columns, cells):
        return None
    until = _time(_cell(cells, columns.until[0])) if columns.until else None
    if until is None:
        return "always"
    return until if until > now else None


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unguarded` gives it back."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA) else cell


def unguarded(cell: str) -> str:
    if not cell.startswith("'"):
        return cell
    return cell[1:] if cell.lstrip("'").startswith(FORMULA) else cell


def _is_member(columns: Columns, cells: Cells) -> bool:
    if any(_word(cells, index) in NO for index in columns.subscription):
        return False
    return (
        any(_word(cells, index) not in FREE for index in columns.tier)
        or any(_word(cells, index) in YES | PAYING for index in columns.member)
        or any(_word(cells, index) in PAYING for index in columns.words)
    )


def _cell(cells: Cells, index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _word(cells: Cells, index: int) -> str:
    return re.sub(r"[\W_]+", "", _cell(cells, index)[:40].casefold())


def _time(cell: str) -> int | None:
    try:
        when = datetime.fromisoformat(cell)
        return milliseconds(when if when.tzinfo else when.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
