"""Looking after it: doctor, migrate, backup; and what every command says of a database in trouble."""

import stat
import tarfile
from pathlib import Path

import pytest

from connector import database, settings
from connector.database import Database
from connector.database.sqlite import Sqlite
from connector.delivery import links
from connector.settings import Settings
from tests.cli import ledger, terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import Said
from tests.conftest import TOML
from tests.database import files
from tests.fakes.smtp import FakeRelay
from tests.stories import sender

COUNTED = ("subscribers", "consents", "memberships", "issues", "editions", "deliveries", "tray")


def counts(db: Database) -> dict[str, object]:
    return {table: ledger.rows(db, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


def line(said: Said, name: str) -> str:
    (found,) = (one for one in said.out.splitlines() if one[2:].startswith(name))
    return found


def test_the_doctor_finds_what_is_in_order(connector: Connector, root: Path, db: Database) -> None:
    with FakeRelay().in_thread() as relay:
        sender.relayed(root, relay)
        said = connector("doctor", "--nameserver", "127.0.0.1:1")

    assert (said.code, said.err) == (0, "")
    for name in ("The database", "The disk", "The signing key", "The site's address", "The relay"):
        assert line(said, name) == f"✓ {name}"
    assert line(said, "The sender") == "! The sender: not running; start it with: connector serve"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("https://letters.example.org", "http://127.0.0.1:8000"), "! The site's address: "),
        (("https://letters", "http://letters"), "✗ The site's address: [publication] url must"),
        (('address = "12 Harbour Row, Port Ellery"', ""), "! The postal address: "),
    ],
)
def test_the_doctor_names_what_is_not(
    connector: Connector, root: Path, change: tuple[str, str], what: str
) -> None:
    (root / "connector.toml").write_text(TOML.replace(*change))

    said = connector("doctor")

    assert what in said.out
    assert said.code == ("✗" in said.out)
    assert line(said, "The relay") == "! The relay: none is set, so letters stay in the Tray."


def test_the_doctor_sees_a_key_that_others_can_read(
    connector: Connector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONNECTOR_SECRET")
    key = root / "connector.key"

    assert line(connector("doctor"), "The signing key") == "✓ The signing key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)

    assert f"run: chmod 600 {key}" in line(connector("doctor"), "The signing key")


@pytest.mark.only("sqlite")
def test_the_doctor_sees_a_database_in_trouble(
    connector: Connector, root: Path, db: Database
) -> None:
    db.close()
    files.forget_newest_step(root / "subscribers.db")

    said = connector("doctor")

    assert said.code == 1
    assert line(said, "The database").endswith("run: connector migrate")


NEEDS_TABLES = [
    ["status"],
    ["publish", "issues/2026-12-01-the-bench.md", "--yes"],
    ["test", "issues/2026-12-01-the-bench.md", "--to", "me@example.org"],
    ["readers", "add", "ada@example.org"],
    ["readers", "list"],
    ["readers", "export"],
    ["members", "list"],
    ["pause", "1"],
    ["cancel", "1", "--yes"],
    ["backup", "x.tar.gz"],
    ["work", "--until-done"],
    ["serve", "--port", "0", "--no-sender"],
]


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("words", NEEDS_TABLES, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (files.forget_newest_step, "Make a backup, then run: connector migrate"),
        (files.add_unknown_step, "Install that version, or restore an older backup."),
        (files.damaged, "is damaged. Restore it from a backup."),
    ],
    ids=["older", "newer", "damaged"],
)
@pytest.mark.usefixtures("issue")
def test_a_database_that_is_not_of_this_version_is_refused_everywhere(
    connector: Connector, db: Database, words: list[str], spoil: object, what: str
) -> None:
    assert isinstance(db, Sqlite)
    path = db.path
    db.close()
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes()

    assert connector(*words).error.endswith(what)
    assert path.read_bytes() == before
    assert not Path("x.tar.gz").exists()


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("words", [["status"], ["migrate"]])
def test_another_programs_database_is_refused(
    connector: Connector, root: Path, words: list[str]
) -> None:
    files.of_another_program(root / "subscribers.db")

    assert "belongs to another program" in connector(*words).error


