"""What only a server can do to us: turn us away, stand still, vanish; and what only we do to it."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from connector import database
from connector.database import Database, postgres
from connector.database.postgres import Postgres, translated
from connector.errors import ConnectorError, DatabaseUnavailable, Misconfigured, Refused
from tests import clusters
from tests.clusters import Server
from tests.database import files
from tests.database.test_reading_and_writing import apart, kept, put

SECRET = "opensesame"
# As for a server that takes a writer in the middle of a pipeline for one that works.
WITHOUT_ITS_TIMEOUT = postgres.BEGIN_WRITE.replace("{stalled}", "0")


@pytest.fixture(scope="module")
def server() -> Server:
    return clusters.running()


@pytest.fixture
def url() -> Iterator[str]:
    with clusters.database() as found:
        yield found


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    with contextlib.closing(database.open(url)) as opened:
        yield opened


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server that a test may stop, with a database of ours in it."""
    clusters.running()
    with clusters.own(autovacuum="on") as server:
        server.tell("CREATE DATABASE letters")
        yield server


def trouble(url: str) -> str:
    """What is said when a database cannot be opened: one line, and no secret in it."""
    with pytest.raises(ConnectorError) as caught:
        database.open(url)
    said = str(caught.value)
    assert "\n" not in said
    assert SECRET not in said
    return said


# Statements


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT :a, :b_2", "SELECT %(a)s, %(b_2)s"),
        ("SELECT CAST(:a AS text), :a::text, x::int", "SELECT CAST(%(a)s AS text), %(a)s::text, x::int"),
        ("SELECT ':a', 'it''s :b', \":c\" -- :d\n, :e", "SELECT ':a', 'it''s :b', \":c\" -- :d\n, %(e)s"),
        ("SELECT 7 % 2 /* :a % */ WHERE x LIKE '50%'", "SELECT 7 %% 2 /* :a %% */ WHERE x LIKE '50%%'"),
        ("VALUES (?, ?)", "VALUES (%s, %s)"),
    ],
)  # fmt: skip
def test_values_are_written_as_psycopg_writes_them(ours: str, theirs: str) -> None:
    assert translated(ours) == theirs


def test_percent_signs_and_casts_mean_what_they_say(db: Database) -> None:
    with db.read() as connection:
        found = connection.rows("SELECT 7 % 4, '100%', ':no', :a::text || '%'", a="5")

    assert found == [(3, "100%", ":no", "5%")]


