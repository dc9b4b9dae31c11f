"""The benches still run: the sink hears every letter, and each measure ends in its table."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import cluster, frame, relays, sending
from bench.frame import Row, Run
from bench.sink import GO_AHEAD, YES, Line, Tally

ROOT = Path(__file__).parent.parent
TINY = ("--letters", "20", "--rounds", "1", "--connections", "2")
MILLION = ("--few", "10", "--many", "20", "--few-rounds", "1", "--connections", "2")
POSTGRES = ("--letters", "40", "--few", "10", "--rounds", "1", "--connections", "2", "--delay", "1")
LETTER = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"


class Wire(asyncio.Transport):
    """Keeps what a line answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answers += data

    def is_closing(self) -> bool:
        return False


def said(*pieces: bytes) -> tuple[Tally, bytes]:
    """What a sink has taken, and answered, when it hears these pieces one after the other."""
    line, wire = Line(Tally(), 0), Wire()
    line.connection_made(wire)
    for piece in pieces:
        line.data_received(piece)
    return line.tally, wire.answers


@given(
    contents=st.lists(st.sampled_from([b"", b"Hi.\r\n", b"..\r\n.x\r\n", b"\r\n\r\n"]), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_the_sink_takes_every_letter_however_it_is_cut(
    contents: Sequence[bytes], cuts: Sequence[int]
) -> None:
    whole = b"".join(LETTER + content + b".\r\n" for content in contents)
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]

    tally, answers = said(*pieces)

    assert tally.letters == len(contents)
    assert answers.partition(b"\r\n")[2] == (YES + YES + GO_AHEAD + YES) * len(contents)


def test_the_sink_counts_notices_apart() -> None:
    tally, _ = said(LETTER.replace(b"<b@", b"<notice@") + b"Hi.\r\n.\r\n")

    assert (tally.letters, tally.notices) == (0, 1)


def test_a_ratio_is_of_each_round_with_its_neighbour() -> None:
    found = {
        "ours": [Run(10, 1, 1), Run(30, 1, 1), Run(20, 1, 1)],
        "theirs": [Run(10, 1, 1), Run(20, 1, 1), Run(10, 1, 1)],
    }

    row = frame.at_least("letters/s", found, "ours", "theirs", 1.5)

    assert (row.ours, row.baseline, row.ratio) == ("20/s", "theirs 10/s", 1.5)
    assert row.is_met


@pytest.mark.parametrize(("value", "answer"), [(149.0, 0), (151.0, 1)], ids=["met", "missed"])
def test_the_table_says_whether_every_bar_is_met(
    value: float, answer: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [frame.below("memory", value, 150, "MB"), frame.skipped("to Postfix", "no root")]

    assert frame.show(rows) == answer

    assert ("ok" in capsys.readouterr().out.splitlines()[-2]) is (answer == 0)


@pytest.mark.parametrize(
    "options", [options for options, _ in (*sending.MEASURES, sending.LONGEST)]
)
def test_every_measure_runs_as_it_is(options: frame.Options) -> None:
    assert frame.read(options, []).rounds > 0


@pytest.mark.parametrize(
    ("name", "words", "lines"),
    [
        ("send", TINY, 4),
        ("distance", (*TINY, "--delay", "1"), 2),
        ("million", MILLION, 3),
        ("postgres", POSTGRES, 11),
    ],
    ids=["send", "distance", "million", "postgres"],
)
def test_a_measure_ends_in_its_table(name: str, words: Sequence[str], lines: int) -> None:
    if name == "send" and not (shutil.which("smtp-sink") and shutil.which("smtp-source")):
        pytest.skip("needs the test programs of Postfix")
    if name == "postgres" and (why := cluster.why_no_server()):
        pytest.skip(why)
    command = [sys.executable, "-m", f"bench.{name}", *words]
    if name == "send":
        command += ["--kilobytes", "10"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    table = done.stdout.rpartition("\n\n")[2].splitlines()
    assert table[0].split() == ["what", "ours", "baseline", "ratio", "bar", "ok"]
    assert len(table) == lines


def test_a_postfix_that_cannot_be_started_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "why_no_postfix", lambda: "only root can start a Postfix")
    options, measure = next(
        pair for pair in sending.MEASURES if pair[1].__module__ == "bench.postfix"
    )

    rows: list[Row] = measure(frame.read(options, []))

    assert [(row.ours, row.baseline) for row in rows] == [
        ("skipped", "only root can start a Postfix")
    ]
