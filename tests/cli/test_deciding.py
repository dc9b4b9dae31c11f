"""Second chances from the command line."""

from pathlib import Path

import pytest

from connector import clock
from connector.database import Database
from connector.delivery import ledger as post_office
from connector.delivery import mailings
from connector.delivery.outcome import Outcome
from connector.readers import signup
from connector.settings import Settings
from tests.cli import ledger
from tests.cli.conftest import Connector
from tests.cli.terminal import Terminal
from tests.delivery import post

POLICY = Outcome("refused", "550 5.7.26 DMARC", 550, "5.7.26", "content")
UNCERTAIN = Outcome("uncertain", "connection lost after the dot")


@pytest.fixture
def mailed(connector: Connector, issue: Path, readers: tuple[str, ...]) -> int:
    """An issue that three readers have in the Tray."""
    assert connector("publish", issue, "--yes").code == 0
    return 1


def unsettle(db: Database, outcome: Outcome, *addresses: str) -> None:
    """Let it be that these letters had another outcome."""
    with db.write() as tx:
        for address in addresses:
            tx.run(
                "UPDATE deliveries SET state = :state, reply = :reply WHERE address_key = :key",
                state=outcome.kind,
                reply=outcome.reply,
                key=address,
            )


def states(db: Database) -> dict[object, object]:
    found = ledger.rows(db, "SELECT address, state FROM deliveries")
    return {row[0]: row[1] for row in found}


def test_refused_letters_are_sent_again_after_a_cure(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, POLICY, "ada@example.org", "bea@example.org")

    said = connector("resend", "1", "--refused", "--yes")

    assert said.out == "2 letters go once more.\n3 letters of 3 sent.\n"
    assert set(states(db).values()) == {"sent"}
    assert ledger.in_the_tray(db)["ada@example.org"] == 2


def test_one_letter_is_sent_again_by_address(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, POLICY, "ada@example.org", "bea@example.org")

    said = connector("resend", "1", "--to", "Ada@Example.org", "--yes")

    assert said.out.startswith("1 letter goes once more.\n2 letters of 3 sent.\n")
    assert connector("resend", "1", "--to", "cas@example.org", "--yes").error == (
        "The letter to cas@example.org is sent, not refused."
    )


def test_those_who_cannot_be_written_to_are_counted(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, POLICY, "ada@example.org", "bea@example.org")
    with db.write() as tx:
        mailings.suppress(tx, "ada@example.org", why="bounced", detail="", now=clock.now())

    said = connector("resend", "1", "--refused", "--yes")

    assert "1 left refused: those people have left, or paused, or their mail comes back.\n" in (
        said.out
    )
    assert states(db)["ada@example.org"] == "refused"


def test_newcomers_get_the_issue_and_the_next_time_there_is_nobody(
    connector: Connector, db: Database, configured: Settings, mailed: int
) -> None:
    signup.add(db, configured, email="eva@example.org", now=clock.now())

    said = connector("resend", "1", "--joined-since", "--yes")

    assert said.out == "They are written to as mailing 2.\n1 letter of 1 sent.\n"
    assert ledger.in_the_tray(db)["eva@example.org"] == 1
    assert connector("resend", "1", "--joined-since", "--yes").error == (
        "Nobody has joined since who does not have it."
    )
    assert "the-bench, joined 1" in connector("status").out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "Say to whom"),
        (["--refused", "--joined-since"], "goes alone"),
        (["--joined-since", "--to", "ada@example.org"], "goes alone"),
    ],
)
def test_it_must_be_said_to_whom(
    connector: Connector, db: Database, words: list[str], what: str
) -> None:
    assert what in connector("resend", "1", *words).misunderstood


def test_nothing_is_resent_without_a_yes(
    connector: Connector, root: Path, db: Database, mailed: int
) -> None:
    unsettle(db, POLICY, "ada@example.org")

    assert "say --yes" in connector("resend", "1", "--refused").misunderstood
    with Terminal(root, "resend", "1", "--refused") as person:
        person.wait_for("Send 1 letter again? [y/N]")
        person.type("n\n")
        assert person.end() == 130
    assert states(db)["ada@example.org"] == "refused"


def test_a_paused_mailing_says_how_it_goes_on(connector: Connector, db: Database) -> None:
    mailing = post.mail(db, 2, now=clock.now())
    lease = post.take(db, now=clock.now())
    first, _ = post_office.due(db, lease, now=clock.now())
    post.hand_over(db, lease, [first], now=clock.now())
    post.settle(db, lease, [first], POLICY, now=clock.now())
    post_office.release(db, lease, worker="anna", now=clock.now())
    connector("pause", str(mailing))
    with db.write() as tx:
        tx.run(
            """
            INSERT INTO subscribers (email, email_key, state, source, created_at)
            VALUES ('reader1@example.org', 'reader1@example.org', 'active', 'command', 1)
            """
        )

    said = connector("resend", str(mailing), "--refused", "--yes")

    assert said.out.endswith("The mailing is paused. Let it go on with: connector resume 1\n")


# In doubt


