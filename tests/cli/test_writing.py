"""What a writer types: new, check, publish, test."""

import re
from pathlib import Path

import pytest

from connector import clock, settings
from connector.clock import DAY
from connector.database import Database
from tests.cli import ledger
from tests.cli.conftest import TEXT, Connector
from tests.cli.terminal import Said

BROKEN = "---\ntitle: The bench\n---\n\nLook: ![a bench](bench.png)\n"


def new(connector: Connector, folder: Path, *words: str) -> Said:
    return connector("new", folder, "--title", "Quay", "--author", "Ines", *words)


def test_a_new_publication_can_be_checked_looked_over_and_published(
    engine: str, connector: Connector, tmp_path: Path
) -> None:
    folder = tmp_path / "quay"

    said = new(connector, folder, "--email", "ines@example.org")

    assert said.code == 0
    assert f"cd {folder}" in said.out
    (first,) = (folder / "issues").glob("*.md")
    for words in (["check", first], ["doctor"], ["publish", first, "--yes"], ["status"]):
        done = connector("-C", folder, *words)
        assert (done.code, done.err) == (0, ""), done
    assert (folder / "subscribers.db").exists() == (engine == "sqlite")


def test_a_title_with_quotes_and_signs_is_still_a_title(
    connector: Connector, tmp_path: Path
) -> None:
    folder = tmp_path / "quay"
    title = '"Quay" \\ & <Harbour> — #1'

    connector("new", folder, "--title", title, "--author", "Ines", "--email", "i@example.org")
    (first,) = (folder / "issues").glob("*.md")

    assert settings.load(folder).publication.title == title
    assert connector("-C", folder, "check", first).code == 0


def test_a_folder_with_something_in_it_is_left_alone(connector: Connector, root: Path) -> None:
    before = sorted(root.rglob("*"))

    said = new(connector, root)

    assert f"{root} is not empty. Name a new folder" in said.error
    assert sorted(root.rglob("*")) == before


def test_a_file_in_place_of_the_folder_is_refused(connector: Connector, issue: Path) -> None:
    assert "is not empty" in new(connector, issue).error
    assert new(connector, issue / "quay").error.endswith("Not a directory.")


def test_an_issue_in_order_is_ready(connector: Connector, issue: Path) -> None:
    said = connector("check", issue)

    assert said == Said(0, f"{issue.name} is ready to publish.\n", "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BROKEN, ":5: There is no picture “bench.png” beside the issue."),
        ("---\ntitle: x\ncolour: red\n---\n\nHello.\n", ":3: “colour” is not a key I know."),
        ("---\ntitle: x\n", "✗ error"),
        ("---\ntitle: [x\n---\n\nHello.\n", "✗ error"),
        ("Hello, without a head.\n", "✗ error"),
        ("---\nsubtitle: x\n---\n\nHello.\n", "title"),
        ("---\ntitle: x\n---\n\n::: nonsense\nx\n:::\n", "nonsense"),
        ("---\ntitle: x\ndate: someday\n---\n\nHello.\n", "✗ error"),
        ("", "✗ error"),
    ],
    ids=["picture", "key", "unclosed", "yaml", "headless", "untitled", "block", "date", "empty"],
)
def test_a_broken_issue_says_what_where_and_the_cure_and_publishes_nothing(
    connector: Connector, db: Database, issue: Path, text: str, what: str
) -> None:
    issue.write_text(text, encoding="utf-8")

    checked = connector("check", issue)
    published = connector("publish", issue, "--yes")

    for said in (checked, published):
        assert said.code == 1
        assert what in said.out
        assert re.search(rf"✗ error  {issue.name}.*\n    \S", said.out), said.out
    assert published.error
    assert ledger.is_empty(db)


@pytest.mark.parametrize("words", [["check"], ["publish", "--yes"], ["test", "--to", "a@b.org"]])
@pytest.mark.parametrize("name", ["gone.md", "", "../connector.toml/x.md"])
def test_a_file_that_is_not_there_is_named(
    connector: Connector, root: Path, words: list[str], name: str
) -> None:
    assert connector(*words, root / "issues" / name).error


def test_a_file_is_found_from_the_publications_folder_too(
    connector: Connector, issue: Path
) -> None:
    assert connector("check", f"issues/{issue.name}").code == 0


def test_publishing_puts_up_the_page_and_sends_everyone_a_letter(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue, "--yes")

    assert (said.code, said.err) == (0, "")
    assert "Letters   3 readers" in said.out
    assert "Published: https://letters.example.org/p/the-bench\n" in said.out
    assert said.out.endswith("3 letters of 3 sent.\n")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


def test_with_nobody_to_ask_it_wants_a_yes(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue)

    assert said.misunderstood == "Error: There is nobody to ask here; say --yes to go on."
    assert ledger.is_empty(db)


def test_only_the_page_means_no_letters(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue, "--web-only", "--yes")

    assert said.code == 0
    assert "Letters   none: the page only" in said.out
    assert ledger.published(db) == ["the-bench"]
    assert ledger.mailings(db) == []


def test_the_letters_can_follow_a_page_that_was_alone(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    connector("publish", issue, "--web-only", "--yes")

    connector("publish", issue, "--yes")

    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)


@pytest.mark.parametrize("when", ["2020-01-01", "2026-01-01 09:00"])
def test_a_time_that_is_past_is_refused(
    connector: Connector, db: Database, issue: Path, when: str
) -> None:
    said = connector("publish", issue, "--at", when, "--yes")

    assert said.error == f"“{when}” is in the past. Leave --at out to publish now."
    assert ledger.is_empty(db)


