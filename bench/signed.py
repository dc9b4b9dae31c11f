"""Letters a second that are signed with RSA-2048 (DKIM), next to what OpenSSL signs on one core.

Of one sender, and of two on one database. `openssl speed` counts by the processor's time and we
by the clock, so whatever else the machine does counts against us.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys

from bench import frame, post, relays
from bench.frame import Row, Run

ONE = 0.8
TWO = 1.6


def options(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--letters", type=int, default=6000, help="for each sender")
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16, help="of each sender")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=3, help="that openssl speed signs for")


def measure(chosen: argparse.Namespace) -> list[Row]:
    if not shutil.which("openssl"):
        return [frame.skipped("signed, letters/s", "openssl is not installed")]
    with relays.own_sink() as port:
        found = frame.rounds(
            chosen.rounds,
            {
                "openssl speed": lambda: _openssl(chosen.seconds),
                "one sender": lambda: _ours(port, chosen, senders=1),
                "two senders": lambda: _ours(port, chosen, senders=2),
            },
        )
    frame.tell(
        f"{chosen.letters:,} letters of {chosen.kilobytes} KB for each sender, signed with "
        f"RSA-2048, to our own sink, {chosen.rounds} rounds",
        found,
    )
    share = statistics.median(
        theirs.cost / ours.cost
        for ours, theirs in zip(found["one sender"], found["openssl speed"], strict=True)
    )
    print(f"  by the processor's time, one sender is at {share:.2f} of openssl speed")
    return [
        frame.at_least("signed, letters/s", found, "one sender", "openssl speed", ONE),
        frame.at_least("signed by two, letters/s", found, "two senders", "openssl speed", TWO),
    ]


def _ours(port: int, chosen: argparse.Namespace, *, senders: int) -> Run:
    return post.ours(
        port,
        letters=chosen.letters * senders,
        kilobytes=chosen.kilobytes,
        connections=chosen.connections,
        is_signed=True,
        senders=senders,
    )


def _openssl(seconds: int) -> Run:
    """What one core signs in a second, as a run of so many letters."""
    command = ["openssl", "speed", "-seconds", str(seconds), "rsa2048"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"rsa\s+2048 bits\s+(?:[\d.]+s\s+)+([\d.]+)", said)
    assert found, said
    signs = float(found[1])
    return Run(letters=round(signs * seconds), seconds=seconds, processor=seconds)


if __name__ == "__main__":
    sys.exit(frame.run(__doc__, options, measure))