def test_doubts_are_shown_with_all_that_is_known(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, UNCERTAIN, "ada@example.org")

    said = connector("uncertain", "1").out

    address, since, reply, identity, *advice = said.splitlines()
    assert address == "ada@example.org"
    assert since.startswith("  In doubt since 20")
    assert since.endswith(", after 1 try.")
    assert reply == "  connection lost after the dot"
    assert identity.startswith("  Message-ID: <1.")
    assert "connector uncertain 1 --resend" in "\n".join(advice)
    assert states(db)["ada@example.org"] == "uncertain"


def test_the_message_id_is_the_one_that_was_sent(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, UNCERTAIN, "ada@example.org")

    shown = connector("uncertain", "1").out.partition("Message-ID: ")[2].splitlines()[0]

    import zlib

    ((raw,),) = ledger.rows(db, "SELECT raw FROM tray WHERE recipient_key = 'ada@example.org'")
    assert isinstance(raw, bytes)
    assert f"Message-ID: {shown}\r\n".encode() in zlib.decompress(raw)


def test_doubts_are_sent_again_by_the_authors_word(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, UNCERTAIN, "ada@example.org", "bea@example.org")

    said = connector("uncertain", "1", "--resend", "--to", "ada@example.org", "--yes")

    assert "1 letter goes once more." in said.out
    assert states(db)["ada@example.org"] == "sent"
    assert states(db)["bea@example.org"] == "uncertain"
    assert ledger.in_the_tray(db)["ada@example.org"] == 2


def test_a_person_is_told_that_somebody_may_get_it_twice(
    root: Path, connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, UNCERTAIN, "ada@example.org")

    with Terminal(root, "uncertain", "1", "--resend") as person:
        person.wait_for("Send 1 letter again? Who has it already gets it twice. [y/N]")
        person.type("n\n")
        assert person.end() == 130
    assert states(db)["ada@example.org"] == "uncertain"


@pytest.mark.parametrize(
    ("option", "ending"),
    [
        ("--leave", ("1 letter left as it is.", "uncertain")),
        ("--sent", ("1 letter counted as sent, by your word.", "sent")),
    ],
)
def test_doubts_are_settled(
    connector: Connector, db: Database, mailed: int, option: str, ending: tuple[str, str]
) -> None:
    words, state = ending
    unsettle(db, UNCERTAIN, "ada@example.org")
    assert "Settle them with: connector uncertain 1" in connector("status").out

    said = connector("uncertain", "1", option, "--yes")

    assert said.out.endswith(f"{words}\n")
    assert states(db)["ada@example.org"] == state
    assert "Settle them" not in connector("status").out
    assert connector("uncertain", "1", option, "--yes").error == (
        "No letter of mailing 1 is uncertain."
        if state == "sent"
        else "Nothing is left to decide about the uncertain letters of mailing 1."
    )


def test_no_more_doubts_are_shown_than_a_person_reads(connector: Connector, db: Database) -> None:
    mailing = post.mail(db, 130, now=clock.now())
    lease = post.take(db, now=clock.now())
    letters = post_office.due(db, lease, now=clock.now())
    post.hand_over(db, lease, letters, now=clock.now())
    post.settle(db, lease, letters, UNCERTAIN, now=clock.now())

    said = connector("uncertain", str(mailing)).out

    assert said.count("Message-ID: ") == 100
    assert "… and 30 more. Look at one with --to ADDRESS.\n" in said
    assert connector("uncertain", "1", "--to", "reader130@example.org").out.count("In doubt") == 1


def test_a_letter_in_doubt_is_not_resent_as_refused(
    connector: Connector, db: Database, mailed: int
) -> None:
    unsettle(db, UNCERTAIN, "ada@example.org")

    assert connector("resend", "1", "--to", "ada@example.org", "--yes").error == (
        "The letter to ada@example.org is uncertain, not refused. "
        "Decide about it with: connector uncertain 1"
    )


def test_nothing_in_doubt_is_said_so(connector: Connector, db: Database, mailed: int) -> None:
    assert connector("uncertain", "1").out == "No letter of mailing 1 is uncertain.\n"
    assert "There is no mailing 7" in connector("uncertain", "7").error


# Corrections


def test_a_correction_is_mailed_to_those_who_got_the_issue(
    connector: Connector, db: Database, issue: Path, configured: Settings, mailed: int
) -> None:
    signup.add(db, configured, email="eva@example.org", now=clock.now())
    issue.write_text(issue.read_text() + "\nThe council does.\n")

    said = connector("publish", issue, "--correction", "--yes")

    assert "“Correction: The bench”" in said.out
    assert "3 readers with the letter as it was" in said.out
    assert said.out.endswith("3 letters of 3 sent.\n")
    assert ledger.in_the_tray(db)["ada@example.org"] == 2
    assert "eva@example.org" not in ledger.in_the_tray(db)
    assert "Nothing has changed" in connector("publish", issue, "--correction", "--yes").error


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--correction", "--web-only"], "leaves at once"),
        (["--correction", "--at", "09:00"], "leaves at once"),
        (["--subject", "Hello"], "is for a --correction"),
    ],
)
def test_what_a_correction_cannot_be(
    connector: Connector, issue: Path, words: list[str], what: str
) -> None:
    assert what in connector("publish", issue, *words).misunderstood
