"""What the writer gives, from the terminal: memberships as gifts, and offers with something off.

No money moves here; a gift of the writer's is paid for by nobody.
"""

from typing import TYPE_CHECKING, TypeAlias

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, paying, settings_here
from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.membership.gift import Gift
    from connector.membership.promotions import Offering
    from connector.settings import Settings

Takers: TypeAlias = dict[int | None, str]


@click.group()
def gifts() -> None:
    """Memberships for a while that somebody gives to somebody, or that you give."""


@gifts.command("list")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def show_gifts(*, is_json: bool) -> None:
    """Show every gift, newest first: its code, what it is worth, whom it is for, who took it."""
    from connector.membership import gifts as given
    from connector.readers import preferences

    settings = settings_here()
    with opened(settings) as db:
        found = given.listed(db, settings)
        takers: Takers = {
            one.taken_by: preferences.find(db, one.taken_by).email
            for one in found
            if one.taken_by is not None
        }
    if is_json:
        shown = [_plain_gift(one, takers, settings) for one in found]
        console.show_json(shown)
        return
    if found:
        console.show_table(
            ("Code", "Months", "Tier", "From", "For", "Stands"),
            [
                (
                    one.code,
                    one.months,
                    one.tier,
                    "you" if one.is_from_writer else "a reader",
                    one.address or "whoever has the code",
                    _stands(one, takers, settings),
                )
                for one in found
            ],
        )
    click.echo(f"{console.counted(len(found), 'gift')}.")


@gifts.command()
@click.argument("address", default="")
@click.option(
    "--months", type=click.IntRange(1, 120), default=12, show_default=True, help="How long."
)
@click.option("--tier", default="", help="Which tier; else your first that is paid.")
@click.option("--at", "when", help="Write to them then, not now: “2026-12-24 09:00”.")
@click.option("--words", default="", help="A sentence of yours that goes with it.")
def give(address: str, *, months: int, tier: str, when: str | None, words: str) -> None:
    """Give a membership: a letter with it goes to ADDRESS, or you hand its code over yourself.

    Nobody pays for it. It begins when it is taken.
    """
    from connector.membership import gifts as given

    settings = settings_here()
    zone, now = settings.publication.zone, clock.now()
    if when and not address:
        raise click.UsageError("Say to whom it goes then: connector gifts give ADDRESS --at …")
    send_at = clock.parse(when, now=now, zone=zone) if when else None
    with opened(settings) as db:
        gift = given.give(
            db,
            settings,
            address=address,
            months=months,
            tier=tier,
            send_at=send_at,
            words=words,
            now=now,
        )
    click.echo(f"{console.counted(gift.months, 'month')} of {gift.tier}: {gift.code}")
    click.echo(f"  {settings.publication.url}/gift/{gift.code}")
    if gift.address:
        at = f"on {console.day(send_at, zone)}" if send_at else "now"
        click.echo(f"A letter with it goes to {gift.address} {at}.")
    else:
        click.echo("Hand over the code or the link. Whoever takes it first has it.")


@gifts.command("end")
@click.argument("code")
@click.option("--yes", is_flag=True, help="Do not ask.")
def end_gift(code: str, *, yes: bool) -> None:
    """Take back a gift of yours: its CODE is worth nothing any more, and what was taken ends."""
    from connector.membership import gifts as given

    settings = settings_here()
    with opened(settings) as db:
        gift = given.find(db, settings, code)
        taken = " It was taken: a membership ends with it." if gift.taken_by else ""
        console.agree(f"Take back the gift {gift.code}?{taken}", yes=yes)
        given.take_back(db, settings, gift, now=clock.now())
    click.echo(f"{gift.code} is worth nothing any more.")


def _stands(one: "Gift", takers: Takers, settings: "Settings") -> str:
    zone = settings.publication.zone
    if one.ended_at is not None:
        return f"ended on {console.day(one.ended_at, zone)}"
    if one.taken_at is not None:
        who = takers.get(one.taken_by, "somebody who is gone")
        return f"taken by {who} on {console.day(one.taken_at, zone)}"
    if one.sent_at is not None:
        return f"sent on {console.day(one.sent_at, zone)}, not taken yet"
    if one.address and one.send_at is not None:
        return f"goes out on {console.day(one.send_at, zone)}"
    return "goes out soon" if one.address else "not taken yet"


def _plain_gift(one: "Gift", takers: Takers, settings: "Settings") -> dict[str, object]:
    zone = settings.publication.zone
    return {
        "code": one.code,
        "tier": one.tier,
        "months": one.months,
        "from_writer": one.is_from_writer,
        "address": one.address,
        "made": console.date(one.created_at, zone),
        "sends": console.date(one.send_at, zone),
        "sent": console.date(one.sent_at, zone),
        "taken": console.date(one.taken_at, zone),
        "taken_by": takers.get(one.taken_by, ""),
        "ended": console.date(one.ended_at, zone),
    }


# Offers


@click.group()
def offers() -> None:
    """Something off for those who come by a code, or by a link of its own."""


