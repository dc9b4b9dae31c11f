"""Second chances: what the author decides about refused and uncertain letters.

Every move names the state it moves from and leaves a decision behind; none of them happens
by itself, and nobody who left or cannot be reached is written to again.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from connector.database import Connection, Transaction
from connector.delivery import store
from connector.delivery.decision import Again, Doubt
from connector.delivery.letter import Letter
from connector.delivery.mailing import EXPIRES, Kind, Mailing
from connector.delivery.mailings import state_of
from connector.delivery.mime import Template
from connector.errors import NotFound, Refused
from connector.settings import Settings

MESSAGE_ID = re.compile(rb"^Message-ID: (<[^>\r\n]+>)", re.MULTILINE)

GONE = "they have left, or paused, or their mail comes back."

Reopened = Literal["refused", "uncertain"]


def resend(
    tx: Transaction,
    mailing: int,
    *,
    was: Reopened,
    audience: str,
    values: Mapping[str, Any],
    key: str = "",
    now: int,
) -> Again:
    """Queue the letters in the state `was` once more, those to one address with `key`.

    Only to people who are in the `audience` SELECT now and not suppressed. The deliveries stay
    the same, and so do their Message-IDs. Doubts that were left stay left, unless asked for by
    address. Raises NotFound, or Refused when nothing moves.
    """
    found = _find(tx, mailing)
    if not store.reopen_mailing(tx, mailing, expires_at=now + EXPIRES[found.kind]):
        raise Refused(
            f"Letters of mailing {mailing} cannot be sent again: it is {state_of(found)}."
        )
    wanted = store.count_in_trouble(tx, mailing, was=was, key=key)
    queued = store.requeue(tx, mailing, was=was, audience=audience, values=values, key=key, now=now)
    if not queued:
        raise _nothing(tx, mailing, was, key, wanted=wanted)
    store.open_leases(tx, mailing, now=now)
    return Again(queued=queued, left_out=wanted - queued)


def leave(tx: Transaction, mailing: int, *, key: str = "", now: int) -> int:
    """Let uncertain letters be: they count as dealt with and stay uncertain; how many."""
    _find(tx, mailing)
    left = store.leave(tx, mailing, key=key, now=now)
    if not left:
        raise _nothing(tx, mailing, "uncertain", key, wanted=0)
    return left


def take_as_sent(tx: Transaction, mailing: int, *, key: str = "", now: int) -> int:
    """Believe the author, who asked the relay: uncertain letters have arrived; how many."""
    _find(tx, mailing)
    sent = store.take_as_sent(tx, mailing, key=key, now=now)
    if not sent:
        raise _nothing(tx, mailing, "uncertain", key, wanted=0)
    return sent


def doubts(connection: Connection, mailing: int) -> list[Doubt]:
    """What is known of each uncertain letter of a mailing, those that were left too."""
    _find(connection, mailing)
    return store.doubts(connection, mailing)


def message_id(settings: Settings, *, sender: str, mailing: int, kind: Kind, delivery: int) -> str:
    """The Message-ID of every attempt at a delivery, to look for in the relay’s log."""
    empty = Letter(subject="", sender=sender, sender_name="", reply_to="", text="", html="")
    template = Template(empty, settings, mailing=mailing, kind=kind, date=0)
    message = template.message(delivery=delivery, recipient=None, address=sender, name="")
    found = MESSAGE_ID.search(message)
    return found[1].decode() if found else ""


def _nothing(tx: Transaction, mailing: int, was: Reopened, key: str, *, wanted: int) -> Refused:
    return Refused(
        _why_not_to(tx, mailing, was, key, wanted=wanted)
        if key
        else _why_nobody(tx, mailing, was, wanted=wanted)
    )


def _why_nobody(tx: Transaction, mailing: int, was: Reopened, *, wanted: int) -> str:
    if wanted:
        return f"Nobody of these {wanted:,} may be written to now: {GONE}"
    if store.is_any(tx, mailing, state=was):
        return f"Nothing is left to decide about the {was} letters of mailing {mailing}."
    return f"No letter of mailing {mailing} is {was}."


def _why_not_to(tx: Transaction, mailing: int, was: Reopened, key: str, *, wanted: int) -> str:
    state = store.state_to(tx, mailing, key)
    if state is None:
        return f"Mailing {mailing} has no letter to {key}."
    if state != was:
        cure = f" Decide about it with: connector uncertain {mailing}"
        return f"The letter to {key} is {state}, not {was}.{cure if state == 'uncertain' else ''}"
    if wanted:
        return f"{key} may not be written to now: {GONE}"
    return f"The letter to {key} was left as it is before."


def _find(connection: Connection, mailing: int) -> Mailing:
    found = store.mailing(connection, mailing)
    if found is None:
        raise NotFound(f"There is no mailing {mailing}. See them with: connector status")
    if found.kind != "issue":
        raise Refused(f"Mailing {mailing} is a notice to one person, and belongs to its moment.")
    return found
