"""Letters a second to Postfix's smtp-sink: our sender with its ledger, next to smtp-source.

And next to aiosmtplib's own `sendmail`. Ours are personal letters, each durably written down;
the others send one letter to everybody. Nothing of Postfix but its test programs is started.
"""

import argparse
import sys

from bench import frame, post, relays
from bench.frame import Row

RATE = 0.9
COST = 1.0
# So that a round of it takes as long as one of the others.
PLAIN_SHARE = 8


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--letters", type=int, default=20_000)
    arguments.add_argument("--kilobytes", type=int, nargs="+", default=[10, 40])
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=5)


def measure(chosen: argparse.Namespace) -> list[Row]:
    if why := relays.why_no_tools():
        return [frame.skipped("to smtp-sink, letters/s", why)]
    return [row for size in chosen.kilobytes for row in _of_size(size, chosen)]


def _of_size(size: int, chosen: argparse.Namespace) -> list[Row]:
    few = max(1, chosen.letters // PLAIN_SHARE)
    how = {"kilobytes": size, "connections": chosen.connections}
    with relays.smtp_sink() as port:
        found = frame.rounds(
            chosen.rounds,
            {
                "smtp-source -d": lambda: post.source(port, letters=chosen.letters, **how),
                "connector": lambda: post.ours(port, letters=chosen.letters, **how),
                "sendmail": lambda: post.plain(port, letters=few, **how),
            },
        )
    frame.tell(
        f"{chosen.letters:,} letters of {size} KB over {chosen.connections} connections to "
        f"smtp-sink ({few:,} by sendmail), {chosen.rounds} rounds",
        found,
    )
    return [
        frame.at_least(f"{size} KB, letters/s", found, "connector", "smtp-source -d", RATE),
        frame.no_dearer(f"{size} KB, processor", found, "connector", "smtp-source -d", COST),
        frame.at_least(f"{size} KB, letters/s", found, "connector", "sendmail", 1.0),
    ]


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
