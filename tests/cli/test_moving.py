"""`connector move`: what it says, before, while and after, on a terminal and off one."""

import re
import signal
from pathlib import Path

import pytest

from connector.database import Database
from connector.delivery import ledger
from connector.settings import Settings
from tests import clusters
from tests.cli import terminal
from tests.cli.conftest import Connector

pytestmark = pytest.mark.usefixtures("readers", "db")


def test_everything_is_moved_and_what_to_set_is_said(
    connector: Connector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = connector("move", "--to", "sqlite:///new.db")

    assert said.code == 0
    assert said.out.startswith("Copying 7 rows.\nComparing 7 rows.\n")
    assert re.search(r"^subscribers +3  [0-9a-f]{16}$", said.out, re.MULTILINE)
    assert re.search(r"^tray +0$", said.out, re.MULTILINE)
    assert "Moved 7 rows in 0 s." in said.out
    assert f"  CONNECTOR_DATABASE=sqlite:///{root / 'new.db'}\n" in said.out
    assert "password" not in said.out

    monkeypatch.setenv("CONNECTOR_DATABASE", f"sqlite:///{root / 'new.db'}")
    assert "ada@example.org" in connector("readers", "list").out


@pytest.mark.parametrize(
    "words", [["status"], ["work"], ["serve", "--port", "0"], ["readers", "list"], ["backup", "x"]]
)
def test_the_old_database_refuses_everybody_with_one_sentence(
    connector: Connector, words: list[str]
) -> None:
    connector("move", "--to", "sqlite:///new.db")

    assert connector(*words).error.endswith(
        ", and is kept as it was. Name the new one in CONNECTOR_DATABASE."
    )


def test_a_password_is_not_repeated(
    connector: Connector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clusters.empty() as url:
        server = clusters.running()
        address = f"127.0.0.1:{server.port}/letters_{url.split('letters_')[1].partition('?')[0]}"

        said = connector("move", "--to", f"postgresql://postgres:opensesame@{address}")

        assert said.code == 0, said
        assert f"  CONNECTOR_DATABASE=postgresql://postgres@{address}\n" in said.out
        assert "Its password is left out here" in said.out
        assert "opensesame" not in said.out + said.err


def test_a_sender_at_work_is_to_be_stopped_first(
    connector: Connector, root: Path, db: Database
) -> None:
    from connector import clock

    ledger.sign_in(db, "a sender", now=clock.now())

    said = connector("move", "--to", "sqlite:///new.db")

    assert "Stop every connector serve and connector work first" in said.error
    assert connector("status").code == 0


def test_where_to_has_to_be_said(connector: Connector) -> None:
    assert "Missing option '--to'" in connector("move").misunderstood


def test_nowhere_is_not_understood(connector: Connector) -> None:
    assert "Say where to move" in connector("move", "--to", "").misunderstood


@pytest.mark.parametrize("url", ["mysql://ines:opensesame@db/letters", "new.db"])
def test_what_is_no_database_is_not_understood(connector: Connector, url: str) -> None:
    said = connector("move", "--to", url)

    assert said.code == 1
    assert "opensesame" not in said.err


def test_a_terminal_shows_the_pace(root: Path) -> None:
    with terminal.Terminal(root, "move", "--to", "sqlite:///new.db") as shown:
        assert shown.end() == 0

    assert "Copying" in shown.text
    assert "7 of 7" in shown.text
    assert "Moved 7 rows" in shown.text


def test_ctrl_c_stops_it_and_leaves_the_old_one_in_use(
    connector: Connector, root: Path, configured: Settings, db: Database
) -> None:
    with db.write() as tx:
        tx.run(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 90000)
            INSERT INTO suppressions (address_key, why, at) SELECT n || '@example.org', 'x', 1 FROM numbers
            """
        )

    with terminal.running(root, "move", "--to", "sqlite:///new.db") as moving:
        assert moving.stdout
        assert moving.stdout.readline().startswith("Copying")
        moving.send_signal(signal.SIGINT)
        assert moving.wait(30) == 130
        assert moving.stderr
        assert moving.stderr.read().strip() == "Stopped."

    assert connector("status").code == 0
    assert connector("move", "--to", "sqlite:///new.db").code == 0
