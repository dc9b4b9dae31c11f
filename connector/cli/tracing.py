"""`trace`: the whole story of one address, for when a reader asks."""

import click

from connector import clock
from connector.cli.publication import opened, settings_here


@click.command()
@click.argument("address")
def trace(address: str) -> None:
    """Tell everything that ever happened with ADDRESS, oldest first."""
    from connector import tracing

    settings = settings_here()
    zone = settings.publication.zone
    with opened(settings) as db:
        found = tracing.trace(db, settings, address, now=clock.now())
    click.echo(f"{found.address}: {found.standing}\n")
    for event in found.events:
        click.echo(f"{clock.moment(event.at, zone):%Y-%m-%d %H:%M:%S}  {event.what}")
        for line in event.details:
            click.echo(f"{'':21}{line}")