@offers.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that have ended, too.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def show_offers(*, is_all: bool, is_json: bool) -> None:
    """Show the offers that run: what they are worth, and how often they were used."""
    from connector.membership import promotions

    settings = settings_here()
    with opened(settings) as db, paying(settings, db) as client:
        found = [one for one in promotions.listed(client, settings) if is_all or one.is_active]
    if is_json:
        shown = [_plain_offer(one, settings) for one in found]
        console.show_json(shown)
        return
    if found:
        console.show_table(
            ("Code", "Worth", "Used", "Until", "Link"),
            [
                (
                    one.code,
                    _worth(one, settings),
                    f"{one.used:,}{f' of {one.times:,}' if one.times else ''}",
                    _until(one, settings),
                    promotions.link(settings, one),
                )
                for one in found
            ],
        )
    click.echo(f"{console.counted(len(found), 'offer')}.")


@offers.command("make")
@click.argument("code")
@click.option("--percent", type=click.IntRange(1, 100), help="So many percent off.")
@click.option("--amount", default="", help="So much off each payment: “2”.")
@click.option("--currency", default="", help="The currency of the amount; else your first tier's.")
@click.option("--months", type=click.IntRange(1, 120), help="For so many months, not only once.")
@click.option("--for-good", is_flag=True, help="For as long as they stay.")
@click.option("--until", "when", help="It can be used until then: “2027-01-01”, “in 4 weeks”.")
@click.option("--times", type=click.IntRange(1), help="It can be used so often.")
@click.option("--tier", "keys", multiple=True, help="Only for this tier; may be given again.")
def make_offer(
    code: str,
    *,
    percent: int | None,
    amount: str,
    currency: str,
    months: int | None,
    when: str | None,
    times: int | None,
    keys: tuple[str, ...],
    for_good: bool,
) -> None:
    """Make an offer under CODE: something off the first payment, for some months, or for good.

    For a trial without payment, set a tier's `trial_days` instead.
    """
    from connector.membership import money, promotions
    from connector.membership.billing import Promotion
    from connector.membership.promotions import Offering
    from connector.till import opening

    if (percent is None) == (not amount):
        raise click.UsageError("Say what it is worth: either --percent 20 or --amount 2.")
    if months and for_good:
        raise click.UsageError("Say either --months or --for-good.")
    if currency and not amount:
        raise click.UsageError("A currency goes with --amount.")
    settings = settings_here()
    duration = "forever" if for_good else "repeating" if months else "once"
    off = money.read(amount, currency.lower() or _currency(settings)) if amount else None
    terms = Promotion("", code, str(percent or ""), off, duration, months or 0)
    with opened(settings) as db:
        now = opening.now(settings, db)
        until = clock.parse(when, now=now, zone=settings.publication.zone) if when else None
        wanted = Offering(terms, until=until, times=times, tiers=keys)
        with paying(settings, db) as client:
            made = promotions.make(client, settings, wanted, now=now)
    click.echo(f"{made.code}: {_worth(made, settings)}, {_until(made, settings)}.")
    click.echo(f"  {promotions.link(settings, made)}")


@offers.command("end")
@click.argument("code")
@click.option("--yes", is_flag=True, help="Do not ask.")
def end_offer(code: str, *, yes: bool) -> None:
    """End an offer. Whoever used its CODE keeps what it gave."""
    from connector.membership import promotions

    settings = settings_here()
    with opened(settings) as db, paying(settings, db) as client:
        found = promotions.find(client, settings, code)
        console.agree(f"End the offer {found.code}? Whoever used it keeps it.", yes=yes)
        promotions.end(client, found)
    click.echo(f"{found.code} can be used no more.")


def _currency(settings: "Settings") -> str:
    from connector.settings import FREE, TIP

    for tier in settings.tiers:
        if tier.key not in (FREE, TIP):
            return tier.currency
    raise ConnectorError("There is no paid tier in connector.toml, so nothing can be taken off.")


def _worth(one: "Offering", settings: "Settings") -> str:
    from connector.membership import money

    terms = one.terms
    off = (
        money.show(terms.off, settings.publication.language) if terms.off else f"{terms.percent} %"
    )
    lasting = {
        "once": "the first payment",
        "repeating": console.counted(terms.months, "month"),
        "forever": "every payment",
    }[terms.duration]
    of = f", {' and '.join(one.tiers)} only" if one.tiers else ""
    return f"{off} off {lasting}{of}"


def _until(one: "Offering", settings: "Settings") -> str:
    if not one.is_active:
        return "ended"
    return f"until {console.day(one.until, settings.publication.zone)}" if one.until else "for good"


def _plain_offer(one: "Offering", settings: "Settings") -> dict[str, object]:
    from connector.membership import money, promotions

    zone = settings.publication.zone
    return {
        "code": one.code,
        "link": promotions.link(settings, one),
        "percent": one.terms.percent,
        "amount": money.plain(one.terms.off) if one.terms.off else "",
        "currency": one.terms.off.currency if one.terms.off else "",
        "lasting": one.terms.duration,
        "months": one.terms.months,
        "tiers": list(one.tiers),
        "until": console.date(one.until, zone),
        "times": one.times,
        "used": one.used,
        "runs": one.is_active,
    }
