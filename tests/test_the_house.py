"""The house stays one house: who imports whom, which doors lead out, what a module says of itself."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from connector.database import Database
from tests.database import tables

PACKAGE = Path(__file__).parent.parent / "connector"
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"
FLOORS = (
    {
        "errors",
        "clock",
        "colour",
        "currencies",
        "signing",
        "settings",
        "templates",
        "database",
        "__init__",
    },
    {"delivery"},
    {"inbound"},
    {"publishing"},
    {"readers"},
    {"membership"},
    {"till"},
    {"sending", "tracing"},
    {"web"},
    {"cli"},
    {"__main__"},
)
DOORS = {
    "stripe": {"membership/stripe_api.py", "till"},
    "aiosmtplib": {"delivery/smtp.py"},
    "cryptography": {"delivery/dkim.py", "inbound/signatures.py"},
    "sqlite_utils": {"database"},
    "psycopg": {"database"},
    "markdown_it": {"publishing/markdown.py"},
    "mdit_py_plugins": {"publishing/markdown.py"},
    "linkify_it": {"publishing/markdown.py"},
    "css_inline": {"delivery/letter.py"},
    "email_validator": {"delivery/address.py", "delivery/encoding.py"},
    "PIL": {"publishing/images.py"},
    "uvicorn": {"cli"},
}
SQL_WORDS = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ")
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(room: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_only_point_down(path: Path) -> None:
    room = name_of(path).split("/")[0].removesuffix(".py")

    rooms = {
        name.split(".")[1]
        for name in imports_of(path)
        if name.startswith("connector.") and name.split(".")[1] != "__version__"
    }

    above = {other for other in rooms - {room} if floor_of(other) >= floor_of(room) > 0}
    assert not above


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_outside_library_has_one_door(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports_of(path)} & set(DOORS)

    for library in outside:
        assert any(name_of(path).startswith(door) for door in DOORS[library]), library


def test_every_room_and_every_door_is_in_the_architecture() -> None:
    told = ARCHITECTURE.read_text(encoding="utf-8")
    rooms = {room for rooms in FLOORS for room in rooms} - {"__init__", "__main__"}

    assert not [
        room for room in rooms | set(DOORS) if f"`{room}`" not in told and f"`{room}/`" not in told
    ]


def test_every_table_is_in_the_architecture(db: Database) -> None:
    told = ARCHITECTURE.read_text(encoding="utf-8")

    found = tables.names(db)
    assert found
    assert not [table for table in found if f"`{table}`" not in told]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_sql_lives_in_stores_and_in_the_database_room(path: Path) -> None:
    if path.name == "store.py" or name_of(path).startswith("database/"):
        return

    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert not [text for text in texts if text.strip().startswith(SQL_WORDS)]


@pytest.mark.parametrize("path", [path for path in MODULES if path.stat().st_size], ids=name_of)
def test_every_module_says_what_it_keeps(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring, "a module with content begins with a sentence on what it keeps"
    assert docstring.splitlines()[0].rstrip().endswith((".", ":", ",")) or "\n" in docstring


def test_rooms_are_one_level_deep() -> None:
    assert all(len(path.relative_to(PACKAGE).parts) <= 2 for path in MODULES)


def test_no_room_is_named_for_nothing() -> None:
    vague = {"utils", "helpers", "common", "services", "managers", "misc", "base"}

    assert not {path.stem for path in MODULES} & vague


def test_released_migrations_are_numbered_without_a_gap() -> None:
    from connector.database.migrations import STEPS

    numbers = [int(step.name[1:4]) for step in STEPS]

    assert numbers[0] == 1
    assert all(after == before + 1 for before, after in pairwise(numbers))