def test_a_character_no_text_can_hold_is_left_out(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a\0b")
        assert tx.value("SELECT CAST(:a AS text)", a="\0") == ""

    assert kept(db) == ["ab"]


# The way in


def test_no_server() -> None:
    said = trouble(f"postgresql://ines:{SECRET}@127.0.0.1:1/letters")

    assert said.startswith("The database letters on 127.0.0.1:1 cannot be reached (")
    assert "Connection refused" in said
    assert said.endswith("Check that it runs, and CONNECTOR_DATABASE.")


def test_a_socket_that_is_not_there() -> None:
    said = trouble("postgresql:///letters?host=/nowhere")

    assert "cannot be reached" in said


@pytest.mark.parametrize("end", ["x?bogus=1", "x?connect_timeout=soon"])
def test_an_address_that_cannot_be_read(end: str) -> None:
    with pytest.raises((Misconfigured, DatabaseUnavailable)) as caught:
        database.open(f"postgresql://ines:{SECRET}@127.0.0.1:1/{end}")

    assert SECRET not in str(caught.value)
    assert "CONNECTOR_DATABASE" in str(caught.value)


def test_a_wrong_password(server: Server) -> None:
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        server.tell("CREATE ROLE keyed LOGIN PASSWORD 'right'")
    place = f"127.0.0.1:{server.port}/postgres"

    for url in (f"postgresql://keyed:{SECRET}@{place}", f"postgresql://keyed@{place}"):
        said = trouble(url)
        assert "does not let us in: check user and password" in said


def test_the_right_password_lets_us_in_from_every_usual_place(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        server.tell("CREATE ROLE keyed LOGIN PASSWORD 'right'")
    name = url.partition("@/")[2].partition("?")[0]
    server.tell("GRANT ALL ON ALL TABLES IN SCHEMA public TO keyed", name=name)
    place = f"127.0.0.1:{server.port}/{name}"
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:{server.port}:*:keyed:right\n")
    passfile.chmod(0o600)

    database.open(f"postgresql://keyed:right@{place}").close()
    database.open(f"postgresql://keyed@{place}?passfile={quote(str(passfile))}").close()
    monkeypatch.setenv("PGPASSWORD", "right")
    database.open(f"postgresql://keyed@{place}").close()


def test_a_user_nobody_lets_in(server: Server) -> None:
    said = trouble(f"postgresql://unwelcome@127.0.0.1:{server.port}/postgres")

    assert "does not let us in" in said


def test_a_database_that_is_not_there(server: Server) -> None:
    said = trouble(server.url("letters_of_nobody"))

    assert said.endswith("does not exist. Make it there with: createdb letters_of_nobody")


def test_a_server_without_tls_is_not_talked_to_when_tls_is_asked_for(server: Server) -> None:
    said = trouble(server.url_by_network("postgres") + "?sslmode=verify-full")

    assert "cannot be reached" in said


def test_the_library_is_missing() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from connector import database\n"
        "database.open('postgresql://ines:opensesame@127.0.0.1:1/letters')"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("Install it with: pip install 'connector[postgres]'")


# What it may and may not do


def test_a_role_without_rights_is_told_which(server: Server) -> None:
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        server.tell("CREATE ROLE stranger LOGIN")
    with clusters.empty() as url:
        said = trouble(url.replace("postgres@", "stranger@"))

    assert "does not let this user do that (permission denied for schema public)" in said
    assert said.endswith("see docs/scale.md.")


def test_a_least_privileged_role_can_do_all_but_migrate(server: Server, url: str) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    manual = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    grants = manual.partition("<!-- role -->\n```sql\n")[2].partition("```")[0]
    for statement in grants.replace("letters_database", name).split(";\n"):
        if statement.strip():
            with contextlib.suppress(psycopg.errors.DuplicateObject):
                server.tell(statement, name=name)

    with contextlib.closing(database.open(url.replace("postgres@", "letters_app@"))) as humble:
        with humble.write() as tx:
            put(tx, "a")
            assert tx.run("DELETE FROM suppressions") == 1
            tx.value("INSERT INTO confirmations (email_key, client, at) VALUES ('a', 'b', 1)"
                     " RETURNING id")  # fmt: skip
        with pytest.raises(DatabaseUnavailable, match="must be owner"), humble.write() as tx:
            tx.run("ALTER TABLE suppressions ADD COLUMN x text")


def test_one_that_may_only_be_read_is_read(server: Server, url: str, db: Database) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    with db.write() as tx:
        put(tx, "a")
    server.tell(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with contextlib.closing(database.open(url)) as still:
            with pytest.raises(DatabaseUnavailable) as caught, still.write() as tx:
                put(tx, "b")
            assert kept(still) == ["a"]
    finally:
        server.tell(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    assert "may only be read: it is a standby, or set to default" in str(caught.value)


def test_an_empty_one_that_may_only_be_read_is_not_set_up() -> None:
    with clusters.empty() as url:
        said = trouble(f"{url}&options={quote('-c default_transaction_read_only=on')}")
        assert "name the primary in CONNECTOR_DATABASE" in said
        with files.raw(url) as connection:
            assert connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone() == (0,)


def test_it_takes_no_more_connections(server: Server) -> None:
    with clusters.database() as url:
        name = url.partition("@/")[2].partition("?")[0]
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            server.tell("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
        said = trouble(f"postgresql://crowded@127.0.0.1:{server.port}/{name}")

    assert "takes no more connections" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_keeps_nothing_of_a_write(server: Server, tmp_path: Path) -> None:
    disk = Path(tempfile.mkdtemp(prefix="connector-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "none", disk],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip("this machine lets nobody mount a small disk")
    inside = disk / "inside"
    try:
        inside.mkdir(mode=0o700)
        shutil.chown(inside, server._user() or "root")
        server.tell(f"CREATE TABLESPACE tight LOCATION '{inside}'")
        server.tell("CREATE DATABASE letters_tight TABLESPACE tight")
        with contextlib.closing(database.open(server.url("letters_tight"))) as db:
            with db.write() as tx:
                put(tx, "before")
            with (
                pytest.raises(DatabaseUnavailable, match=r"its disk is full\. Nothing was changed"),
                db.write() as tx,
            ):
                put(tx, *(secrets.token_hex(500) for _ in range(20_000)))
            assert kept(db) == ["before"]
    finally:
        with contextlib.suppress(psycopg.Error):
            server.tell("DROP DATABASE IF EXISTS letters_tight WITH (FORCE)")
            server.tell("DROP TABLESPACE IF EXISTS tight")
        subprocess.run(["umount", "--lazy", disk], check=True)
        disk.rmdir()


def test_a_backup_is_made_by_its_own_means(db: Database, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Save it with pg_dump"):
        db.copy_to(tmp_path / "copy.db")

    assert list(tmp_path.iterdir()) == []


# One writer at a time


def test_a_writer_that_waits_too_long_says_so(url: str, db: Database) -> None:
    hurried = database.open(url, busy_seconds=0.05)

    with db.write(), pytest.raises(DatabaseUnavailable, match="is busy"):
        apart(lambda: _write(hurried, "a"))

    hurried.close()

    assert kept(db) == []


def test_many_who_wait_to_write_leave_lines_for_those_who_read(url: str) -> None:
    with contextlib.closing(database.open(url, busy_seconds=20)) as db:
        writers = [threading.Thread(target=_write, args=(db, f"{n:02}")) for n in range(20)]
        with db.write():
            for writer in writers:
                writer.start()
            apart(lambda: _expect_nobody(db))
        for writer in writers:
            writer.join(30)

        assert len(kept(db)) == 20


def _expect_nobody(db: Database) -> None:
    began = time.monotonic()
    assert kept(db) == []
    assert time.monotonic() - began < 5


def _write(db: Database, *keys: str, side_by_side: bool = False) -> None:
    with db.write(side_by_side=side_by_side) as tx:
        put(tx, *keys)


@pytest.mark.parametrize("side_by_side", [True, False])
def test_a_writer_that_stands_still_is_ended_by_who_waits_for_it(
    url: str, db: Database, monkeypatch: pytest.MonkeyPatch, *, side_by_side: bool
) -> None:
    monkeypatch.setattr(postgres, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(postgres, "BEGIN_WRITE", WITHOUT_ITS_TIMEOUT)
    hurried = database.open(url, busy_seconds=0.4)
    is_asleep, wakes = threading.Event(), threading.Event()
    said: list[str] = []

    def sleeper() -> None:
        try:
            with db.write(side_by_side=side_by_side) as tx:
                put(tx, "a")
                tx.many("UPDATE suppressions SET at = :at", doze())
        except DatabaseUnavailable as error:
            said.append(str(error))

    def doze() -> Iterator[dict[str, int]]:
        for at in range(2_000):
            yield {"at": at}
        is_asleep.set()
        assert wakes.wait(10)

    sleeping = threading.Thread(target=sleeper)
    sleeping.start()
    assert is_asleep.wait(10)
    with contextlib.closing(hurried):
        with pytest.raises(DatabaseUnavailable, match="is busy"):
            _write(hurried, "a")
        _write(hurried, "a", "b")
    wakes.set()
    sleeping.join(10)

    assert kept(db) == ["a", "b"]
    assert len(said) == 1


def test_those_who_write_side_by_side_do_not_wait(url: str) -> None:
    with contextlib.closing(database.open(url, busy_seconds=0.05)) as db:
        with db.write() as tx:
            put(tx, "a")
            apart(lambda: _write(db, "b", side_by_side=True))

        assert kept(db) == ["a", "b"]


def test_in_a_deadlock_who_writes_side_by_side_gives_way(db: Database) -> None:
    with db.write() as tx:
        put(tx, "a", "b")
    both, wrong = threading.Barrier(2), []

    def write(first: str, second: str, *, side_by_side: bool) -> None:
        try:
            with db.write(side_by_side=side_by_side) as tx:
                for key in (first, second):
                    tx.run("UPDATE suppressions SET at = at + 1 WHERE address_key = :key", key=key)
                    if key == first:
                        both.wait(10)
        except DatabaseUnavailable as error:
            wrong.append((side_by_side, str(error)))

    threads = [
        threading.Thread(target=write, args=pair, kwargs={"side_by_side": side_by_side})
        for pair, side_by_side in ((("a", "b"), True), (("b", "a"), False))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    ((gave_way, said),) = wrong
    assert gave_way
    assert "is busy" in said
    with db.read() as connection:
        assert connection.rows("SELECT at FROM suppressions") == [(8,), (8,)]


def test_a_durable_write_is_so_even_where_the_server_is_lazy(url: str) -> None:
    lazy = f"{url}&options={quote('-c synchronous_commit=off')}"
    with contextlib.closing(database.open(lazy)) as db:
        with db.write(durable=True) as tx:
            assert tx.value("SHOW synchronous_commit") == "on"
        with db.write() as tx:
            assert tx.value("SHOW synchronous_commit") == "off"


# The line breaks


HANG_UP = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def hang_up(url: str) -> None:
    with files.raw(url) as connection:
        connection.execute(HANG_UP)


def test_a_line_that_broke_while_it_lay_idle_is_not_noticed(url: str, db: Database) -> None:
    for key in "abc":
        with db.write() as tx:
            put(tx, key)
        hang_up(url)

    assert kept(db) == ["a", "b", "c"]


def test_a_line_that_breaks_in_the_middle_keeps_nothing_and_is_renewed(
    url: str, db: Database
) -> None:
    def write() -> None:
        with db.write() as tx:
            put(tx, "a")
            hang_up(url)
            put(tx, "b")

    with pytest.raises(DatabaseUnavailable) as caught:
        write()

    assert "\n" not in str(caught.value)
    with db.write() as tx:
        put(tx, "c")
    assert kept(db) == ["c"]


def test_a_stream_that_breaks_says_so(url: str, db: Database) -> None:
    def read() -> None:
        with db.read() as connection:
            numbers = connection.stream("SELECT n FROM generate_series(1, 10000) AS n")
            assert next(numbers) == (1,)
            hang_up(url)
            list(numbers)

    with pytest.raises(DatabaseUnavailable):
        read()
    assert kept(db) == []


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_restarts_keeps_what_was_promised(mortal: Server, how: str) -> None:
    with contextlib.closing(database.open(mortal.url("letters"))) as db:
        _write(db, "before")
        mortal.stop(how)

        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as caught:
            _write(db, "meanwhile")
        with pytest.raises(DatabaseUnavailable):
            kept(db)
        assert time.monotonic() - began < 5
        assert "\n" not in str(caught.value)

        mortal.start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(DatabaseUnavailable):
                _write(db, "after")
                break
        assert kept(db) == ["after", "before"]


def test_abandoned_streams_harm_nobody(db: Database) -> None:
    with db.read() as connection:
        for _ in range(3):
            next(connection.stream("SELECT n FROM generate_series(1, 10000) AS n"))
    with db.write() as tx:
        next(tx.stream("SELECT n FROM generate_series(1, 10000) AS n"))
        put(tx, "a")

    assert kept(db) == ["a"]


def test_the_name_in_a_sentence_has_no_secret() -> None:
    url = f"postgresql://ines:{SECRET}@db.example.org:5433/letters"

    assert Postgres(url).name == "letters on db.example.org:5433"
