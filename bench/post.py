"""A publication that is only there to be measured: its settings, its letter, its queue.

Everybody in it is invented; the letters are personal as an issue's are.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.frame import Run, begin, child, result, timed
from connector import database as databases
from connector import settings
from connector.clock import now as clock_now
from connector.database import Database
from connector.delivery import dkim, mailings
from connector.delivery.letter import Letter
from connector.delivery.mime import Template
from connector.settings import Settings

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
lease = {lease}
"""
# Where the name of a publication’s database is kept, if it is not a file beside its settings.
DATABASE = "database.txt"
SIGNED = """
[dkim]
selector = "bench"
"""
PEOPLE = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
    SELECT i AS recipient, 'reader' || i || '@example.org' AS address,
           'reader' || i || '@example.org' AS address_key, 'Reader ' || i AS name,
           'everyone' AS audience
      FROM n
"""
LINE = "A line of an essay about benches, ballots and boats, as long as they are.\n"
# Header, boundaries, greeting and links of a letter, beside its lines.
AROUND = 1_500


@contextmanager
def publication(
    port: int,
    *,
    connections: int,
    is_signed: bool = False,
    database: str = "",
    lease: int = 60,
) -> Iterator[Path]:
    """A publication in a folder of its own whose relay is on this machine, at `port`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if database:
            (folder / DATABASE).write_text(database, encoding="utf-8")
        text = TOML.format(port=port, connections=connections, lease=lease)
        (folder / "connector.toml").write_text(
            text + (SIGNED if is_signed else ""), encoding="utf-8"
        )
        if is_signed:
            (folder / "dkim.pem").write_bytes(dkim.new_key("rsa"))
            (folder / "dkim.pem").chmod(0o600)
        yield folder


def essay(kilobytes: int) -> Letter:
    """A letter that is about so long when it leaves, half of it text and half html."""
    wire = len(LINE) + 1
    body = LINE * max(1, round((kilobytes * 1000 - AROUND) / wire / 2))
    return Letter(
        subject="The bench nobody owned",
        sender="bench@letters.example.org",
        sender_name="Bench",
        reply_to="",
        text=f"Dear [[name]],\n\n{body}\n[[unsubscribe]]\n",
        html=f"<p>Dear [[name]],</p><p>{body}</p><a href='[[unsubscribe]]'>Unsubscribe</a>",
    )


def queue(folder: Path, *, letters: int, kilobytes: int) -> None:
    """Freeze a mailing of so many letters in a publication's database."""
    db = opened(folder)
    queue_in(db, letters=letters, kilobytes=kilobytes)
    db.close()


def queue_in(db: Database, *, letters: int, kilobytes: int) -> int:
    """Freeze a mailing of so many letters; its id."""
    now = clock_now()
    with db.write(durable=True) as tx:
        mailing = mailings.announce(
            tx,
            {"everyone": essay(kilobytes)},
            about="bench",
            once="issue:bench",
            starts_at=now,
            now=now,
        )
        assert mailing is not None
        mailings.freeze(tx, mailing, audience=PEOPLE, values={"count": letters}, now=now)
    return mailing


def here(folder: Path) -> Settings:
    """The settings of a publication, wherever its database is."""
    file = folder / DATABASE
    url = file.read_text(encoding="utf-8") if file.exists() else ""
    return settings.load(folder, {"CONNECTOR_DATABASE": url} if url else {})


def opened(folder: Path) -> Database:
    return databases.open(here(folder).database)


def sent(folder: Path) -> tuple[int, int]:
    """How many letters the ledger says are sent, and when the last of them was written down."""
    db = opened(folder)
    with db.read() as connection:
        letters = connection.value("SELECT count(*) FROM deliveries WHERE state = 'sent'")
        last = connection.value("SELECT max(settled_at) FROM deliveries WHERE state = 'sent'")
    db.close()
    return letters, last or 0


def send(folder: Path, *, letters: int, senders: int = 1) -> Run:
    """Let `senders` processes send what is queued in a publication.

    From the moment they are told to begin until the last letter is durably written down as sent.
    """
    with ExitStack() as stack:
        those = [stack.enter_context(child("sender", folder)) for _ in range(senders)]
        begin(*those)
        found = [result(one) for one in those]
    many, last = sent(folder)
    assert many == letters, f"{many} of {letters} letters were sent"
    return Run(
        letters=many,
        seconds=(last - min(one["began"] for one in found)) / 1000,
        processor=sum(one["processor"] for one in found),
        megabytes=max(one["megabytes"] for one in found),
        start_up=max(one["start_up"] for one in found),
    )


def ours(
    port: int,
    *,
    letters: int,
    kilobytes: int,
    connections: int,
    is_signed: bool = False,
    senders: int = 1,
    database: str = "",
) -> Run:
    """Queue a mailing in a new publication and send it: personal, with a durable ledger."""
    with publication(
        port, connections=connections, is_signed=is_signed, database=database
    ) as folder:
        queue(folder, letters=letters, kilobytes=kilobytes)
        return send(folder, letters=letters, senders=senders)


def message(kilobytes: int) -> bytes:
    """What one reader gets of such a mailing."""
    with publication(25, connections=1) as folder:
        template = Template(
            essay(kilobytes), here(folder), mailing=1, kind="issue", date=clock_now()
        )
        return template.message(
            delivery=1, recipient=1, address="reader1@example.org", name="Reader 1"
        )


def source(port: int, *, letters: int, kilobytes: int, connections: int) -> Run:
    """The same letter to as many people through `smtp-source -d`, on connections that are kept.

    To different people (-N): its manual says that one address over and over tells little of
    Postfix, whose caches of addresses would always be right.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(message(kilobytes).replace(b"\r\n", b"\n"))
        file.flush()
        return timed(
            [
                *("smtp-source", "-d", "-s", str(connections), "-m", str(letters), "-F", file.name),
                *("-N", "-t", "reader@example.org", f"127.0.0.1:{port}"),
            ],
            letters=letters,
        )


def plain(port: int, *, letters: int, kilobytes: int, connections: int) -> Run:
    """The same letter to as many people through aiosmtplib's own `sendmail`."""
    words = ("--letters", letters, "--kilobytes", kilobytes, "--connections", connections)
    with child("plain", port, *words) as process:
        begin(process)
        found = result(process)
    return Run(letters, found["seconds"], found["processor"], found["megabytes"], found["start_up"])
