"""Freezing an audience of a million against a bare INSERT … SELECT of as many equal rows.

Both fill a `deliveries` table with the same columns and indexes, in a fresh process each.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import machine
from connector import database, settings
from connector.database import Database, Transaction
from connector.delivery import mailings
from connector.delivery.letter import Letter
from connector.membership.store import AUDIENCE

TOML = """
[publication]
title = "Bench"
author = "Bench"
email = "bench@letters.example.org"
url = "https://letters.example.org"
"""
NOW = 1_790_000_000_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--child", nargs=2)
    chosen = arguments.parse_args()
    if chosen.child:
        print(json.dumps(_measure(chosen.child[0], Path(chosen.child[1]))))
        return
    figures: dict[str, list[dict[str, float]]] = {"bare": [], "freeze": []}
    for _ in range(chosen.rounds):
        for way, found in figures.items():
            with tempfile.TemporaryDirectory() as folder:
                _prepare(Path(folder), chosen.rows)
                found.append(_child(way, folder))
    bare = statistics.median(one["seconds"] for one in figures["bare"])
    ours = statistics.median(one["seconds"] for one in figures["freeze"])
    memory = max(one["megabytes"] for one in figures["freeze"])
    print(machine())
    print(f"bare INSERT … SELECT of {chosen.rows:,} rows  {bare:.2f} s")
    print(f"freeze of {chosen.rows:,} people              {ours:.2f} s, {memory:.0f} MB at most")
    print(f"ratio {ours / bare:.2f} (bar: 3), median of {chosen.rounds} rounds")


def _child(way: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.freeze", "--child", way, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _open(folder: Path) -> Database:
    (folder / "connector.toml").write_text(TOML, encoding="utf-8")
    return database.open(settings.load(folder, {"CONNECTOR_SECRET": "x" * 48}).database)


def _prepare(folder: Path, rows: int) -> None:
    db = _open(folder)
    with db.write() as tx:
        tx.many(
            """
            INSERT INTO subscribers (email, email_key, name, state, source, created_at, confirmed_at)
            VALUES (:email, :email, :name, 'active', 'import', :now, :now)
            """,
            (
                {"email": f"reader{n}@example.org", "name": f"Reader {n}", "now": NOW}
                for n in range(rows)
            ),
        )
        tx.run(
            """
            INSERT INTO memberships (subscriber_id, tier, kind, started_at)
            SELECT id, 'member', 'complimentary', :now FROM subscribers WHERE id % 20 = 0
            """,
            now=NOW,
        )
        letter = Letter("Bench", "bench@example.org", "Bench", "", "text", "<p>html</p>")
        mailings.announce(
            tx,
            {"everyone": letter, "member": letter},
            about="bench",
            once="issue:bench",
            starts_at=NOW,
            now=NOW,
        )
    db.close()


def _bare(tx: Transaction) -> None:
    tx.run(
        """
        INSERT INTO deliveries
               (mailing_id, letter_id, recipient, address, address_key, name, state, due_at)
        SELECT 1, 1, id, email, email_key, name, 'queued', :now FROM subscribers
        """,
        now=NOW,
    )


def _measure(way: str, folder: Path) -> dict[str, float]:
    db = _open(folder)
    began = time.perf_counter()
    if way == "bare":
        with db.write(durable=True) as tx:
            _bare(tx)
    else:
        with db.write(durable=True) as tx:
            mailings.freeze(tx, 1, audience=AUDIENCE, values={"now": NOW}, now=NOW)
    seconds = time.perf_counter() - began
    db.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "megabytes": peak / (1e6 if sys.platform == "darwin" else 1e3)}


if __name__ == "__main__":
    main()