def test_a_database_elsewhere_is_named_when_it_cannot_be_reached(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", "sqlite:////nowhere/letters.db")

    assert "/nowhere/letters.db cannot be opened. Check that" in connector("status").error


@pytest.mark.only("sqlite")
def test_a_database_that_another_program_holds_is_one_sentence(
    connector: Connector,
    issue: Path,
    db: Database,
    readers: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database.open, "__kwdefaults__", {"busy_seconds": 0.05})
    with files.held(issue.parent.parent / "subscribers.db"):
        said = [
            connector("publish", issue, "--yes"),
            connector("readers", "add", "zoe@example.org"),
        ]
        assert connector("status").code == 0

    for one in said:
        assert one.error.endswith(
            "is busy: another program holds it. Try again, or stop that program."
        )
    assert ledger.is_empty(db)
    assert connector("publish", issue, "--yes").code == 0


@pytest.mark.only("sqlite")
def test_a_full_disk_publishes_all_or_nothing(
    root: Path, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    issue.write_text(issue.read_text() + "\nA long letter.\n" * 500)
    db.close()

    said = terminal.limited(root, "publish", issue, "--yes", size=60_000)

    assert "full. Nothing was changed" in said.error
    assert ledger.is_empty(db)


@pytest.mark.only("sqlite")
def test_a_database_that_may_only_be_read_is_one_sentence(
    root: Path, db: Database, issue: Path
) -> None:
    db.close()
    path = root / "subscribers.db"
    path.chmod(0o400)

    said = terminal.run(root, "readers", "add", "ada@example.org", humble=True)

    assert said.error.endswith("is read-only. Check the owner and mode of the file and its folder.")


def test_migrating_does_nothing_to_what_is_up_to_date(connector: Connector, db: Database) -> None:
    assert connector("migrate").out == "The database is up to date.\n"


@pytest.mark.only("sqlite")
def test_migrating_sets_up_what_is_new(connector: Connector, root: Path) -> None:
    assert connector("migrate").out.startswith("Applied m001_subscribers, ")
    assert connector("status").code == 0


@pytest.mark.only("sqlite")
def test_a_backup_unpacked_elsewhere_is_the_same_publication(
    connector: Connector,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    issue: Path,
) -> None:
    monkeypatch.delenv("CONNECTOR_SECRET")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    archive = elsewhere / "letters.tar.gz"
    for name in ("ada", "bea"):
        connector("readers", "add", f"{name}@example.org")
    connector("members", "comp", "bea@example.org")
    connector("publish", issue, "--yes")
    before, link = _counts(root), links.unsubscribe(settings.load(root, {}), 1)

    said = connector("backup", archive)
    restored = elsewhere / "restored"
    with tarfile.open(archive) as packed:
        packed.extractall(restored, filter="data")

    assert said.out.startswith(f"Saved {archive} (")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert _counts(restored) == before
    assert before["deliveries"] == 2
    token = link.rpartition("/")[2]
    assert links.recipient_of(settings.load(restored, {}), "unsubscribe", token) == 1
    assert (restored / "issues" / issue.name).read_bytes() == issue.read_bytes()
    again = connector("-C", restored, "publish", restored / "issues" / issue.name, "--yes")
    assert "nobody gets it twice" in again.out


def _counts(root: Path) -> dict[str, object]:
    db = database.open(f"sqlite:///{root}/subscribers.db")
    try:
        return counts(db)
    finally:
        db.close()


@pytest.mark.only("sqlite")
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("connector.toml", "exists already. Name another file, so that no backup is lost."),
        ("gone/x.tar.gz", "No such file or directory. No backup was made."),
        ("connector.toml/x.tar.gz", "Not a directory. No backup was made."),
    ],
)
def test_a_backup_overwrites_nothing_and_says_where_it_cannot_be_saved(
    connector: Connector, root: Path, db: Database, name: str, what: str
) -> None:
    before = sorted(root.iterdir())

    assert connector("backup", root / name).error.endswith(what)
    assert sorted(root.iterdir()) == before
    assert (root / "connector.toml").read_text() == TOML


@pytest.mark.only("sqlite")
def test_a_backup_to_a_full_disk_leaves_nothing_behind(
    root: Path, db: Database, people: object
) -> None:
    said = terminal.limited(root, "backup", root / "x.tar.gz", size=50_000)

    assert "full" in said.error
    assert not [one for one in root.iterdir() if "x.tar" in one.name or one.name.startswith("tmp")]


@pytest.mark.only("sqlite")
def test_a_backup_made_while_letters_leave_is_whole(
    connector: Connector, root: Path, db: Database, configured: Settings, tmp_path: Path
) -> None:
    with db.write() as tx:
        tx.run("INSERT INTO versions VALUES ('half', 1)")
        assert connector("backup", tmp_path / "x.tar.gz").code == 0

    with tarfile.open(tmp_path / "x.tar.gz") as packed:
        inside = packed.extractfile("subscribers.db")
        assert inside
        (tmp_path / "copy.db").write_bytes(inside.read())
    with files.raw(tmp_path / "copy.db") as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT name FROM versions").fetchall() == [("pages",)]
