"""Members, from the terminal: who they are, what they pay, and how it stands together.

What moves money, or ends what somebody paid for, is shown and asked about first.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, paying, settings_here
from connector.cli.readers import find
from connector.errors import NotFound, Refused

if TYPE_CHECKING:
    from connector.membership.billing import Payment, Subscription
    from connector.membership.figures import Figures, Movement
    from connector.membership.money import Amount
    from connector.membership.roll import Person
    from connector.membership.store import Entry
    from connector.settings import Settings

HEADS = ("address", "name", "kind", "tier", "amount", "currency", "every", "since", "until", "next")
KINDS = ("paid", "gift", "complimentary")
STANDS = {
    "active": "runs",
    "trialing": "on trial",
    "past_due": "payment failed, tried again",
    "paused": "paused",
    "unpaid": "unpaid",
    "canceled": "ended",
    "incomplete": "never begun",
    "incomplete_expired": "never begun",
}


@click.group()
def members() -> None:
    """Readers who are members, whether they pay or you made them so."""


@members.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Only these.")
@click.option("--csv", "is_csv", is_flag=True, help="As a table for a spreadsheet.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def show_all(kind: str | None, *, is_csv: bool, is_json: bool) -> None:
    """Show who is a member now, and what they pay."""
    from connector.membership import roll
    from connector.till import opening

    settings = settings_here()
    with opened(settings) as db:
        found = roll.members(db, settings, now=opening.now(settings, db))
    found = [one for one in found if kind in (None, one.kind)]
    if is_json:
        console.show_json([dict(zip(HEADS, _row(one, settings), strict=True)) for one in found])
    elif is_csv:
        console.show_csv([HEADS, *(_row(one, settings) for one in found)])
    else:
        if found:
            heads = ("Address", "Kind", "Tier", "Pays", "Since", "Until")
            console.show_table(heads, [_line(one, settings) for one in found])
        people = len({one.subscriber_id for one in found})
        click.echo(f"{console.counted(people, 'member')}.")


@members.command()
@click.argument("address")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def show(address: str, *, is_json: bool) -> None:
    """Show what ADDRESS has and had: memberships, plan, payments, refunds, gifts."""
    from connector.membership import roll
    from connector.till import opening

    settings = settings_here()
    with opened(settings) as db:
        person = roll.person(db, settings, find(db, address).id)
        now = opening.now(settings, db)
    if is_json:
        console.show_json(_plain(person, settings, now=now))
    else:
        for line in _story(person, settings, now=now):
            click.echo(line)


@members.command()
@click.argument("address")
@click.option("--until", "when", help="Until then: “2027-01-01”, “in 52 weeks”; else for good.")
def comp(address: str, when: str | None) -> None:
    """Make ADDRESS a member without payment: they are thanked, and never asked."""
    from connector.membership import complimentary

    settings = settings_here()
    now = clock.now()
    zone = settings.publication.zone
    until = clock.parse(when, now=now, zone=zone) if when else None
    with opened(settings) as db:
        found = find(db, address)
        complimentary.comp(db, found.id, until=until, now=now)
    ending = f" until {console.day(until, zone)}" if until else ""
    click.echo(f"{found.email} is a member{ending}.")


@members.command()
@click.argument("address")
def end(address: str) -> None:
    """End the membership that you gave ADDRESS; they stay on the list."""
    from connector.membership import complimentary

    with opened(settings_here()) as db:
        found = find(db, address)
        complimentary.end(db, found.id, now=clock.now())
    click.echo(f"{found.email} is no longer a member by your gift, and still on the list.")


@members.command()
@click.argument("address")
@click.option("--payment", default="", help="Which payment, as `members show` names it.")
@click.option("--amount", default="", help="Only so much of it: “2.50”.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def refund(address: str, payment: str, amount: str, *, yes: bool) -> None:
    """Give ADDRESS a payment back: the newest, or the one you name; all of it, or an amount.

    It ends no membership. That is `connector members cancel`.
    """
    from connector.membership import money, plan, roll
    from connector.till import opening

    settings = settings_here()
    language, zone = settings.publication.language, settings.publication.zone
    with opened(settings) as db:
        person = roll.person(db, settings, find(db, address).id)
        chosen = _payment(person, payment)
        back = _part(person, chosen, amount, settings)
        shown, email = money.show(back, language), person.subscriber.email
        paid = console.day(chosen.paid_at or chosen.created_at, zone)
        whole = "" if back == chosen.amount else f"{shown} of "
        if chosen.kind == "gift":
            click.echo("A gift that is given back whole is worth nothing any more.")
        question = (
            f"Give {whole}the {money.show(chosen.amount, language)} of {paid} back to {email}?"
        )
        console.agree(question, yes=yes)
        with paying(settings, db) as client:
            now = opening.now(settings, db)
            done = plan.pay_back(db, settings, client, chosen, now=now, cents=back.cents)
    if done.status in ("failed", "canceled"):
        raise Refused(f"Stripe could not give it back: {done.why or done.status}.")
    click.echo(f"{shown} goes back to {email}. It can take ten days to arrive.")
    if person.current is not None and chosen.kind == "membership":
        click.echo(f"The membership goes on. To end it: connector members cancel {email} --now")


@members.command()
@click.argument("address")
@click.option("--now", "is_now", is_flag=True, help="At once, not at the end of what was paid for.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(address: str, *, is_now: bool, yes: bool) -> None:
    """End the paid membership of ADDRESS at the end of what was paid for, or now.

    Nothing is given back by it. That is `connector members refund`.
    """
    from connector.membership import plan, roll
    from connector.till import opening

    settings = settings_here()
    zone = settings.publication.zone
    with opened(settings) as db:
        person = roll.person(db, settings, find(db, address).id)
        email = person.subscriber.email
        running = _running(person)
        if not is_now and running.is_leaving:
            click.echo(f"{email} leaves on {console.day(running.cancel_at or 0, zone)} already.")
            return
        if not is_now and not running.is_live:
            raise Refused(f"The membership of {email} is paused. End it with --now.")
        ends = "now" if is_now else f"on {console.day(running.period_end, zone)}"
        console.agree(f"End the membership of {email} {ends}? Nothing is given back.", yes=yes)
        with paying(settings, db) as client:
            now, who = opening.now(settings, db), person.subscriber.id
            if is_now:
                plan.end(db, settings, client, who, now=now)
            else:
                plan.leave(db, settings, client, who, now=now)
    click.echo(
        f"{email} pays nothing any more, and is still on the list."
        if is_now
        else f"{email} stays a member until then, pays nothing any more, and is still on the list."
    )


@members.command()
@click.option(
    "--months",
    type=click.IntRange(1, 120),
    default=6,
    show_default=True,
    help="So many months back.",
)
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def figures(months: int, *, is_json: bool) -> None:
    """Show how many members there are, what a month brings in, and who came and left."""
    from connector.membership import figures as sums
    from connector.till import opening

    settings = settings_here()
    with opened(settings) as db:
        now = opening.now(settings, db)
        stands = sums.at(db, settings, now=now)
        spans = list(_months(months, settings.publication.zone, now=now))
        moved = [
            (name, sums.between(db, settings, since=since, until=until))
            for name, since, until in spans
        ]
    if is_json:
        console.show_json(_plain_figures(stands, moved))
    else:
        _show_figures(stands, moved, settings)


# Who is asked about


def _running(person: "Person") -> "Subscription":
    if person.current is not None:
        return person.current
    email = person.subscriber.email
    given = any(one.kind == "complimentary" for one in person.memberships)
    cure = f" What you gave them ends with: connector members end {email}" if given else ""
    raise NotFound(f"{email} has no paid membership.{cure}")


def _payment(person: "Person", wanted: str) -> "Payment":
    """The payment that is named, or the newest of which something is left to give back."""
    email = person.subscriber.email
    paid = [one for one in person.payments if one.status == "paid" and one.cents and one.intent_id]
    if wanted:
        for one in paid:
            if wanted in (one.id, one.number, one.intent_id):
                return one
        raise NotFound(f"{email} made no payment {wanted}. See: connector members show {email}")
    if not paid:
        raise NotFound(f"{email} has paid nothing that could be given back.")
    for one in paid:
        if one.cents > person.returned(one):
            return one
    raise Refused(f"Everything that {email} paid was given back already.")


def _part(person: "Person", chosen: "Payment", amount: str, settings: "Settings") -> "Amount":
    from connector.membership import money
    from connector.membership.money import Amount

    left = Amount(chosen.cents - person.returned(chosen), chosen.currency)
    wanted = money.read(amount, chosen.currency) if amount else left
    if left.cents <= 0:
        raise Refused("This payment was given back already.")
    if not 0 < wanted.cents <= left.cents:
        shown = money.show(left, settings.publication.language)
        raise Refused(f"At most {shown} of this payment can be given back.")
    return wanted


# How they are shown


def _line(one: "Entry", settings: "Settings") -> tuple[str, ...]:
    zone = settings.publication.zone
    until = console.date(one.ends_at, zone) or "for good"
    if one.kind == "paid" and not one.ends_at:
        until = f"renews {console.date(one.period_end, zone)}"
    since = console.date(one.started_at, zone)
    return (one.address, one.kind, one.tier, _pays(one, settings), since, until)


def _pays(one: "Entry", settings: "Settings") -> str:
    from connector.membership import money
    from connector.membership.money import Amount

    if not one.currency:
        return ""
    amount = money.show(Amount(one.cents, one.currency), settings.publication.language)
    note = "" if one.status == "active" else f", {STANDS.get(one.status, one.status)}"
    return f"{amount} a {one.every}{note}"


def _row(one: "Entry", settings: "Settings") -> tuple[str, ...]:
    from connector.readers.columns import guarded

    zone = settings.publication.zone
    renews = one.kind == "paid" and not one.ends_at
    return (
        guarded(one.address),
        guarded(one.name),
        one.kind,
        one.tier,
        _amount(one.cents, one.currency) if one.currency else "",
        one.currency,
        one.every,
        console.date(one.started_at, zone),
        console.date(one.ends_at, zone),
        console.date(one.period_end, zone) if renews else "",
    )


def _story(person: "Person", settings: "Settings", *, now: int) -> Iterator[str]:
    """What there is to know about somebody, line by line."""
    zone, who = settings.publication.zone, person.subscriber
    yield f"{who.email}{f' ({who.name})' if who.name else ''}, {who.state}"
    live = [one for one in person.memberships if one.is_live(now)]
    for one in live:
        until = f" until {console.day(one.ends_at, zone)}" if one.ends_at else ""
        yield f"  {one.kind} member ({one.tier}) since {console.day(one.started_at, zone)}{until}"
    if not live:
        yield "  no member now"
    for each in person.subscriptions:
        yield f"  plan {each.id}: {_plan(each, settings)}"
    for payment in person.payments:
        yield f"  payment {payment.id}: {_paid(person, payment, settings)}"
    for gift in person.gifts_taken:
        yield f"  gift {gift.code}: {console.counted(gift.months, 'month')} of {gift.tier}"
    if person.customer_id and not settings.stripe.is_till:
        yield f"  at Stripe: {_dashboard(person.customer_id, settings)}"


def _plan(one: "Subscription", settings: "Settings") -> str:
    from connector.membership import setup

    zone = settings.publication.zone
    words = f"{one.tier}, {setup.shown(one.amount, one.every, settings)}, {STANDS.get(one.status)}"
    if one.ended_at:
        return f"{words} on {console.day(one.ended_at, zone)}{f' ({one.why})' if one.why else ''}"
    if one.is_leaving:
        return f"{words} until {console.day(one.cancel_at or 0, zone)}, then ends"
    return f"{words}, next on {console.day(one.period_end, zone)}" if one.is_live else words


def _paid(person: "Person", one: "Payment", settings: "Settings") -> str:
    from connector.membership import money
    from connector.membership.money import Amount

    language, zone = settings.publication.language, settings.publication.zone
    amount = one.amount if one.status == "paid" else Amount(one.due_cents, one.currency)
    words = f"{money.show(amount, language)} on {console.day(one.paid_at or one.created_at, zone)}"
    kind = "" if one.kind == "membership" else f", a {one.kind}"
    returned = person.returned(one)
    back = money.show(Amount(returned, one.currency), language)
    return (
        f"{words}{kind}, {one.status}{f', {back} given back' if returned else ''}"
        f"{', the card was declined' if one.has_failed else ''}"
    )


def _dashboard(customer_id: str, settings: "Settings") -> str:
    test = "" if settings.stripe.is_live else "test/"
    return f"https://dashboard.stripe.com/{test}customers/{customer_id}"


def _plain(person: "Person", settings: "Settings", *, now: int) -> dict[str, Any]:
    zone, who = settings.publication.zone, person.subscriber
    return {
        "address": who.email,
        "name": who.name,
        "state": who.state,
        "is_member": any(one.is_live(now) for one in person.memberships),
        "memberships": [
            {
                "kind": one.kind,
                "tier": one.tier,
                "since": console.date(one.started_at, zone),
                "until": console.date(one.ends_at, zone),
            }
            for one in person.memberships
        ],
        "plans": [
            {
                "id": one.id,
                "tier": one.tier,
                "status": one.status,
                "amount": _amount(one.cents, one.currency),
                "currency": one.currency,
                "every": one.every,
                "next": console.date(one.period_end, zone) if one.is_live else "",
                "leaves": console.date(one.cancel_at, zone),
                "ended": console.date(one.ended_at, zone),
            }
            for one in person.subscriptions
        ],
        "payments": [
            {
                "id": one.id,
                "number": one.number,
                "kind": one.kind,
                "status": one.status,
                "amount": _amount(one.cents, one.currency),
                "currency": one.currency,
                "paid": console.date(one.paid_at, zone),
                "given_back": _amount(person.returned(one), one.currency),
            }
            for one in person.payments
        ],
        "gifts": [
            {
                "code": one.code,
                "tier": one.tier,
                "months": one.months,
                "taken": console.date(one.taken_at, zone),
            }
            for one in person.gifts_taken
        ],
        "customer": person.customer_id,
    }


# Figures


def _months(count: int, zone: str, *, now: int) -> Iterator[tuple[str, int, int]]:
    """(name, first moment, first moment after) of this month and those before, newest first."""
    first = clock.moment(now, zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = now
    for _ in range(count):
        since = clock.milliseconds(first)
        yield f"{first:%Y-%m}", since, end
        end = since
        year, month = divmod(first.year * 12 + first.month - 2, 12)
        first = first.replace(year=year, month=month + 1)


def _show_figures(
    stands: "Figures", moved: "list[tuple[str, Movement]]", settings: "Settings"
) -> None:
    click.echo(
        f"{console.counted(stands.members, 'member')}: {stands.paying:,} paying, "
        f"{stands.gifts:,} by a gift, {stands.complimentary:,} by your own word."
    )
    click.echo(f"A month brings in {_sums(stands.recurring, settings) or 'nothing'}.")
    console.show_table(
        ("Month", "Paying at first", "Joined", "Left", "Churn", "Came in", "Given back"),
        [
            (
                name,
                f"{one.at_first:,}",
                f"{one.joined:,}",
                f"{one.left:,}",
                _churn(one),
                _sums(one.came_in, settings),
                _sums(one.paid_back, settings),
            )
            for name, one in moved
        ],
    )


def _sums(amounts: "Iterable[Amount]", settings: "Settings") -> str:
    from connector.membership import money

    return " + ".join(money.show(one, settings.publication.language) for one in amounts)


def _churn(one: "Movement") -> str:
    return "" if one.churn is None else f"{one.churn // 100}.{one.churn % 100:02} %"


def _plain_figures(stands: "Figures", moved: "list[tuple[str, Movement]]") -> dict[str, Any]:
    return {
        "members": stands.members,
        "paying": stands.paying,
        "gifts": stands.gifts,
        "complimentary": stands.complimentary,
        "recurring": _by_currency(stands.recurring),
        "months": [
            {
                "month": name,
                "paying_at_first": one.at_first,
                "joined": one.joined,
                "left": one.left,
                "churn_percent": None if one.churn is None else one.churn / 100,
                "came_in": _by_currency(one.came_in),
                "given_back": _by_currency(one.paid_back),
            }
            for name, one in moved
        ],
    }


def _by_currency(amounts: "Iterable[Amount]") -> dict[str, str]:
    return {one.currency: _amount(one.cents, one.currency) for one in amounts}


# Small things


def _amount(cents: int, currency: str) -> str:
    from connector.membership import money
    from connector.membership.money import Amount

    return money.plain(Amount(cents, currency))
