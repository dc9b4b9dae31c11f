"""Every measure of sending, one after the other, and one table at the end.

With `--million` also the one that takes longest. Each is a program too: `python -m bench.send
--help`.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from bench import distance, frame, million, postfix, prompt, send, signed
from bench.frame import Measure, Options, Row

MEASURES: Sequence[tuple[Options, Measure]] = (
    (send.options, send.measure),
    (signed.options, signed.measure),
    (distance.options, distance.measure),
    (postfix.options, postfix.measure),
    (prompt.options, prompt.measure),
)
LONGEST = (million.options, million.measure)


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--million", action="store_true", help="send a million letters too")


def measure(chosen: argparse.Namespace) -> list[Row]:
    began = time.monotonic()
    rows = []
    for of_one, one in (*MEASURES, *([LONGEST] if chosen.million else [])):
        rows += one(frame.read(of_one, []))
    print(f"\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.")
    return rows


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
