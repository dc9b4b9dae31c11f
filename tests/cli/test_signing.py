"""`connector dkim`, and what an operator does with it: from a new key to a letter that verifies."""

import stat
import tarfile
from pathlib import Path

import pytest

from connector import settings
from connector.delivery.mime import Template
from tests.cli.conftest import Connector
from tests.conftest import NOW, TOML
from tests.delivery import judges
from tests.delivery.post import LETTER


def shown(out: str) -> dict[str, str]:
    """The records that were shown, by name."""
    lines = [line.split(None, 1) for line in out.splitlines() if line.startswith("  ")]
    found = [words[1] for words in lines if words[0] in ("Name", "Value")]
    return dict(zip(found[::2], found[1::2], strict=True))


def follow(root: Path, *said: str) -> None:
    """Do as we were told: add the lines to connector.toml."""
    told = [out.rpartition("[dkim]\n")[2] for out in said]
    (root / "connector.toml").write_text(f"{TOML}\n[dkim]\n{''.join(told)}")


def letter(root: Path) -> bytes:
    found = settings.load(root)
    made = Template(LETTER, found, mailing=1, kind="issue", date=NOW - 10**10 * 3)
    return made.message(delivery=7, recipient=1, address="ada@example.org", name="Ada")


def test_a_new_key_signs_letters_that_the_record_verifies(connector: Connector, root: Path) -> None:
    usual, newer = connector("dkim", "new"), connector("dkim", "new", "--ed25519")

    follow(root, usual.out, newer.out)

    records = shown(usual.out) | shown(newer.out)
    assert judges.dkimpy(letter(root), records) == [True, True]
    assert shown(connector("dkim", "show").out) == records
    assert "✓ The DKIM key" in connector("doctor").out


@pytest.mark.parametrize(
    ("words", "name"), [((), "dkim.pem"), (("--ed25519",), "dkim-ed25519.pem")]
)
def test_only_its_owner_can_read_a_key(
    connector: Connector, root: Path, words: tuple[str, ...], name: str
) -> None:
    said = connector("dkim", "new", *words)

    assert stat.S_IMODE((root / name).stat().st_mode) == 0o600
    assert "PRIVATE" not in said.out
    assert str(root / name) in said.out


def test_a_zone_file_takes_the_same_in_pieces(connector: Connector) -> None:
    said = connector("dkim", "new", "--selector", "bench")

    ((name, value),) = shown(said.out).items()
    pieces = [line.strip()[1:-1] for line in said.out.splitlines() if line.startswith('    "')]
    assert name == "bench._domainkey.letters.example.org"
    assert "".join(pieces) == value
    assert max(map(len, pieces)) <= 255
    assert f"\n  {name}. IN TXT (\n" in said.out


def test_a_key_is_never_overwritten(connector: Connector, root: Path) -> None:
    connector("dkim", "new")
    before = (root / "dkim.pem").read_bytes()

    error = connector("dkim", "new").error

    assert "dkim.pem exists already" in error
    assert "--file" in error
    assert (root / "dkim.pem").read_bytes() == before


def test_next_years_key_stands_beside_this_one(connector: Connector, root: Path) -> None:
    connector("dkim", "new")
    said = connector("dkim", "new", "--selector", "next", "--file", "dkim-next.pem")

    follow(root, said.out)

    assert 'key_file = "dkim-next.pem"' in said.out
    assert judges.dkimpy(letter(root), shown(said.out)) == [True]


def test_a_key_that_is_named_before_it_is_made_has_its_cure(
    connector: Connector, root: Path
) -> None:
    (root / "connector.toml").write_text(f'{TOML}\n[dkim]\nselector = "bench"\n')

    error = connector("status").error
    said = connector(*error.rpartition("connector ")[2].split())

    assert error == (
        f"connector.toml: [dkim] key_file: {root}/dkim.pem cannot be read "
        "(No such file or directory); make a key with: connector dkim new --selector bench"
    )
    assert shown(connector("dkim", "show").out) == shown(said.out)


def test_a_key_that_cannot_be_used_stops_every_command(connector: Connector, root: Path) -> None:
    (root / "connector.toml").write_text(f'{TOML}\n[dkim]\nselector = "bench"\n')
    (root / "dkim.pem").write_text("not a key")

    assert "dkim.pem: is not a private key in PEM" in connector("status").error


def test_a_selector_that_is_no_name_is_not_understood(connector: Connector, root: Path) -> None:
    said = connector("dkim", "new", "--selector", "my key")

    assert "write it with letters, digits and hyphens" in said.misunderstood
    assert not (root / "dkim.pem").exists()


def test_there_is_nothing_to_show_while_the_relay_signs(connector: Connector) -> None:
    assert connector("dkim", "show").error == (
        "Letters are not signed here: [dkim] selector is empty. Make a key with: connector dkim new"
    )


def test_the_doctor_says_that_letters_leave_unsigned(connector: Connector) -> None:
    assert "! The DKIM key: none is set, so letters leave unsigned" in connector("doctor").out


def test_the_doctor_sees_a_key_that_others_can_read(connector: Connector, root: Path) -> None:
    follow(root, connector("dkim", "new").out)
    (root / "dkim.pem").chmod(0o644)

    assert f"! The DKIM key: others can read {root}/dkim.pem; run: chmod 600" in (
        connector("doctor").out
    )


def test_the_doctor_sees_confirmations_that_the_signature_does_not_cover(
    connector: Connector, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(root, connector("dkim", "new").out)
    monkeypatch.setenv("CONNECTOR_MAIL_NOTICES_FROM", "hello@example.net")

    assert "! The DKIM key: confirmations come from hello@example.net" in connector("doctor").out


@pytest.mark.only("sqlite")
def test_a_backup_has_every_key(
    connector: Connector, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("etc") / "second.pem"
    usual = connector("dkim", "new")
    newer = connector("dkim", "new", "--ed25519", "--file", elsewhere)
    connector("dkim", "new", "--file", "dkim-next.pem")
    follow(root, usual.out, newer.out)

    connector("backup", root / "all.tar.gz")

    with tarfile.open(root / "all.tar.gz") as archive:
        assert {"dkim.pem", "dkim-next.pem", "second.pem"} <= set(archive.getnames())
