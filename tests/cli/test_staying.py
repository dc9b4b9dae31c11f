"""`serve`, `work`, `demo` and `preview`: how they begin, how they end, and what they leave running."""

import os
import re
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from connector import clock
from connector.database import Database
from connector.delivery import ledger as post_office
from tests.cli import ledger, terminal
from tests.cli.conftest import TEXT, Connector
from tests.cli.terminal import CTRL_C, Terminal
from tests.delivery import post
from tests.waiting import until

if TYPE_CHECKING:
    import subprocess

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
LOCAL = ("https://letters.example.org", "http://127.0.0.1:8000")
SAMPLE = Path(__file__).parent.parent.parent


def at_home(root: Path) -> None:
    toml = root / "connector.toml"
    toml.write_text(toml.read_text().replace(*LOCAL))


def address(process: "subprocess.Popen[str]") -> str:
    """Where a command that stays says it is."""
    assert process.stdout
    for line in process.stdout:
        if found := ADDRESS.search(line):
            return found[0]
    raise AssertionError(process.stderr and process.stderr.read())


def senders(db: Database) -> list[int]:
    """Process ids of the senders that have signed in."""
    return [int(str(name).split(":")[1]) for (name,) in ledger.rows(db, "SELECT name FROM senders")]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # Whoever inherits an orphan may be slow to bury it.
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_with_its_sender_and_without_a_word_too_many(
    root: Path, db: Database, how: signal.Signals
) -> None:
    with terminal.running(root, "serve", "--port", "0") as process:
        url = address(process)
        until(lambda: senders(db), "the sender")
        (beside,) = senders(db)
        assert httpx2.get(f"{url}/healthz", headers={"Host": "letters.example.org"}).is_success

        process.send_signal(how)
        _, err = terminal.rest(process)

    assert (process.returncode, err) == (0, "")
    assert not is_alive(beside)
    assert senders(db) == []


def test_ctrl_c_reaches_site_and_sender_together_and_both_end(root: Path, db: Database) -> None:
    with Terminal(root, "serve", "--port", "0") as person:
        person.wait_for("Stop with Ctrl-C.")
        until(lambda: senders(db), "the sender")
        person.type(CTRL_C)
        code = person.end()

    assert code == 0
    assert person.text.endswith("Stopped.\n")
    assert "starting another" not in person.text
    assert "Traceback" not in person.text
    assert senders(db) == []


def test_a_signal_before_the_sender_has_begun_ends_both(root: Path, db: Database) -> None:
    with terminal.running(root, "serve", "--port", "0") as process:
        address(process)
        process.terminate()
        _, err = terminal.rest(process)

    assert (process.returncode, err) == (0, "")
    until(lambda: senders(db) == [], "no sender")


def test_the_sender_of_a_killed_site_stops_by_itself(root: Path, db: Database) -> None:
    with terminal.running(root, "serve", "--port", "0") as process:
        until(lambda: senders(db), "the sender")
        (beside,) = senders(db)

        process.kill()
        process.wait(30)

        until(lambda: not is_alive(beside), "the sender to stop")
    assert senders(db) == []


def test_a_sender_that_is_killed_is_followed_by_another(root: Path, db: Database) -> None:
    with terminal.running(root, "serve", "--port", "0") as process:
        until(lambda: senders(db), "the sender")
        (first,) = senders(db)
        os.kill(first, signal.SIGKILL)
        until(lambda: set(senders(db)) - {first}, "another sender")
        process.terminate()
        _, err = terminal.rest(process)

    assert process.returncode == 0
    assert "The sender stopped (exit -9); starting another." in err


def test_serving_without_a_sender_sends_nothing(root: Path, db: Database) -> None:
    mailing = post.mail(db, 1, now=clock.now())
    with terminal.running(root, "serve", "--port", "0", "--no-sender") as process:
        url = address(process)
        assert httpx2.get(f"{url}/healthz", headers={"Host": "letters.example.org"}).is_success
        process.terminate()
        terminal.rest(process)

    assert process.returncode == 0
    assert post.counts(db, mailing) == {"queued": 1}


