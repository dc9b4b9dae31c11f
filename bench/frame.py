"""What the measures of sending share: rounds that take turns, and a table of ratios.

It knows no letters and no relay; those are in `bench.post` and `bench.relays`.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import machine

ROOT = Path(__file__).parent.parent
OPENING = "ready"
# What is counted, said once above every table.
COUNTED = (
    "Ratios are medians of the rounds, each round against its own neighbour; every second round\n"
    "goes the other way about. Processor time is user and system time of the sending process: of\n"
    "smtp-source all of it, of a Python sender from the moment it is told to begin (it has been\n"
    "started, has imported what it needs and opened the database; connecting is counted)."
)


@dataclass(frozen=True)
class Run:
    """What one sender did once: letters, seconds by the clock, seconds of the processor."""

    letters: int
    seconds: float
    processor: float
    megabytes: float = 0.0
    start_up: float = 0.0  # seconds of the processor before it was told to begin

    @property
    def rate(self) -> float:
        return self.letters / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the processor for a letter."""
        return self.processor / self.letters * 1e6


@dataclass(frozen=True)
class Row:
    what: str
    ours: str
    baseline: str
    ratio: float | None
    bar: str
    is_met: bool


Found = Mapping[str, Sequence[Run]]
Options = Callable[[argparse.ArgumentParser], None]
Measure = Callable[[argparse.Namespace], list[Row]]


def run(about: str | None, options: Options, measure: Measure) -> int:
    """Do one measure as a program: 0 when every bar is met, else 1."""
    chosen = read(options, sys.argv[1:], about=about)
    print(machine())
    print(COUNTED)
    return show(measure(chosen))


def read(options: Options, words: Sequence[str], *, about: str | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options(parser)
    return parser.parse_args(words)


def rounds(many: int, ways: Mapping[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    """Every way once a round, in turns, so that what slows one slows the other."""
    found: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(many):
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            found[name].append(ways[name]())
    return found


def rate(run: Run) -> float:
    return run.rate


def cost(run: Run) -> float:
    return run.cost


def median(found: Found, way: str, figure: Callable[[Run], float]) -> float:
    return statistics.median(figure(one) for one in found[way])


def ratio(found: Found, ours: str, theirs: str, figure: Callable[[Run], float]) -> float:
    pairs = zip(found[ours], found[theirs], strict=True)
    return statistics.median(figure(one) / figure(other) for one, other in pairs)


def tell(heading: str, found: Found) -> None:
    """One line for each way: letters a second, the worst and best round, processor time."""
    print(f"\n{heading}")
    for name, runs in found.items():
        rates = sorted(one.rate for one in runs)
        extra = ""
        if memory := max(one.megabytes for one in runs):
            start_up = statistics.median(one.start_up for one in runs)
            extra = f"  {memory:4.0f} MB at most, {start_up:.2f} s of processor to start"
        print(
            f"  {name:14} {statistics.median(rates):9,.0f} letters/s "
            f"[{rates[0]:,.0f}..{rates[-1]:,.0f}]  {median(found, name, cost):7.1f} us each{extra}"
        )


def at_least(what: str, found: Found, ours: str, theirs: str, bar: float) -> Row:
    """Letters a second of ours, as a share of theirs."""
    share = ratio(found, ours, theirs, rate)
    return Row(
        what,
        f"{median(found, ours, rate):,.0f}/s",
        f"{theirs} {median(found, theirs, rate):,.0f}/s",
        share,
        f">= {bar:g}",
        share >= bar,
    )


def no_dearer(what: str, found: Found, ours: str, theirs: str, bar: float) -> Row:
    """Processor time of ours for a letter, as a share of theirs."""
    share = ratio(found, ours, theirs, cost)
    return Row(
        what,
        f"{median(found, ours, cost):.1f} us",
        f"{theirs} {median(found, theirs, cost):.1f} us",
        share,
        f"<= {bar:g}",
        share <= bar,
    )


def below(what: str, value: float, bar: float, unit: str) -> Row:
    return Row(what, f"{value:,.0f} {unit}", "", None, f"< {bar:,.0f} {unit}", value < bar)


def skipped(what: str, why: str) -> Row:
    """A measure that cannot be taken here; it misses no bar, and says so in the table too."""
    print(f"\nSkipped: {what}, since {why}.")
    return Row(what, "skipped", why, None, "", is_met=True)


def show(rows: Sequence[Row]) -> int:
    """Print the table; 0 when every bar is met, else 1."""
    cells = [("what", "ours", "baseline", "ratio", "bar", "ok")] + [
        (
            row.what,
            row.ours,
            row.baseline,
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.bar,
            "ok" if row.is_met and row.bar else "—",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print()
    for line in cells:
        columns = zip(line, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in columns).rstrip())
    return 0 if all(row.is_met for row in rows) else 1


# Processes


@contextmanager
def child(module: str, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """A program of ours in a process of its own, which has said its first line: it is ready."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, words)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def hear(process: "subprocess.Popen[str]") -> str:
    """The next line a child says; it ends the program when the child has died instead."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        sys.exit("A process of this measure ended without a word.")
    return line


def begin(*processes: "subprocess.Popen[str]") -> None:
    """Tell children that wait in `told_to_begin` to begin; all are ready before the first does."""
    for process in processes:
        assert hear(process) == OPENING
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def told_to_begin() -> None:
    """In a child: say that everything is in place, and wait for the word."""
    print(OPENING, flush=True)
    sys.stdin.readline()


def result(process: "subprocess.Popen[str]") -> dict[str, float]:
    found: dict[str, float] = json.loads(hear(process))
    return found


def processor() -> float:
    """Seconds of the processor this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    """The most memory this process has had, in MB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)


def timed(command: Sequence[str], *, letters: int) -> Run:
    """Run a program to its end; the seconds of the processor are all that it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(letters, seconds, used)
