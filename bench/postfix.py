"""Letters a second to a real Postfix on this machine: ours, next to smtp-source.

It runs from a folder of its own, writes every letter to its queue and then throws it away. It
needs root and Debian's `postfix` package; without them it says that it is skipped.
"""

import argparse
import sys

from bench import frame, post, relays
from bench.frame import Row, Run

BAR = 0.9


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--letters", type=int, default=4000)
    arguments.add_argument("--kilobytes", type=int, default=40)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=5)


def measure(chosen: argparse.Namespace) -> list[Row]:
    if why := relays.why_no_postfix():
        return [frame.skipped("to Postfix, letters/s", why)]
    how = {
        "letters": chosen.letters,
        "kilobytes": chosen.kilobytes,
        "connections": chosen.connections,
    }
    with relays.postfix() as relay:

        def source() -> Run:
            relay.settle()
            return post.source(relay.port, **how)

        def ours() -> Run:
            relay.settle()
            return post.ours(relay.port, **how)

        found = frame.rounds(chosen.rounds, {"smtp-source -d": source, "connector": ours})
    frame.tell(
        f"{chosen.letters:,} letters of {chosen.kilobytes} KB over {chosen.connections} "
        f"connections to Postfix, {chosen.rounds} rounds",
        found,
    )
    what = "to Postfix, letters/s"
    return [frame.at_least(what, found, "connector", "smtp-source -d", BAR)]


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
