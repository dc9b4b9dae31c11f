"""A list comes in: whoever can be taken is, once; the known stay as they are; the rest is reported."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.database import Database
from connector.errors import DatabaseUnavailable, Refused
from connector.readers import importing, store
from connector.readers.importing import Report
from connector.settings import Settings
from tests.conftest import People
from tests.readers.conftest import Contents, Visitor

Bring = Callable[[str | bytes], Report]


@pytest.fixture
def bring(db: Database, configured: Settings, tmp_path: Path, now: int) -> Bring:
    def bring(text: str | bytes) -> Report:
        source = tmp_path / "people.csv"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        return importing.bring(db, configured, source, now=now)

    return bring


def refusals(report: Report) -> list[dict[str, str]]:
    assert report.refused_file is not None
    with report.refused_file.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everybody_is_on_the_list_with_their_consent(
    db: Database, bring: Bring, visitor: Visitor, now: int
) -> None:
    report = bring("email,name\nEva@example.org,Eva Lind\nfinn@example.org,\n")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert (eva.email, eva.name, eva.state, eva.source) == (
        "Eva@example.org",
        "Eva Lind",
        "active",
        "import",
    )
    assert (eva.created_at, eva.confirmed_at) == (now, now)
    with db.read() as connection:
        (consent,) = store.consents(connection, eva.id)
    assert (consent.what, consent.how, consent.page, consent.at) == (
        "imported",
        "csv",
        "people.csv",
        now,
    )
    assert (report.rows, report.added, report.known, report.refused) == (2, 2, 0, 0)
    assert report.refused_file is None
    assert visitor.letters("eva@example.org") == []


def test_the_known_are_left_as_they_are(
    bring: Bring, visitor: Visitor, people: People, contents: Contents
) -> None:
    visitor.ask("eva@example.org")
    before = contents()

    report = bring(
        "email,name,status\nADA@example.org,Augusta,unsubscribed\nbea@example.org,Bea,bounced\ncas@example.org,Cas,active\n"
        "dan@example.org,Dan,active\neva@example.org,Eva,active\n"
    )

    assert (report.added, report.known) == (0, 5)
    assert contents() == before


def test_doing_it_again_changes_nothing(bring: Bring, contents: Contents) -> None:
    text = "email\neva@example.org\nfinn@example.org\n"
    bring(text)
    before = contents()

    report = bring(text)

    assert (report.added, report.known) == (0, 2)
    assert contents() == before


def test_somebody_who_comes_twice_is_one(bring: Bring, visitor: Visitor) -> None:
    report = bring("email,name\neva@example.org,Eva\nEVA@example.org,Another\n")

    assert (report.rows, report.added, report.known) == (2, 1, 1)
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Eva"
    assert visitor.consents("eva@example.org") == ["imported"]


def test_a_refused_row_costs_only_itself_and_says_why(bring: Bring, visitor: Visitor) -> None:
    report = bring(
        "email,name\neva at example.org,Eva\nfinn@example.org,Finn\n,Gül\nhana@localhost,=1+1\n"
    )

    assert (report.rows, report.added, report.refused) == (4, 1, 3)
    first, second, third = refusals(report)
    assert (first["line"], first["email"], first["name"]) == ("2", "eva at example.org", "Eva")
    assert first["reason"].startswith("“eva at example.org” is not an email address:")
    assert (second["line"], second["reason"]) == ("4", "There is no address in this row.")
    assert (third["line"], third["name"]) == ("5", "'=1+1")


def test_the_refused_rows_mended_can_be_imported(
    db: Database, configured: Settings, bring: Bring, visitor: Visitor, now: int
) -> None:
    report = bring("email,name\neva at example.org,Eva\n")
    assert report.refused_file is not None
    mended = report.refused_file.read_text(encoding="utf-8").replace(" at ", "@")
    report.refused_file.write_text(mended, encoding="utf-8")

    again = importing.bring(db, configured, report.refused_file, now=now)

    assert (again.added, again.refused) == (1, 0)
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Eva"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_spreadsheet_can_save_it(
    bring: Bring, visitor: Visitor, delimiter: str, ending: str, mark: bytes
) -> None:
    rows = (
        ("Name", "E-mail"), ('"Lind, Eva; the\t1st"', "eva@example.org"), ("Gül", "g@example.org")
    )  # fmt: skip

    report = bring(mark + ending.join(delimiter.join(row) for row in rows).encode())

    assert (report.added, report.refused) == (2, 0)
    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Lind, Eva; the 1st"


def test_a_bare_list_of_addresses_is_enough(bring: Bring) -> None:
    assert bring("eva@example.org\nfinn@example.org\n").added == 2

    assert bring("Gül;gul@example.org\nHana;hana@example.org").added == 2


def test_blank_lines_are_no_rows(bring: Bring) -> None:
    report = bring("\n\nemail,name\n\neva@example.org,Eva\n,\n\n")

    assert (report.rows, report.added) == (1, 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"name,city\nEva,Riga\n", "no column of addresses. It has: name, city"),
        (b"email\neva@example.org\nG\xfcl@example.org\n", "line 3: this is not UTF-8"),
        ("email\neva@example.org\n".encode("utf-16"), "line 1: this is not UTF-8"),
        (b'"email\neva@example.org\n', "no column of addresses. The quotation marks"),
        (b"e" * 3_000_000, "no column of addresses. This row is too long"),
    ],
)
def test_what_is_no_list_is_refused_with_nothing_changed(
    bring: Bring, contents: Contents, text: bytes, why: str
) -> None:
    before = contents()

    with pytest.raises(Refused, match=why) as refusal:
        bring(text)

    assert "Nothing was changed." in str(refusal.value)
    assert contents() == before


def test_a_file_that_is_not_there_is_refused(
    db: Database, configured: Settings, tmp_path: Path, now: int
) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        importing.bring(db, configured, tmp_path / "nobody.csv", now=now)


def test_a_quotation_mark_that_never_closes_costs_one_row(bring: Bring) -> None:
    report = bring(
        'email,name\neva@example.org,"Eva\nfinn@example.org,Finn\nhana@example.org,Hana\n'
    )

    assert (report.rows, report.added, report.refused) == (3, 2, 1)
    assert refusals(report)[0]["line"] == "2"
    assert refusals(report)[0]["reason"] == "The quotation marks in this row do not match."


def test_a_quotation_mark_out_of_place_costs_one_row(bring: Bring) -> None:
    report = bring('email,name\neva@example.org,"Eva" Lind\nfinn@example.org,Finn\n')

    assert (report.rows, report.added, report.refused) == (2, 1, 1)


def test_a_name_over_several_lines_is_read(bring: Bring, visitor: Visitor) -> None:
    report = bring('email,name\neva@example.org,"Eva\n\nLind"\nbroken,x\n')

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Eva Lind"
    assert refusals(report)[0]["line"] == "5"


@pytest.mark.parametrize("size", [200_000, 1 << 20, 3_000_000])
def test_a_giant_cell_costs_one_row(bring: Bring, size: int) -> None:
    giant = "x" * size

    report = bring(f"email,name\neva@example.org,{giant}\nfinn@example.org,Finn\n")

    assert (report.rows, report.added, report.refused) == (2, 1, 1)
    (row,) = refusals(report)
    assert (row["line"], row["reason"]) == ("2", "This row is too long to be about a person.")


def test_a_long_name_is_cut(bring: Bring, visitor: Visitor) -> None:
    bring(f"email,name\neva@example.org,{'Eva ' * 30_000}\n")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert len(eva.name) <= 120


def test_nul_and_control_characters_reach_no_column(bring: Bring, visitor: Visitor) -> None:
    report = bring("email,name\neva@example.org,E\x00v\x1ba\nf\x00inn@example.org,Finn\n")

    eva = visitor.on_the_list("eva@example.org")
    assert eva is not None
    assert eva.name == "Eva"
    assert (report.added, report.refused) == (1, 1)


def test_a_row_shorter_or_longer_than_the_header_is_judged_by_its_address(bring: Bring) -> None:
    report = bring(
        "name,email,since\nEva\nFinn,finn@example.org\nHana,hana@example.org,2024-01-01,x,y\n"
    )

    assert (report.added, report.refused) == (2, 1)


def test_the_reasons_go_where_writing_is_allowed(
    db: Database,
    configured: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    now: int,
) -> None:
    source = tmp_path / "people.csv"
    source.write_text("email\nnobody\n", encoding="utf-8")
    (tmp_path / "people.refused.csv").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    report = importing.bring(db, configured, source, now=now)

    assert report.refused_file == tmp_path / "here" / "people.refused.csv"
    assert refusals(report)[0]["line"] == "2"


def test_progress_is_told(
    db: Database, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    source = tmp_path / "people.csv"
    source.write_text("email\n" + "".join(f"r{n}@example.org\n" for n in range(5)))
    told: list[tuple[int, int, int]] = []

    importing.bring(db, configured, source, now=now, progress=lambda *figures: told.append(figures))

    size = source.stat().st_size
    assert [(rows, whole) for rows, _, whole in told] == [(2, size), (4, size), (5, size)]
    assert told[-1][1] == size


def test_stopped_half_way_it_leaves_whole_rows_and_can_be_run_again(
    db: Database, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    source = tmp_path / "people.csv"
    source.write_text("email\n" + "".join(f"r{n}@example.org\n" for n in range(5)))

    def stop(rows: int, *_: int) -> None:
        if rows == 4:
            raise KeyboardInterrupt

    report = importing.bring(db, configured, source, now=now, progress=stop)

    assert (report.rows, report.added, report.is_whole) == (4, 4, False)
    assert "Import the same file again" in str(report)
    again = importing.bring(db, configured, source, now=now)
    assert (again.added, again.known, again.is_whole) == (1, 4, True)
    with db.read() as connection:
        assert connection.value("SELECT count(*) FROM consents") == 5


def test_a_failing_database_says_how_far_it_came(
    db: Database, configured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    source = tmp_path / "people.csv"
    source.write_text("email\n" + "".join(f"r{n}@example.org\n" for n in range(5)))

    def fail(rows: int, *_: int) -> None:
        if rows == 2:
            raise DatabaseUnavailable("The disk is full.")

    with pytest.raises(DatabaseUnavailable, match=r"The disk is full\. 2 rows are done"):
        importing.bring(db, configured, source, now=now, progress=fail)


def test_the_report_is_said_in_words(bring: Bring, people: People) -> None:
    report = bring("email\nada@example.org\neva@example.org\nnobody\n")

    assert str(report) == (
        "3 rows: 1 added, 1 known already, 1 refused.\n"
        f"The refused rows, and why: {report.refused_file}"
    )
