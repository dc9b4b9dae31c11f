"""Letters a second to Postfix's smtp-sink: our sender with its ledger, next to smtp-source.

Needs Debian's `postfix` package for its two test programs; nothing of Postfix is started.
"""

import argparse
import asyncio
import json
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import machine
from connector import database, settings
from connector.clock import now as clock_now
from connector.delivery import mailings, store, worker
from connector.delivery.letter import Letter

TOML = """
[publication]
title = "Bench"
author = "Bench"
email = "bench@letters.example.org"
url = "https://letters.example.org"

[mail]
host = "127.0.0.1"
port = {port}
security = "none"
connections = {connections}
"""
PEOPLE = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
    SELECT i AS recipient, 'reader' || i || '@example.org' AS address,
           'reader' || i || '@example.org' AS address_key, 'Reader ' || i AS name,
           'everyone' AS audience
      FROM n
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=5000)
    arguments.add_argument("--kilobytes", type=int, default=40)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--child", nargs=2)
    chosen = arguments.parse_args()
    if chosen.child:
        print(json.dumps(_send(Path(chosen.child[0]), kilobytes=int(chosen.child[1]))))
        return
    if not (shutil.which("smtp-sink") and shutil.which("smtp-source")):
        sys.exit("bench.send needs smtp-sink and smtp-source, from Debian's postfix package.")
    found: dict[str, list[dict[str, float]]] = {"smtp-source": [], "connector": []}
    with _sink() as port:
        for _ in range(chosen.rounds):
            found["smtp-source"].append(_source(port, chosen))
            found["connector"].append(_ours(port, chosen))
    print(machine())
    print(
        f"{chosen.letters:,} letters of {chosen.kilobytes} KB over {chosen.connections} "
        f"connections to smtp-sink, median of {chosen.rounds} rounds"
    )
    rate = {way: statistics.median(one["rate"] for one in runs) for way, runs in found.items()}
    for way, runs in found.items():
        cpu = statistics.median(one["cpu_us"] for one in runs)
        print(f"{way:12} {rate[way]:8,.0f} letters/s  {cpu:7.1f} us of CPU a letter")
    print(f"memory       {max(one['megabytes'] for one in found['connector']):8,.0f} MB at most")
    print(f"ratio {rate['connector'] / rate['smtp-source']:.2f} of smtp-source -d")


@contextmanager
def _sink() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    # smtp-sink drops root's rights only when told whose to take.
    command = ["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "1024"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sink:
        try:
            _wait(port)
            yield port
        finally:
            sink.terminate()


def _wait(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("smtp-sink did not start.")


def _source(port: int, chosen: argparse.Namespace) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [
            *("smtp-source", "-d", "-s", str(chosen.connections), "-m", str(chosen.letters)),
            *("-l", str(chosen.kilobytes * 1000), f"127.0.0.1:{port}"),
        ],
        check=True,
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rate": chosen.letters / seconds, "cpu_us": cpu / chosen.letters * 1e6}


def _ours(port: int, chosen: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        text = TOML.format(port=port, connections=chosen.connections)
        (Path(folder) / "connector.toml").write_text(text, encoding="utf-8")
        _queue(Path(folder), letters=chosen.letters, kilobytes=chosen.kilobytes)
        command = [sys.executable, "-m", "bench.send", "--child", folder, str(chosen.kilobytes)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _queue(folder: Path, *, letters: int, kilobytes: int) -> None:
    line = "A line of an essay about benches, ballots and boats, as long as they are.\n"
    # Half of a letter is its text and half its html, as an issue's is about.
    body = line * (kilobytes * 1000 // len(line) // 2)
    letter = Letter(
        subject="The bench nobody owned",
        sender="bench@letters.example.org",
        sender_name="Bench",
        reply_to="",
        text=f"Dear [[name]],\n\n{body}\n[[unsubscribe]]\n",
        html=f"<p>Dear [[name]],</p><p>{body}</p><a href='[[unsubscribe]]'>Unsubscribe</a>",
    )
    db = database.open(settings.load(folder, {}).database)
    now = clock_now()
    with db.write(durable=True) as tx:
        mailing = mailings.announce(
            tx, {"everyone": letter}, about="bench", once="issue:bench", starts_at=now, now=now
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=PEOPLE, values={"count": letters}, now=now)
    db.close()


def _send(folder: Path, *, kilobytes: int) -> dict[str, float]:
    del kilobytes
    here = settings.load(folder, {})
    db = database.open(here.database)

    async def run() -> None:
        await worker.run(db, here, stop=asyncio.Event(), until_done=True)

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = clock_now()
    _run(run())
    after = resource.getrusage(resource.RUSAGE_SELF)
    with db.read() as connection:
        found = store.issue_mailings(connection, limit=1)[0]
        sent = store.counts(connection, found).get("sent", 0)
    db.close()
    assert found.finished_at is not None
    assert sent == found.size
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rate": sent / (found.finished_at - began) * 1000,
        "cpu_us": cpu / sent * 1e6,
        "megabytes": after.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
    }


def _run(main: Coroutine[None, None, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


if __name__ == "__main__":
    main()
