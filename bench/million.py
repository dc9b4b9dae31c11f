"""Whether a letter among a million costs what a letter among ten thousand costs, and the memory.

One sender to our own sink, so that the sink is not what is measured. With a million it takes some
minutes.
"""

import argparse
import sys

from bench import frame, post, relays
from bench.frame import Row, Run

COST = 1.15
MEGABYTES = 150


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--few", type=int, default=10_000)
    arguments.add_argument("--many", type=int, default=1_000_000)
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--few-rounds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=1, help="of the many")


def measure(chosen: argparse.Namespace) -> list[Row]:
    few, many = f"of {chosen.few:,}", f"of {chosen.many:,}"
    with relays.own_sink() as port:

        def ours(letters: int) -> Run:
            return post.ours(
                port,
                letters=letters,
                kilobytes=chosen.kilobytes,
                connections=chosen.connections,
            )

        found = {few: [ours(chosen.few) for _ in range(chosen.few_rounds)]}
        found[many] = [ours(chosen.many) for _ in range(chosen.rounds)]
    frame.tell(
        f"Letters of {chosen.kilobytes} KB over {chosen.connections} connections to our own sink",
        found,
    )
    share = frame.median(found, many, frame.cost) / frame.median(found, few, frame.cost)
    pace = frame.median(found, many, frame.rate) / frame.median(found, few, frame.rate)
    print(f"  letters a second among the many are {pace:.2f} of those among the few")
    memory = max(run.megabytes for run in found[many])
    return [
        Row(
            f"a letter {many}, processor",
            f"{frame.median(found, many, frame.cost):.1f} us",
            f"{few} {frame.median(found, few, frame.cost):.1f} us",
            share,
            f"<= {COST:g}",
            share <= COST,
        ),
        frame.below(f"a sender {many}, memory", memory, MEGABYTES, "MB"),
    ]


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
