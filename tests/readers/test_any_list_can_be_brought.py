"""Whatever a file holds: every row is added, known or refused, and what is refused changes nothing."""

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import database, settings
from connector.database import Database
from connector.readers import importing, store
from connector.readers.columns import guarded, unguarded
from connector.settings import Settings
from tests.conftest import NOW, TOML

GOOD = st.builds("{}@example.{}".format, st.from_regex(r"[a-cA-C]{1,2}", fullmatch=True), st.sampled_from(["org", "com"]))  # fmt: skip
NO_SURROGATES = st.characters(exclude_categories=["Cs"])
WILD = st.text(NO_SURROGATES, max_size=12)
BROKEN = st.one_of(WILD.filter(lambda text: "@" not in text), st.sampled_from(["a@", "@b", "a b@c.org"]))  # fmt: skip
ROWS = st.lists(st.tuples(st.one_of(GOOD, BROKEN), WILD), max_size=25)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Database, Settings, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "connector.toml").write_text(TOML, encoding="utf-8")
        configured = settings.load(root, {"CONNECTOR_SECRET": "s" * 40})
        db = database.open(configured.database)
        yield db, configured, root
        db.close()


def empty(db: Database) -> None:
    with db.write() as tx:
        tx.run("DELETE FROM subscribers")


def written(rows: list[tuple[str, str]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("email", "name"), *rows])
    return file.getvalue()


@given(rows=ROWS)
def test_taken_and_known_and_refused_are_all_the_rows(
    place: tuple[Database, Settings, Path], rows: list[tuple[str, str]]
) -> None:
    db, configured, root = place
    empty(db)
    source = root / "people.csv"
    source.write_text(written(rows), encoding="utf-8", newline="")
    expected = {email.casefold() for email, _ in rows if "@example" in email}

    report = importing.bring(db, configured, source, now=NOW)

    with db.read() as connection:
        keys = {key for (key,) in connection.rows("SELECT email_key FROM subscribers")}
        consents = connection.value("SELECT count(*) FROM consents")
    assert keys == expected
    assert report.added == len(keys) == consents
    assert report.rows == sum(1 for row in rows if any(row))
    assert report.added + report.known + report.refused == report.rows
    assert (report.refused_file is None) == (report.refused == 0)


@given(text=st.text(st.one_of(st.sampled_from('",;\t\n\r@ae.'), NO_SURROGATES), max_size=80))
def test_no_text_at_all_breaks_it(place: tuple[Database, Settings, Path], text: str) -> None:
    db, configured, root = place
    empty(db)
    source = root / "people.csv"
    source.write_text(f"email,name\n{text}", encoding="utf-8", newline="")

    report = importing.bring(db, configured, source, now=NOW)

    with db.read() as connection:
        counted = sum(store.counts(connection).values())
    assert report.added == counted
    assert report.added + report.known + report.refused == report.rows
    assert report.is_whole


@given(line=st.integers(0, 5), rest=st.lists(GOOD, min_size=6, max_size=6, unique=True))
def test_one_broken_line_never_takes_another_with_it(
    place: tuple[Database, Settings, Path], line: int, rest: list[str]
) -> None:
    db, configured, root = place
    empty(db)
    lines = [f"{email},Name" for email in rest]
    lines[line] = f'"{lines[line]}'
    source = root / "people.csv"
    source.write_text("email,name\n" + "\n".join(lines), encoding="utf-8")

    report = importing.bring(db, configured, source, now=NOW)

    assert (report.rows, report.refused) == (6, 1)


@given(cell=st.text(st.one_of(st.sampled_from("'=+-@"), NO_SURROGATES), max_size=8))
def test_a_guarded_cell_is_no_formula_and_comes_back(cell: str) -> None:
    safe = guarded(cell)

    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(safe) == cell
