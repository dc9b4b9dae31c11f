"""Letters a second to a relay far away: ours, next to aiosmtplib's `sendmail`.

Every answer of the relay, which is our own sink, comes 50 ms after its question, as it would from
another continent. Questions that are asked together travel together.
"""

import argparse
import sys

from bench import frame, post, relays
from bench.frame import Row

BAR = 3.5
# `sendmail` asks four times for a letter where we ask once.
PLAIN_SHARE = 4


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--letters", type=int, default=1500)
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--delay", type=float, default=50, help="milliseconds")
    arguments.add_argument("--rounds", type=int, default=3)


def measure(chosen: argparse.Namespace) -> list[Row]:
    few = max(1, chosen.letters // PLAIN_SHARE)
    how = {"kilobytes": chosen.kilobytes, "connections": chosen.connections}
    with relays.own_sink(chosen.delay) as port:
        found = frame.rounds(
            chosen.rounds,
            {
                "connector": lambda: post.ours(port, letters=chosen.letters, **how),
                "sendmail": lambda: post.plain(port, letters=few, **how),
            },
        )
    frame.tell(
        f"{chosen.letters:,} letters of {chosen.kilobytes} KB ({few:,} by sendmail) over "
        f"{chosen.connections} connections, every answer {chosen.delay:g} ms late, "
        f"{chosen.rounds} rounds",
        found,
    )
    what = f"{chosen.delay:g} ms away, letters/s"
    return [frame.at_least(what, found, "connector", "sendmail", BAR)]


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
