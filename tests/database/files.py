"""Databases that other programs, other versions and bad days leave behind."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

# As an ordinary user: on Linux, root may write what its mode forbids unless told otherwise.
HUMBLE = """
import ctypes, os, sys
DAC_OVERRIDE, DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24
if sys.platform == "linux":
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def humble(command: list[str]) -> list[str]:
    """The same command, bound by the modes of files even when root runs it."""
    return [sys.executable, "-c", HUMBLE, *command]


@contextlib.contextmanager
def raw(where: Path | str) -> Iterator[Any]:
    """The file, or the database at a URL, as any other program sees it; what is changed is kept."""
    path = str(where).removeprefix("sqlite:///")
    connection: Any = (
        psycopg.connect(path, autocommit=True)
        if path.startswith("postgresql:")
        else sqlite3.connect(path, timeout=1, isolation_level=None)
    )
    try:
        yield connection
    finally:
        connection.close()


def steps_in(where: Path | str) -> str:
    """The table of the steps a database has had."""
    return "_migrations" if str(where).startswith("postgresql:") else "_sqlite_migrations"


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process holds the database for writing, and does not let go."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.kill()


def forget_newest_step(where: Path | str) -> None:
    """Make it look as an older version left it."""
    steps = steps_in(where)
    with raw(where) as connection:
        connection.execute(
            f"DELETE FROM {steps} "
            f"WHERE id = (SELECT max(id) FROM {steps} WHERE migration_set = 'connector')"
        )


def add_unknown_step(where: Path | str) -> None:
    """Make it look as a newer version left it."""
    with raw(where) as connection:
        connection.execute(
            f"INSERT INTO {steps_in(where)} (migration_set, name, applied_at) "
            "VALUES ('connector', 'm999_of_tomorrow', '2030-01-01')"
        )


def of_another_program(where: Path | str) -> None:
    with raw(where) as connection:
        connection.execute("CREATE TABLE recipes (name text)")
        connection.execute("INSERT INTO recipes VALUES ('soup')")


def damaged(path: Path) -> None:
    """A database of ours with its middle overwritten."""
    content = bytearray(path.read_bytes())
    content[110:] = b"\x5a" * (len(content) - 110)
    path.write_bytes(content)