@pytest.mark.parametrize("words", [["serve"], ["demo"], ["preview", "issues/x.md"]], ids=" ".join)
def test_a_port_in_use_is_one_sentence(connector: Connector, root: Path, words: list[str]) -> None:
    at_home(root)
    (root / "issues" / "x.md").write_text(TEXT)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = connector(*words, "--port", port)

    assert said.error == (
        f"Cannot listen on 127.0.0.1 port {port}: Address already in use. "
        "Stop what listens there, or choose another with --port."
    )


def test_an_address_that_is_not_this_machines_is_one_sentence(
    connector: Connector, root: Path
) -> None:
    for host in ("192.0.2.1", "nowhere..example", "\u2028"):
        said = connector("serve", "--host", host)
        assert said.error.startswith(f"Cannot listen on {host} port 8000: ")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_sender_alone_ends_when_told(root: Path, db: Database, how: signal.Signals) -> None:
    with terminal.running(root, "work") as process:
        until(lambda: senders(db), "the sender")
        process.send_signal(how)
        out, err = terminal.rest(process)

    assert (process.returncode, err) == (0, "")
    assert out == "Sending whatever is due. Stop with Ctrl-C.\n"
    assert senders(db) == []


def test_a_sender_beside_nobody_stops_at_once(root: Path, db: Database) -> None:
    with terminal.running(root, "work", "--beside", "1") as process:
        assert terminal.rest(process) == ("", "")

    assert process.returncode == 0


def test_a_preview_shows_the_page_and_leaves_no_trace(
    root: Path, db: Database, issue: Path
) -> None:
    with terminal.running(root, "preview", issue) as process:
        url = address(process)
        until(lambda: "The bench" in httpx2.get(f"{url}/p/the-bench").text, "the page")
        issue.write_text(TEXT.replace("Nobody owns", "Somebody owns"))
        until(lambda: "Somebody owns" in httpx2.get(f"{url}/p/the-bench").text, "the change")
        issue.write_text("---\nnonsense\n")
        assert httpx2.get(f"{url}/preview").is_success
        process.send_signal(signal.SIGINT)
        _, err = terminal.rest(process)

    assert (process.returncode, err) == (0, "")
    assert ledger.is_empty(db)


def test_a_preview_of_nothing_names_the_file(connector: Connector) -> None:
    assert connector("preview", "gone.md").error == "There is no file gone.md."


def test_the_demo_is_for_trying_things_out(connector: Connector, db: Database) -> None:
    assert "it wants a local url and no relay" in connector("demo", "--port", "0").error
    assert ledger.rows(db, "SELECT count(*) FROM subscribers") == [(0,)]


def test_the_demo_fills_the_sample_once_and_serves_it(root: Path) -> None:
    shutil.copy(SAMPLE / "connector.toml", root)
    shutil.copytree(SAMPLE / "issues", root / "issues", dirs_exist_ok=True)

    first = _demo(root)
    second = _demo(root)

    assert "300 sample readers added, 0 were there." in first
    assert "0 sample readers added, 300 were there." in second
    assert "was mailed before; nobody gets it twice." in second
    assert "Become a member with play money: http://127.0.0.1:" in first
    assert "connector till advance 32 days" in first


def _demo(root: Path) -> str:
    with terminal.running(root, "demo", "--port", "0") as process:
        assert process.stdout
        said = ""
        while not (found := ADDRESS.search(said)):
            line = process.stdout.readline()
            assert line, terminal.rest(process)
            said += line
        assert httpx2.get(found[0]).is_success
        process.terminate()
        out, err = terminal.rest(process)
    assert (process.returncode, err) == (0, "")
    return said + out


@pytest.mark.only("sqlite")
def test_serving_says_at_once_that_the_database_is_in_trouble(root: Path, db: Database) -> None:
    db.close()
    (root / "subscribers.db").write_text("Dear reader, " * 100)

    said = terminal.run(root, "serve", "--port", "0")

    assert said.error.endswith(
        "is not a database of ours. Name another file, or move this one away."
    )
    assert said.out == ""


def test_a_sender_that_lives_is_seen_by_everybody(root: Path, db: Database) -> None:
    with terminal.running(root, "work") as process:
        until(lambda: post_office.is_attended(db, now=clock.now()), "the sender")
        assert terminal.run(root, "status").out.endswith("A sender is running.\n")
        process.terminate()
        terminal.rest(process)
    assert not post_office.is_attended(db, now=clock.now())
