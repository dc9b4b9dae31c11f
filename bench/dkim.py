"""Signed letters a second in one process, next to what `openssl speed rsa2048` says of one core.

Times are the processor's own, in rounds that alternate, since a machine does other things too.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.machine import machine
from connector import settings
from connector.delivery import dkim
from connector.delivery.letter import Letter
from connector.delivery.mime import Template
from connector.settings import DkimKey, Settings

BAR = 0.8
SENT_AT = 1_763_000_000_000
TOML = """
[publication]
title = "Bench"
author = "Bench"
email = "bench@letters.example.org"
url = "https://letters.example.org"
"""
LINE = "Nobody owns the bench, and “somebody” paints it every other spring.\n"
PERSONAL = "[[name]] [[address]] [[unsubscribe]] [[preferences]]\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kilobytes", type=int, default=40)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--letters", type=int, default=1000)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "connector.toml").write_text(TOML, encoding="utf-8")
        unsigned = settings.load(Path(folder), {"CONNECTOR_SECRET": "x" * 48})
    ways = {
        "unsigned": _letters(unsigned, (), chosen.kilobytes),
        "rsa": _letters(unsigned, ("rsa",), chosen.kilobytes),
        "rsa + ed25519": _letters(unsigned, ("rsa", "ed25519"), chosen.kilobytes),
        "bare RSA": _bare(),
    }
    found: dict[str, list[float]] = {name: [] for name in ["openssl", *ways]}
    for _ in range(chosen.rounds):
        found["openssl"].append(_openssl())
        for name, make in ways.items():
            found[name].append(_timed(make, chosen.letters))
    cost = {name: statistics.median(times) for name, times in found.items()}
    print(machine())
    print(
        f"letters of {chosen.kilobytes} KB, median of {chosen.rounds} rounds of {chosen.letters:,}"
    )
    print(f"{'openssl speed rsa2048':22} {1e6 / cost['openssl']:8,.0f}/s {cost['openssl']:8.1f} us")
    for name in ways:
        print(f"{name:22} {1e6 / cost[name]:8,.0f}/s {cost[name]:8.1f} us")
    pairs = zip(found["rsa"], found["unsigned"], found["bare RSA"], strict=True)
    extra = statistics.median(signed - plain - bare for signed, plain, bare in pairs)
    print(f"beside the RSA operation itself, signing costs {extra:.1f} us a letter")
    # Each round against its own neighbour: what slows one slows the other.
    rounds = [bare / ours for bare, ours in zip(found["openssl"], found["rsa"], strict=True)]
    ratio = statistics.median(rounds)
    print(
        f"ratio {ratio:.2f} of openssl speed, letter and all (bar: {BAR}), "
        f"rounds from {min(rounds):.2f} to {max(rounds):.2f}"
    )
    return 0 if ratio >= BAR else 1


def _letters(
    unsigned: Settings, kinds: tuple[dkim.Kind, ...], kilobytes: int
) -> Callable[[int], object]:
    keys = [DkimKey(f"bench-{kind}", kind, Path(kind), dkim.new_key(kind)) for kind in kinds]
    # Markup and encoding make the html about three times as long as the text.
    many = kilobytes * 1000 // (4 * len(LINE.encode()) + 60)
    letter = Letter(
        subject="Bench",
        sender="bench@letters.example.org",
        sender_name="Bench",
        reply_to="",
        text=LINE * many + PERSONAL,
        html=f"<p class='line'>{LINE * 3}</p>\n" * many + PERSONAL,
    )
    configured = replace(unsigned, dkim_keys=tuple(keys))
    template = Template(letter, configured, mailing=1, kind="issue", date=SENT_AT)

    def make(number: int) -> object:
        address = f"reader{number}@example.org"
        name = f"Reader {number}"
        return template.message(delivery=number, recipient=number, address=address, name=name)

    return make


def _bare() -> Callable[[int], object]:
    key = DkimKey("bench", "rsa", Path("rsa"), dkim.new_key("rsa"))
    sign = dkim.signer(key, "letters.example.org").sign
    return lambda number: sign(number.to_bytes(32))


def _timed(make: Callable[[int], object], many: int) -> float:
    began = time.process_time()
    for number in range(1, many + 1):
        make(number)
    return (time.process_time() - began) / many * 1e6


def _openssl() -> float:
    """Microseconds a signature takes; like ours, of the processor's own time."""
    command = ["openssl", "speed", "-seconds", "1", "rsa2048"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"rsa\s+2048 bits\s+[\d.]+s\s+[\d.]+s\s+([\d.]+)", said)
    assert found, said
    return 1e6 / float(found[1])


if __name__ == "__main__":
    sys.exit(main())
