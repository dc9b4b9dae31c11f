"""The list, from the terminal: nobody is lost, nobody comes in by half, nothing is overwritten."""

import csv
import stat
from pathlib import Path

import pytest

from connector.database import Database
from tests.cli import ledger, terminal
from tests.cli.conftest import Connector
from tests.cli.terminal import Terminal

ACTIVE = "SELECT email FROM subscribers WHERE state = 'active' ORDER BY id"


def on_the_list(db: Database) -> list[object]:
    return [email for (email,) in ledger.rows(db, ACTIVE)]


def test_somebody_is_added_once(connector: Connector, db: Database) -> None:
    for _ in range(2):
        said = connector("readers", "add", "Ada@Example.org", "--name", "Ada")
        assert said.out == "Ada@example.org is on the list.\n"

    assert on_the_list(db) == ["Ada@example.org"]


@pytest.mark.parametrize("address", ["ada", "ada@", "@example.org", "ada@example.org, b@b.org"])
@pytest.mark.parametrize(
    "words", [["readers", "add"], ["readers", "erase", "--yes"], ["members", "comp"]]
)
def test_a_bad_address_is_one_sentence(
    connector: Connector, db: Database, words: list[str], address: str
) -> None:
    assert "is not an email address" in connector(*words, address).error
    assert on_the_list(db) == []


@pytest.mark.parametrize(
    "words",
    [["readers", "erase", "--yes"], ["members", "comp"], ["members", "end"]],
    ids=" ".join,
)
def test_somebody_unknown_is_named(connector: Connector, db: Database, words: list[str]) -> None:
    assert connector(*words, "zoe@example.org").error == "zoe@example.org is not on the list."


def test_whoever_left_is_not_added(connector: Connector, db: Database, people: object) -> None:
    assert (
        "cas@example.org has unsubscribed." in connector("readers", "add", "cas@example.org").error
    )
    assert "not written to any more" in connector("readers", "add", "dan@example.org").error


def test_the_list_is_shown_and_searched(connector: Connector, db: Database, people: object) -> None:
    said = connector("readers", "list")
    assert said.out.splitlines()[0].split() == ["Address", "Name", "State", "Since"]
    assert said.out.endswith("3 readers on the list, 0 yet to confirm, 1 unsubscribed.\n")

    assert connector("readers", "list", "BEA").out.count("@") == 1
    assert connector("readers", "list", "--state", "unsubscribed").out.count("@") == 1
    assert connector("readers", "list", "--limit", "2").out.count("@") == 2
    assert connector("readers", "list", "nobody").out.startswith("Nobody like that is on the list.")
    assert connector("readers", "list", "%").out.startswith("Nobody like that is on the list.")


def test_a_list_with_a_broken_row_costs_that_row(
    connector: Connector, db: Database, root: Path
) -> None:
    sheet = root / "friends.csv"
    sheet.write_text("email,name\nada@example.org,Ada\nnonsense,Ned\nbea@example.org,Bea\n")

    said = connector("readers", "import", sheet)

    assert said.code == 0
    assert "2 added" in said.out
    assert "1 refused" in said.out
    assert on_the_list(db) == ["ada@example.org", "bea@example.org"]
    assert "nonsense" in (root / "friends.refused.csv").read_text()


def test_a_person_sees_the_import_advance(root: Path, db: Database) -> None:
    sheet = root / "friends.csv"
    sheet.write_text("email\nada@example.org\nbea@example.org\n")

    with Terminal(root, "readers", "import", sheet) as person:
        assert person.end() == 0, person.text

    assert "Importing" in person.text
    assert "2 of 2" in person.text
    assert "2 rows: 2 added" in person.text


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"name\nAda\n", "has no column of addresses"),
        (b"", "friends.csv"),
        (b"email\n\xff\xfe\n", "friends.csv"),
        (b"PK\x03\x04\0\0\0\0", "friends.csv"),
    ],
    ids=["no addresses", "empty", "not UTF-8", "a spreadsheet"],
)
def test_a_file_that_is_no_list_changes_nothing(
    connector: Connector, db: Database, root: Path, content: bytes, what: str
) -> None:
    sheet = root / "friends.csv"
    sheet.write_bytes(content)

    assert what in connector("readers", "import", sheet).error
    assert on_the_list(db) == []


def test_a_list_that_is_not_there_is_named(connector: Connector, db: Database) -> None:
    assert connector("readers", "import", "gone.csv").error.startswith("gone.csv cannot be read")


def test_the_list_goes_out_and_comes_in_again(
    connector: Connector, db: Database, root: Path, people: object
) -> None:
    sheet = root / "everybody.csv"

    saved = connector("readers", "export", sheet)
    printed = connector("readers", "export")

    assert saved.out == f"Saved {sheet}. It holds addresses: keep it safe.\n"
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    with sheet.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["email"].partition("@")[0] for row in rows} == {"ada", "bea", "cas", "dan"}
    assert printed.out.splitlines() == sheet.read_text().splitlines()
    assert "0 added, 4 known already" in connector("readers", "import", sheet).out
    assert sorted(one.name for one in root.glob("*.csv*")) == ["everybody.csv"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("connector.toml", "exists already"),
        ("gone/x.csv", "No such file or directory. Nothing was saved."),
        ("connector.toml/x.csv", "Not a directory. Nothing was saved."),
    ],
)
def test_an_export_overwrites_nothing_and_says_where_it_cannot_be_saved(
    connector: Connector, db: Database, root: Path, name: str, what: str
) -> None:
    before = (root / "connector.toml").read_bytes()

    assert what in connector("readers", "export", root / name).error
    assert (root / "connector.toml").read_bytes() == before


def test_an_export_to_a_full_disk_leaves_nothing_half_written(
    root: Path, db: Database, people: object
) -> None:
    limited = terminal.limited(root, "readers", "export", root / "everybody.csv", size=50)

    assert limited.error.endswith("File too large. Nothing was saved.")
    assert not list(root.glob("*.csv*"))


def test_somebody_is_erased_only_with_a_yes(
    connector: Connector, db: Database, people: object
) -> None:
    assert "say --yes" in connector("readers", "erase", "ada@example.org").misunderstood
    assert "ada@example.org" in on_the_list(db)

    said = connector("readers", "erase", "ADA@example.org", "--yes")

    assert said.out.startswith("Erased.")
    assert "ada@example.org" not in on_the_list(db)
    assert "asked to be forgotten" in connector("readers", "add", "ada@example.org").error