@pytest.mark.parametrize("when", ["soon", "in 99999999999 days", "9999-12-31 23:59"])
def test_a_time_that_cannot_be_read_is_refused(
    connector: Connector, db: Database, issue: Path, when: str
) -> None:
    said = connector("publish", issue, "--at", when, "--yes")

    assert said.error.startswith(f"I cannot read “{when}” as a time.")
    assert ledger.is_empty(db)


def test_a_scheduled_issue_says_when_and_how_to_call_it_off(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("publish", issue, "--at", "in 2 hours", "--yes")

    assert said.code == 0
    assert re.search(r"  When      \w+, \d\d \w+ \d{4}, \d\d:\d\d \(UTC\)", said.out)
    assert said.out.endswith("To call it off: connector cancel 1\n")
    ((starts_at, frozen_at),) = ledger.rows(db, "SELECT starts_at, frozen_at FROM mailings")
    assert isinstance(starts_at, int)
    assert starts_at > clock.now()
    assert frozen_at is None
    assert ledger.in_the_tray(db) == {}


def test_a_page_alone_can_be_scheduled(connector: Connector, db: Database, issue: Path) -> None:
    said = connector("publish", issue, "--at", "in 1 day", "--web-only", "--yes")

    assert said.out.endswith("/p/the-bench, from then on\n")
    ((at,),) = ledger.rows(db, "SELECT published_at FROM issues")
    assert isinstance(at, int)
    assert at > clock.now() + DAY // 2


def test_scheduling_again_moves_it_and_now_sends_it_now(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    for when in ("in 2 hours", "in 3 hours"):
        connector("publish", issue, "--at", when, "--yes")

    connector("publish", issue, "--yes")

    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)
    open_ones = "SELECT count(*) FROM mailings WHERE cancelled_at IS NULL"
    assert ledger.rows(db, open_ones) == [(1,)]


def test_publishing_twice_renews_the_page_and_sends_nothing_twice(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    connector("publish", issue, "--yes")
    issue.write_text(TEXT.replace("Nobody", "The Trust"), encoding="utf-8")

    said = connector("publish", issue, "--yes")

    assert said.code == 0
    assert said.out.endswith("Its letters went out before; nobody gets it twice.\n")
    assert ledger.in_the_tray(db) == dict.fromkeys(readers, 1)
    assert ledger.mailings(db) == [("the-bench", 3)]
    source = str(ledger.rows(db, "SELECT source FROM issues")[0][0])
    assert "The Trust owns" in source


def test_nobody_on_the_list_is_no_trouble(connector: Connector, db: Database, issue: Path) -> None:
    said = connector("publish", issue, "--yes")

    assert said.code == 0
    assert "Letters   0 readers" in said.out
    assert ledger.mailings(db) == [("the-bench", 0)]


def test_those_whose_mail_bounced_are_left_out_and_counted(
    connector: Connector, db: Database, people: object, issue: Path
) -> None:
    said = connector("publish", issue, "--yes")

    assert "Letters   2 readers, 1 of them members" in said.out
    assert "1 left out: their mail bounced or they complained.\n" in said.out
    assert ledger.in_the_tray(db) == {"ada@example.org": 1, "bea@example.org": 1}


def test_a_test_letter_goes_only_where_it_is_asked_to(
    connector: Connector, db: Database, issue: Path, readers: tuple[str, ...]
) -> None:
    said = connector("test", issue, "--to", "me@example.org", "--to", "you@example.org")

    assert said.out.count("1 letter of 1 sent.") == 2
    assert ledger.in_the_tray(db) == {"me@example.org": 1, "you@example.org": 1}
    assert ledger.published(db) == []
    assert ledger.mailings(db) == []


def test_a_test_letter_comes_as_members_get_it_when_asked(
    connector: Connector, db: Database, issue: Path
) -> None:
    issue.write_text(f"{TEXT}\n::: thanks\nThank you, members.\n:::\n", encoding="utf-8")
    thanked = "SELECT count(*) FROM letters WHERE text LIKE '%Thank you, members%'"

    connector("test", issue, "--to", "me@example.org")
    assert ledger.rows(db, thanked) == [(0,)]
    connector("test", issue, "--to", "me@example.org", "--as-member")
    assert ledger.rows(db, thanked) == [(1,)]


@pytest.mark.parametrize("bad", ["me", "me@", "a@b@example.org", "me@exa mple.org"])
def test_a_bad_address_is_named_and_nobody_is_written_to(
    connector: Connector, db: Database, issue: Path, bad: str
) -> None:
    said = connector("test", issue, "--to", "you@example.org", "--to", bad)

    assert "is not an email address" in said.error
    assert ledger.is_empty(db)


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{{ publication.titel }}", "templates: .*has no attribute 'titel'"),
        ("\n{% if %}", r"templates/mail/issue/body\.txt:2: "),
        ("{% include 'nowhere.txt' %}", r"templates: 'nowhere\.txt' not found"),
    ],
    ids=["name", "syntax", "include"],
)
def test_a_template_of_ones_own_that_is_broken_is_named(
    connector: Connector, db: Database, issue: Path, template: str, what: str
) -> None:
    folder = issue.parent.parent / "templates" / "mail" / "issue"
    folder.mkdir(parents=True)
    (folder / "body.txt").write_text(template, encoding="utf-8")

    for words in (["check", issue], ["publish", issue, "--yes"]):
        assert re.search(what, connector(*words).error)
    assert ledger.is_empty(db)
