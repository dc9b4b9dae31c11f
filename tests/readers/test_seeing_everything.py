"""What we hold about somebody is theirs to see, all of it."""

import json

from connector.database import Database
from connector.readers import preferences
from tests.conftest import People
from tests.readers.conftest import Visitor


def test_a_member_sees_everything(db: Database, people: People, visitor: Visitor) -> None:
    visitor.ask("bea@example.org")

    held = preferences.export(db, people.bea.id)

    assert held == {
        "subscriber": {
            "email": "bea@example.org",
            "name": "Bea",
            "state": "active",
            "source": "command",
            "created_at": "2026-09-21T14:13:20Z",
            "confirmed_at": "2026-09-21T14:13:20Z",
            "unsubscribed_at": None,
            "paused_until": None,
        },
        "former_addresses": [],
        "signed_in": [],
        "consents": [
            {
                "what": "added",
                "how": "command",
                "page": "",
                "client": "",
                "at": "2026-09-21T14:13:20Z",
            }
        ],
        "confirmations_asked_for": ["2026-09-21T14:13:20Z"],
        "memberships": [
            {
                "tier": "member",
                "kind": "complimentary",
                "started_at": "2026-09-21T14:13:20Z",
                "ends_at": None,
            }
        ],
        "letters": [
            {
                "about": "already",
                "subject": "You are already on the list: The Commons Desk",
                "state": "queued",
                "attempts": 0,
                "settled_at": None,
                "reply": "",
            }
        ],
        "decisions": [],
        "returned": [],
        "suppression": None,
    }
    assert json.loads(json.dumps(held)) == held


def test_why_we_do_not_write_is_told_too(db: Database, people: People) -> None:
    held = preferences.export(db, people.dan.id)

    assert held["suppression"] == {
        "why": "bounced",
        "detail": "550 5.1.1",
        "at": "2026-09-21T14:13:20Z",
    }
    assert held["memberships"] == []
