"""The account at Stripe, from the terminal: set it up, ask it how things stand, change prices.

Each shows what it is about to do and asks; none does by half what it can do whole.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli import console
from connector.cli.publication import opened, paying, settings_here
from connector.errors import ConnectorError, Refused

if TYPE_CHECKING:
    from connector.database import Database
    from connector.membership.pricing import Move, Standing
    from connector.membership.setup import Plan
    from connector.membership.stripe_api import Client
    from connector.membership.sweep import Drift
    from connector.settings import Settings

SECRET = "CONNECTOR_STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a name, not a secret
WHERE = {
    "till": "At the Till, which stands in for Stripe; no money moves",
    "test": "At Stripe, in test mode",
    "live": "At Stripe, with real money",
}


@click.group()
def stripe() -> None:
    """Your account at Stripe."""


@stripe.command("setup")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--new-secret", is_flag=True, help="Make the webhook anew, with another secret.")
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the webhook's signing secret there, instead of showing it.",
)
def set_up(*, yes: bool, new_secret: bool, secret_file: Path | None) -> None:
    """Make what your tiers need at Stripe: products, prices, the webhook and the portal.

    Shows what is missing or different, and asks. Running it again changes nothing that is as
    it should be; run it again whenever connector.toml has other tiers, prices or a new address.
    """
    from connector.membership import setup

    settings = settings_here()
    if settings.stripe.is_till and (secret_file or new_secret):
        raise click.UsageError("The Till signs with this site’s own keys; there is no secret here.")
    with opened(settings) as db, paying(settings, db) as client:
        plan = setup.find(client, settings, is_new_secret=new_secret)
        _show_plan(plan, settings)
        if not plan.steps:
            return
        console.agree("Do this?", yes=yes)
        with _kept(secret_file) as keep:
            _make(plan, settings, keep)


def _show_plan(plan: "Plan", settings: "Settings") -> None:
    for words in plan.remarks:
        click.echo(f"! {words}")
    if not plan.steps:
        click.echo(f"{WHERE[settings.stripe.mode]}: everything is set up, nothing is to be done.")
        return
    click.echo(f"{WHERE[settings.stripe.mode]}, for {settings.site}:")
    for step in plan.steps:
        click.echo(f"  {step.sign} {step.words}")


def _make(plan: "Plan", settings: "Settings", keep: Callable[[str], None]) -> None:
    done = 0
    try:
        for step in plan.steps:
            secret = step.make()
            done += 1
            # At once: Stripe tells it this one time, whatever happens after.
            if secret and not settings.stripe.is_till:
                keep(secret)
    finally:
        if done < len(plan.steps):
            _say_how_far(done, console.counted(len(plan.steps), "step"), "done")
    click.echo(f"Done: {console.counted(done, 'step')}.")


@contextlib.contextmanager
def _kept(file: Path | None) -> Iterator[Callable[[str], None]]:
    """Where a secret goes: to a file that nobody else can read, or shown with what to do."""
    if file is None:
        yield _show_secret
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{file} exists already. Name another file.") from None
    except OSError as error:
        raise ConnectorError(f"{file}: {error.strerror}. Nothing was changed.") from None
    saved = False

    def save(secret: str) -> None:
        nonlocal saved
        try:
            out.write(f"{secret}\n")
            out.flush()
        except OSError:
            _show_secret(secret)
            return
        saved = True
        click.echo(f"The webhook’s signing secret is in {file}. Only you can read it.")
        click.echo(f"Set {SECRET}_FILE={file.absolute()} for the server, and start it again.")

    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield save
    finally:
        if not saved:
            file.unlink(missing_ok=True)


def _show_secret(secret: str) -> None:
    click.echo("The webhook’s signing secret, shown this once:")
    click.echo(f"  {secret}")
    click.echo(f"Give it to the server as {SECRET}, and start it again.")


@stripe.command()
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Look for tips, gifts and refunds of all time, not of 60 days.",
)
def sync(*, is_all: bool) -> None:
    """Ask Stripe how every membership stands, put right what differs, and tell what did.

    This happens every night by itself. Interrupted, it can be run again.
    """
    from connector.membership import sweep
    from connector.till import opening

    settings = settings_here()
    with opened(settings) as db, paying(settings, db) as client:
        now = opening.now(settings, db)
        with _bar("subscriptions", "Asking") as tell:
            back = now if is_all else sweep.BACK
            drift = sweep.sync(db, settings, client, now=now, back=back, tell=tell)
    _show_drift(drift)


def _show_drift(drift: "Drift") -> None:
    parts = (
        (drift.changed, "differed, and {are} put right"),
        (
            drift.unclaimed,
            "{are} paid by nobody on the list; look at {them} in Stripe, and end what is not wanted",
        ),
        (
            drift.duplicates,
            "{are} a second one of somebody; end in Stripe the one that is not wanted",
        ),
        (drift.foreign, "in the account {are} not of this site, and left alone"),
    )
    for found, words in parts:
        if found:
            verbs = (
                {"are": "is", "them": "it"} if len(found) == 1 else {"are": "are", "them": "them"}
            )
            click.echo(f"{console.counted(len(found), 'subscription')} {words.format(**verbs)}:")
            for line in found:
                click.echo(f"  {line}")
    known = console.counted(drift.subscriptions, "subscription")
    click.echo(f"{known} known. {'Nothing differed.' if drift.is_clean else ''}".rstrip())


@contextlib.contextmanager
def _bar(unit: str, what: str) -> Iterator[Callable[[int, int | None], None]]:
    with console.progress(unit) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@click.command()
@click.option(
    "--everyone", is_flag=True, help="Members too pay them, each from their next renewal."
)
@click.option("--tier", default="", help="Only the prices of this tier.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prices(*, everyone: bool, tier: str, yes: bool) -> None:
    """Show what each tier costs and who pays another price; with --everyone, move them over.

    A price changed in connector.toml is for new members: whoever is a member goes on paying
    what they pay. With --everyone they pay the new price as well, each from their next renewal
    on; nothing is charged or given back before. Amounts that members chose themselves are
    never touched. Interrupted, it goes on where it stopped.
    """
    from connector.membership import pricing

    settings = settings_here()
    with opened(settings) as db, paying(settings, db) as client:
        with _bar("subscriptions", "Looking") as tell:
            found = pricing.standing(
                client, settings, tier=tier, tell=lambda number: tell(number, None)
            )
        _show_prices(found, settings)
        if not everyone:
            return
        _refuse_unknown(found)
        moves = [move for one in found for move in one.moves]
        if not moves:
            click.echo("Everybody with a set price pays the present one; nothing is to be done.")
            return
        _show_moves(found, settings)
        console.agree(f"Move {console.counted(len(moves), 'member')} to the new price?", yes=yes)
        _move_all(moves, settings, client, db)


def _show_prices(found: "list[Standing]", settings: "Settings") -> None:
    from connector.membership import setup

    rows = []
    for one in found:
        says = setup.shown(one.choice.amount, one.choice.every, settings)
        at_stripe = setup.shown(one.asked, one.choice.every, settings) if one.asked else "not yet"
        rows.append((one.choice.tier, says, at_stripe, one.paying, len(one.moves)))
    console.show_table(
        ("Tier", "connector.toml", "New members", "Members", "At another price"), rows
    )


def _refuse_unknown(found: "list[Standing]") -> None:
    if any(one.asked != one.choice.amount for one in found):
        raise Refused(
            "Stripe does not have every price of connector.toml yet. First run: "
            "connector stripe setup"
        )


def _show_moves(found: "list[Standing]", settings: "Settings") -> None:
    from connector.membership import money, setup

    language, zone = settings.publication.language, settings.publication.zone
    for one in found:
        for before in sorted({move.before for move in one.moves}, key=lambda each: each.cents):
            these = [move for move in one.moves if move.before == before]
            days = sorted(move.renews_at for move in these)
            first, last = (console.day(at, zone) for at in (days[0], days[-1]))
            when = f"on {first}" if first == last else f"between {first} and {last}"
            click.echo(
                f"{console.counted(len(these), 'member')} of {one.choice.name} will pay "
                f"{setup.shown(one.choice.amount, one.choice.every, settings)} instead of "
                f"{money.show(before, language)}, from their renewal {when}."
            )
    click.echo("Stripe does not tell them. Write to them first, so that nobody is surprised.")


def _move_all(moves: "list[Move]", settings: "Settings", client: "Client", db: "Database") -> None:
    from connector.membership import pricing
    from connector.till import opening

    moved = left = 0
    try:
        with _bar("members", "Moving") as tell:
            for number, one in enumerate(moves):
                tell(number, len(moves))
                now = opening.now(settings, db)
                if pricing.move(db, settings, client, one, now=now):
                    moved += 1
                else:
                    left += 1
            tell(len(moves), len(moves))
    finally:
        if moved + left < len(moves):
            _say_how_far(moved, console.counted(len(moves), "member"), "moved")
    click.echo(f"{console.counted(moved, 'member')} will pay the new price.")
    if left:
        click.echo(f"{left:,} changed or ended their plan meanwhile, and were left as they are.")


def _say_how_far(done: int, whole: str, word: str) -> None:
    click.echo(f"{done:,} of {whole} {word}. Run it again to go on from here.", err=True)
