"""`till`: the play money that stands in for Stripe. Its clock, its accidents, and how it stands.

Beside a key of Stripe every command here is refused.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from connector import clock
from connector.cli import console
from connector.cli.publication import opened, settings_here
from connector.clock import DAY, HOUR, SECOND
from connector.errors import Refused

if TYPE_CHECKING:
    from connector.database import Database
    from connector.settings import Settings
    from connector.till.events import Delivered

SPAN = re.compile(r"(\d{1,5})\s*(hour|day|week|month|year)s?")
FURTHEST = 10 * 366 * DAY
# What falls due within a few hours is one stop of the clock.
STEP = 6 * HOUR
# Letters are not written a week late.
LONGEST_STEP = 6 * DAY
# How often we wait for whoever serves the site to finish what it follows.
PATIENCE, PAUSE_SECONDS = 50, 0.1
MOST = 40
FAULTS = {
    "declines": "declined renewal",
    "3ds": "3ds renewal",
    "timeouts": "timeout",
    "lost-answers": "lost answer",
    "errors": "api error",
    "rate-limits": "rate limit",
}
CARDS = ("ok", "declined", "3ds", "later")


@dataclass(frozen=True)
class Play:
    """The publication whose Till is open."""

    settings: "Settings"
    db: "Database"


@click.group(invoke_without_command=True)
@click.pass_context
def till(ctx: click.Context) -> None:
    """The Till: play money that stands in for Stripe while there is no key.

    Alone it shows how the Till stands.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@till.command()
def show() -> None:
    """Show the Till’s time, who pays there, and what is to come."""
    from connector.till import telling

    with _playing() as play:
        found = telling.standing(play.db, play.settings, now=clock.now())
        zone = play.settings.publication.zone
    ahead = f", {_ahead(found.ahead)} ahead of the day" if found.ahead else ""
    click.echo(f"At the Till it is {clock.moment(found.now, zone):%Y-%m-%d %H:%M}{ahead}.")
    if found.plans:
        click.echo()
        rows = [(one.who, one.what, one.status, one.next) for one in found.plans]
        console.show_table(("Who", "Pays", "State", "Next"), rows)
    if found.payments:
        click.echo()
        paid = [(one.when, one.who, one.what, one.state, one.id) for one in found.payments]
        console.show_table(("Paid", "Who", "What", "State", "Payment"), paid)
    if found.plans or found.payments:
        click.echo()
    click.echo(
        f"{console.counted(len(found.plans), 'plan')}, {found.ended:,} ended, "
        f"{console.counted(found.sessions, 'checkout')} open, "
        f"{console.counted(found.waiting, 'event')} waiting."
    )
    if found.disputes:
        click.echo(f"Open disputes: {', '.join(found.disputes)}.")
    words = {kind: word for word, kind in FAULTS.items()}
    for kind, times in found.faults.items():
        click.echo(f"Still to come: {times:,} × {words.get(kind, kind)}.")


