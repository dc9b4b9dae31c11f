"""What holds after every fault, whatever it was: nobody is missing, nobody gets two by themselves."""

import re
from collections import Counter, defaultdict

from connector.database import Database
from tests.fakes.smtp import FakeRelay, Received

VERP = re.compile(r"\+(\d+)\.")
MESSAGE_ID = re.compile(rb"^Message-ID: (<[^>\r\n]+>)\r$", re.MULTILINE)

# Every mailing's people as they were fixed, next to what the ledger has of them.
MAILINGS = """
    SELECT mailings.id, mailings.size, count(deliveries.id), count(DISTINCT deliveries.address)
      FROM mailings LEFT JOIN deliveries ON deliveries.mailing_id = mailings.id
     GROUP BY mailings.id, mailings.size
"""
LETTERS = "SELECT id, address, state FROM deliveries"
# The author may have a letter sent once more, knowing that it may be a second one.
RISKED = """
    SELECT delivery_id FROM decisions WHERE what = 'resend' AND was = 'uncertain'
"""
# A letter that is not settled must be found by whoever looks for work, sooner or later.
FORGOTTEN = """
    SELECT address FROM deliveries
     WHERE state IN ('queued', 'sending')
       AND NOT EXISTS (SELECT 1 FROM leases JOIN mailings ON mailings.id = leases.mailing_id
                        WHERE leases.mailing_id = deliveries.mailing_id
                          AND deliveries.id BETWEEN leases.first_delivery AND leases.last_delivery
                          AND (leases.due_at IS NOT NULL OR mailings.cancelled_at IS NOT NULL))
"""


def check_the_promise(db: Database, *sinks: FakeRelay) -> None:
    """Compare the ledger with what its relays really got.

    Every row is one person of the audience and no person is without one; what is `sent` was
    accepted exactly once, what is `uncertain` once at most, anything else never; only a letter
    the author risked while it was `uncertain` may be there once more. Every attempt at a letter
    has the same Message-ID, and no other letter has it.
    """
    with db.read() as connection:
        mailings = connection.rows(MAILINGS)
        letters = connection.rows(LETTERS)
        risked = Counter(row[0] for row in connection.rows(RISKED))
        forgotten = connection.rows(FORGOTTEN)
    accepted = Counter(_of(letter) for sink in sinks for letter in sink.received)

    for mailing, size, rows, people in mailings:
        assert size == rows == people, f"mailing {mailing} is to {size} people and has {rows} rows"
    assert forgotten == [], "nobody would ever look for these letters again"
    for delivery, address, state in letters:
        copies = accepted.pop((delivery, address), 0)
        fewest = 1 if state == "sent" else 0
        most = risked[delivery] + (1 if state in ("sent", "uncertain") else 0)
        assert fewest <= copies <= most, f"{address} is {state} and was accepted {copies} times"
    assert not accepted, f"the relay has letters that the ledger does not know: {accepted}"
    _check_message_ids(sinks)


def _check_message_ids(sinks: tuple[FakeRelay, ...]) -> None:
    given: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    for sink in sinks:
        for letter in sink.attempted:
            given[_of(letter)].add(message_id(letter))
    assert all(len(ids) == 1 for ids in given.values()), "an attempt had another Message-ID"
    assert len(set[bytes]().union(*given.values())) == len(given), "two letters share a Message-ID"


def message_id(letter: Received) -> bytes:
    (found,) = MESSAGE_ID.findall(letter.wire)
    return bytes(found)


def _of(letter: Received) -> tuple[int, str]:
    """The delivery that the envelope names, and whom it went to."""
    found = VERP.search(letter.sender)
    assert found, f"{letter.sender} names no delivery"
    return int(found[1]), letter.recipient
