"""A PostgreSQL server of the tests' own: an ordinary user's, on a free port, removed after.

One for all processes of a run, started by the first that needs it; every test gets a
database of its own in it, a copy of one that is set up.
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from connector import database as databases

ENGINES = ("sqlite", "postgres")
FOLDER = "CONNECTOR_TESTS_CLUSTER"
TEMPLATE = "letters_template"
# Where Debian, Red Hat and Homebrew keep programs that are on nobody's PATH.
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
# Nothing here has to outlive the machine.
HASTE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "log_min_messages": "panic",
}
CAREFUL = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
DOORS = """
local all all trust
local replication all trust
host all keyed 127.0.0.1/32 scram-sha-256
host all unwelcome 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""


def programs() -> Path | None:
    """Where the server's programs are."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    found = [folder for place in PLACES for folder in sorted(Path("/").glob(place.lstrip("/")))]
    return next((folder for folder in reversed(found) if (folder / "postgres").exists()), None)


def reserve() -> None:
    """Say where the server of this run is to be; nothing is started yet."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="connector-")


def remove() -> None:
    """Stop the server of this run, if anybody started it, and leave nothing behind."""
    folder = Path(os.environ.pop(FOLDER))
    if (folder / "server").exists():
        Server(folder / "server").stop()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The URL of a database that is set up, as good as new."""
    server = running()
    if _spare:
        name = _spare.pop()
    else:
        name = f"letters_{secrets.token_hex(6)}"
        server.tell(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield server.url(name)
    finally:
        if _is_as_new(server, name):
            _spare.append(name)
        else:
            server.tell(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def place(engine: str) -> Iterator[str]:
    """What CONNECTOR_DATABASE is to say; nothing for a file in the publication's folder."""
    if engine == "sqlite":
        yield ""
        return
    with database() as url:
        yield url


_spare: list[str] = []
# Twenty times as fast as a new database. Whoever is still connected is shown the door.
WIPE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE
    one text;
    is_used boolean;
BEGIN
    FOR one IN SELECT tablename FROM pg_tables
                WHERE schemaname = 'public' AND tablename <> '_migrations' LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', one) INTO is_used;
        IF is_used THEN
            EXECUTE format('DELETE FROM %I', one);
        END IF;
    END LOOP;
    FOR one IN SELECT sequencename FROM pg_sequences
                WHERE last_value IS NOT NULL AND sequencename NOT LIKE '\\_%' LOOP
        PERFORM setval(format('%I', one), 1, false);
    END LOOP;
END $$;
INSERT INTO versions (name, number) VALUES ('pages', 1);
"""
STRUCTURE = """
SELECT (SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables
         WHERE schemaname = 'public'),
       (SELECT string_agg(name, ',' ORDER BY id) FROM _migrations)
"""


def _is_as_new(server: "Server", name: str) -> bool:
    """Wipe a database clean; whether its tables are what they were."""
    try:
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            connection.execute("SET lock_timeout = 2000")
            connection.execute(WIPE)
            return connection.execute(STRUCTURE).fetchone() == _structure(server)
    except psycopg.Error:
        return False


@cache
def _structure(server: "Server") -> tuple[object, ...] | None:
    with psycopg.connect(server.url(TEMPLATE), autocommit=True) as connection:
        return connection.execute(STRUCTURE).fetchone()


@contextlib.contextmanager
def empty() -> Iterator[str]:
    """The URL of a new database with nothing in it; it is gone afterwards."""
    with empty_on(running()) as url:
        yield url


@contextlib.contextmanager
def empty_on(server: "Server") -> Iterator[str]:
    """The same on another server than that of this run."""
    name = f"letters_{secrets.token_hex(6)}"
    server.tell(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.tell(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def own(**wishes: str) -> Iterator["Server"]:
    """A server that may be stopped, and that keeps what it promises, besides what is wished for.

    Its folder's parent is its own, too; all of it is gone afterwards.
    """
    folder = Path(tempfile.mkdtemp(prefix="connector-"))
    folder.chmod(0o755)
    server = Server(folder / "server", **(CAREFUL | wishes))
    try:
        server.start()
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
        shutil.rmtree(folder)


@cache
def running() -> "Server":
    """The server of this run; a test that cannot have one is skipped, but not where all must run."""
    if programs() is None:
        missing = "no PostgreSQL server was found, so this was tried on SQLite only"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = Path(os.environ[FOLDER])
    server = Server(folder / "server")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            folder.chmod(0o755)
            server.start()
            server.tell(f"CREATE DATABASE {TEMPLATE}")
            databases.open(server.url(TEMPLATE)).close()
            (folder / "ready").touch()
    return server


class Server:
    """A server in a folder of its own; `stop` can be followed by `start`."""

    def __init__(self, folder: Path, **wishes: str) -> None:
        self.folder = folder
        self._wishes = HASTE | wishes

    @property
    def port(self) -> int:
        return int((self.folder / "port").read_text())

    def url(self, name: str, *, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{name}?host={self.folder}&port={self.port}"

    def url_by_network(self, name: str, *, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def tell(self, sql: str, *, name: str = "postgres") -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(sql)

    def follow(self, primary: "Server") -> None:
        """Become a standby of a running server: no commit there ends before it is here, too."""
        self._settle()
        self._run(
            "pg_basebackup", "--pgdata", "data", "--host", str(primary.folder),
            "--port", str(primary.port), "--username", "postgres",
            "--write-recovery-conf", "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip
        with (self.folder / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write(self._place())
        self.start()
        primary.tell("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.tell("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """From a standby to the primary; returns when it takes writes."""
        self._run("pg_ctl", "--pgdata", "data", "--wait", "--silent", "promote")

    def start(self) -> None:
        if not self.folder.exists():
            self._make()
        self._run("pg_ctl", "--pgdata", "data", "--wait", "--silent", "--log", "log", "start")

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "--pgdata", "data", "--wait", "--silent", "--mode", how, "stop")

    def _settle(self) -> None:
        """A folder and a port of its own."""
        self.folder.mkdir()
        if (owner := self._user()) is not None:
            shutil.chown(self.folder, owner)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            (self.folder / "port").write_text(str(free.getsockname()[1]))

    def _place(self) -> str:
        return f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n"

    def _make(self) -> None:
        self._settle()
        self._run(
            "initdb", "--pgdata", "data", "--username", "postgres", "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        said = {**self._wishes, "listen_addresses": "'127.0.0.1'"}
        lines = "".join(f"{name} = {value}\n" for name, value in said.items())
        (self.folder / "data" / "postgresql.auto.conf").write_text(lines + self._place())
        (self.folder / "data" / "pg_hba.conf").write_text(DOORS)

    def _run(self, program: str, *words: str) -> None:
        folder = programs()
        assert folder
        done = subprocess.run(
            [folder / program, *words],
            cwd=self.folder,
            user=self._user(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            check=False,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )
        assert done.returncode == 0, (program, done.stderr)

    @staticmethod
    def _user() -> str | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return next(name for name in ("postgres", "nobody") if name in names)