@till.command()
@click.argument("span", nargs=-1, required=True)
def advance(span: tuple[str, ...]) -> None:
    """Turn the Till’s clock ahead by SPAN: “1 month”, “3 days”, “2 weeks”, “1 year”.

    What falls due meanwhile happens: renewals, retries, ends. The site hears of it.
    """
    from connector.till import desk

    with _playing() as play:
        start = desk.time(play.db, now=clock.now())
        whole = _after(start, " ".join(span)) - start
        lines: list[str] = []
        with console.progress("days") as bar:
            task = bar.add_task("Turning the clock", total=-(-whole // DAY))
            for behind, told in _turned(play, whole):
                lines += told
                bar.update(task, completed=-(-behind // DAY))
        _say(lines or ["Nothing was paid, and nothing ended."])
        at = clock.moment(desk.time(play.db, now=clock.now()), play.settings.publication.zone)
        click.echo(f"At the Till it is {at:%Y-%m-%d %H:%M} now.")


@till.command()
@click.argument("kind", type=click.Choice(list(FAULTS)))
@click.option(
    "--times", type=click.IntRange(1, 1000), default=1, show_default=True, help="So many times."
)
def fail(kind: str, times: int) -> None:
    """Let something go wrong: the next renewals (declines, 3ds), or the next requests.

    timeouts do not arrive; lost-answers are done and not answered; errors and rate-limits
    are refused.
    """
    from connector.till import desk

    with _playing() as play:
        found: Any = FAULTS[kind]
        desk.fail_next(play.db, found, times=times)
    what = "renewal" if kind in ("declines", "3ds") else "request"
    which = f"The next {what} goes" if times == 1 else f"The next {times:,} {what}s go"
    click.echo(f"{which} wrong: {FAULTS[kind]}. To end it: connector till mend")


@till.command()
def mend() -> None:
    """Let nothing more go wrong."""
    from connector.till import desk

    with _playing() as play:
        desk.mend(play.db)
    click.echo("Nothing more goes wrong by itself.")


@till.command("last-try")
@click.argument("what", type=click.Choice(["cancel", "unpaid", "past_due"]))
def last_try(what: Any) -> None:
    """Say what follows when a payment’s last retry fails: the plan ends, or stays as WHAT."""
    from connector.till import desk

    with _playing() as play:
        desk.after_the_last_try(play.db, what)
    then = "the plan ends" if what == "cancel" else f"the plan stays {what.replace('_', ' ')}"
    click.echo(f"After the last failed retry {then}.")


@till.command()
@click.argument("address")
@click.argument("behaviour", type=click.Choice(CARDS), metavar="CARD")
def card(address: str, behaviour: Any) -> None:
    """Give whoever has ADDRESS another CARD: ok, declined, 3ds, or later (declined from then on)."""
    from connector.till import desk

    with _playing() as play, _telling(play):
        now = clock.now()
        customer = desk.customer_with(play.db, play.settings, address, now=now)
        desk.replace_card(play.db, play.settings, customer, card=behaviour, now=now)
        click.echo(f"The card of {address} is now one that is: {behaviour}.")


@till.command()
@click.argument("payment")
@click.option("--amount", "part", help="A part of it: 2.50; else all that is left.")
def refund(payment: str, part: str | None) -> None:
    """Give PAYMENT back: its number from `connector till show`, or the address of who paid."""
    from connector.membership import money
    from connector.till import desk

    with _playing() as play, _telling(play):
        now = clock.now()
        charge = desk.paid_by(play.db, play.settings, payment, now=now)
        cents = money.read(part, charge["currency"]).cents if part else None
        desk.refund(play.db, play.settings, charge["id"], amount=cents, now=now)


@till.command()
@click.argument("payment")
@click.option("--reason", default="fraudulent", show_default=True, help="What the payer says.")
def dispute(payment: str, reason: str) -> None:
    """Let the payer ask the bank for PAYMENT back: a number, or an address."""
    from connector.till import desk

    with _playing() as play, _telling(play):
        now = clock.now()
        charge = desk.paid_by(play.db, play.settings, payment, now=now)
        desk.dispute(play.db, play.settings, charge["id"], reason=reason, now=now)
        click.echo("The bank decides with: connector till decide won|lost")


@till.command()
@click.argument("verdict", type=click.Choice(["won", "lost"]))
@click.argument("number", metavar="[DISPUTE]", required=False)
def decide(verdict: str, number: str | None) -> None:
    """Let the bank decide a dispute: won brings the money back. DISPUTE may be left out."""
    from connector.till import desk

    with _playing() as play, _telling(play):
        now = clock.now()
        found = number or desk.open_dispute(play.db, play.settings, now=now)
        desk.decide(play.db, play.settings, found, won=verdict == "won", now=now)


@till.command()
@click.argument("payment")
def warn(payment: str) -> None:
    """Let the bank warn that PAYMENT may be a fraud: a number, or an address."""
    from connector.till import desk

    with _playing() as play, _telling(play):
        now = clock.now()
        charge = desk.paid_by(play.db, play.settings, payment, now=now)
        desk.warn(play.db, play.settings, charge["id"], now=now)


@till.command()
@click.option("--shuffled", is_flag=True, help="In any order.")
@click.option("--twice", type=click.IntRange(0), default=0, help="So many of them twice.")
@click.option("--drop", type=click.IntRange(0), default=0, help="So many of them never.")
@click.option("--seed", type=int, default=0, help="Another seed is another bad day.")
def deliver(*, shuffled: bool, twice: int, drop: int, seed: int) -> None:
    """Hand the events that wait to the site; out of order, twice or never, if you like."""
    with _playing() as play:
        order = "shuffled" if shuffled else "as made"
        done = _Site(play).ring(order=order, twice=twice, drop=drop, seed=seed)
        click.echo(
            f"{console.counted(done.taken, 'event')} taken, {done.refused:,} not, {done.lost:,} lost."
        )


@contextlib.contextmanager
def _playing() -> Iterator[Play]:
    """The Till of this publication; raises Refused beside a key."""
    settings = settings_here()
    if not settings.stripe.is_till:
        raise Refused(
            "The Till stays closed beside a key of Stripe; to play, take CONNECTOR_STRIPE_KEY away."
        )
    if not settings.takes_payments:
        raise Refused(
            "Nothing can be paid for here: connector.toml offers no tier that costs something."
        )
    with opened(settings) as db:
        yield Play(settings, db)


@contextlib.contextmanager
def _telling(play: Play) -> Iterator[None]:
    """Afterwards the site hears of what was done, and so does whoever did it."""
    from connector.till import telling

    before = telling.newest(play.db)
    yield
    _say(telling.told(play.db, play.settings, after=before, now=clock.now()))
    _warn_of(_Site(play).hear())


def _say(lines: list[str]) -> None:
    for line in lines[:MOST]:
        click.echo(line)
    if len(lines) > MOST:
        click.echo(f"… and {len(lines) - MOST:,} more.")


def _warn_of(done: "Delivered") -> None:
    if done.refused:
        waiting = console.counted(done.refused, "event")
        click.echo(f"{waiting} not taken by the site. Try again with: connector till deliver")


class _Site:
    """The site in this process, which hears of what happened at the Till and follows it.

    Whoever serves it may be at it, too; each event is followed once.
    """

    def __init__(self, play: Play) -> None:
        from connector import templates
        from connector.membership.rounds import Attendant
        from connector.till.opening import Payments
        from connector.web.app import create_app

        self._play = play
        self._app = create_app(play.settings, play.db, remembers=False)
        self._payments = Payments(play.settings, play.db)
        environment = templates.environment(play.settings.root)
        self._attendant = Attendant(play.db, play.settings, environment, self._payments)
        self._patience = PATIENCE

    def ring(self, **how: Any) -> "Delivered":
        """Hand over what waits, to the site's own hook."""
        import anyio

        from connector.web import till as pages

        return anyio.run(partial(pages.ring, self._app, **how))

    def hear(self) -> "Delivered":
        """Hand over what waits, and do what the site would do about it: follow it, write letters."""
        from connector.membership import letters, rounds

        done = self.ring()
        letters.look(self._play.db, self._play.settings, at=self._payments.now(), now=clock.now())
        at_once = [one for one in rounds.ROUNDS if one.waits]
        self._attendant.attend(at_once, now=clock.now())
        while self._patience and self._is_behind():
            self._patience -= 1
            time.sleep(PAUSE_SECONDS)
            self._attendant.attend(at_once, now=clock.now())
        return done

    def _is_behind(self) -> bool:
        from connector.membership import store

        with self._play.db.read() as connection:
            now = self._payments.now()
            return bool(store.waiting_events(connection, mode="till", limit=1, now=now))


def _turned(play: Play, span: int) -> Iterator[tuple[int, list[str]]]:
    """Turn the clock by `span`, stopping where something falls due, and every few days.

    At each stop the site hears of it; how much is behind us, and what happened, in words.
    """
    from connector.till import desk, telling

    site, left = _Site(play), span
    done = site.hear()  # what waits would be too old at the next stop
    while left:
        before = telling.newest(play.db)
        at, most = desk.time(play.db, now=clock.now()), min(left, LONGEST_STEP)
        due = desk.next_due(play.db, by=at + most)
        step = most if due is None else min(most, max(due - at, STEP))
        desk.advance(play.db, play.settings, -(-step // SECOND), now=clock.now())
        lines = telling.told(play.db, play.settings, after=before, now=clock.now())
        done = site.hear()
        left -= step
        yield span - left, lines
    _warn_of(done)


def _after(start: int, words: str) -> int:
    """So long after a moment, by the calendar."""
    from connector.till import periods

    found = SPAN.fullmatch(words.strip().lower())
    if found is None or not int(found[1]):
        raise Refused(
            f"I cannot read “{words}” as a length of time. Try “1 month”, “3 days” or “1 year”."
        )
    number = int(found[1])
    if found[2] == "hour":
        return start + number * HOUR
    if (
        number * {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}[found[2]]
        > FURTHEST
    ):
        raise Refused("The Till’s clock turns ten years at most at a time.")
    return periods.after(start // SECOND, found[2], number) * SECOND


def _ahead(span: int) -> str:
    days, rest = divmod(span, DAY)
    hours = rest // HOUR
    return console.counted(days, "day") if days else console.counted(hours, "hour")
