"""`connector status --watch`: a view that follows, and lines where there is no terminal."""

import signal
from pathlib import Path

import pytest

from connector import clock
from connector.cli.watching import Pace, Watch
from connector.clock import SECOND
from connector.database import Database
from connector.delivery import ledger, mailings
from connector.delivery.outcome import Outcome
from connector.settings import Settings
from tests.cli import terminal
from tests.cli.terminal import CTRL_C, Terminal
from tests.delivery import post

SENT = Outcome("sent", "250 Ok", 250, "", "content")


def send(db: Database, count: int, *, now: int) -> None:
    lease = post.take(db, now=now)
    letters = post.hand_over(db, lease, ledger.due(db, lease, now=now)[:count], now=now)
    post.settle(db, lease, letters, SENT, now=now)
    ledger.release(db, lease, worker="anna", now=now)


def test_the_pace_is_that_of_the_last_ten_seconds(now: int) -> None:
    pace = Pace()
    for second in range(21):
        settled = 100 * second if second <= 10 else 1000 + 10 * (second - 10)
        pace.look(settled, now=now + second * SECOND)

    assert pace.rate == 10
    assert pace.left(650) == "1 min 5 s"


@pytest.mark.parametrize("looks", [[0], [0, 0, 0]])
def test_without_a_pace_nobody_says_how_long(now: int, looks: list[int]) -> None:
    pace = Pace()
    for second, settled in enumerate(looks):
        pace.look(settled, now=now + second * SECOND)

    assert pace.rate == 0
    assert pace.left(100) == ""


def test_a_second_chance_starts_the_pace_afresh(now: int) -> None:
    pace = Pace()
    for second, settled in enumerate((100, 200, 50, 60)):
        pace.look(settled, now=now + second * SECOND)

    assert pace.rate == 10


def test_a_mailing_that_moves_says_how_far_how_fast_and_how_long(
    db: Database, configured: Settings, now: int
) -> None:
    post.mail(db, 10, now=now)
    watch = Watch(db, configured)
    watch.lines(now=now)
    send(db, 4, now=now)

    (line,) = watch.lines(now=now + 2 * SECOND)

    assert str(line) == "1 bench: sending, 4 of 10, 2 letters/s, 3 s left"


def test_what_is_beside_the_mailings_is_said(db: Database, configured: Settings, now: int) -> None:
    name = ledger.relay_name(configured)
    ledger.relay_broke(db, name, why="The relay is away.", now=now)

    said = Watch(db, configured).beside(now=now)

    assert said[0].startswith("The relay is away. Next try at ")
    assert said[1] == "No sender is running."


def test_without_a_terminal_each_look_is_a_line(root: Path, db: Database) -> None:
    mailing = post.mail(db, 3, now=clock.now())
    mailings.pause(db, mailing, why="a look first", now=clock.now())

    with terminal.running(root, "status", "--watch") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        rest, error = terminal.rest(process)

    assert [line[10:] for line in lines[:2]] == [
        "1 bench: paused, 0 of 3\n",
        "No sender is running.\n",
    ]
    assert [line[10:] for line in lines[2:]] == [line[10:] for line in lines[:2]]
    assert rest.endswith("Nothing was stopped but the looking.\n")
    assert (process.returncode, error) == (0, "")


def test_on_a_terminal_the_view_follows_until_ctrl_c(root: Path, db: Database) -> None:
    now = clock.now()
    post.mail(db, 3, now=now)

    with Terminal(root, "status", "--watch") as person:
        person.wait_for("Leave with Ctrl-C.")
        assert "No sender is running." in person.text
        send(db, 3, now=now)
        person.wait_for("finished")
        person.type(CTRL_C)
        code = person.end()

    assert code == 0
    assert "Traceback" not in person.text
    assert person.text.rstrip().endswith("Nothing was stopped but the looking.")
