"""Two who judge signatures and had no part in making them: dkimpy, and Debian's opendkim."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import dkim
import pytest

Records = Mapping[str, str]


def dkimpy(raw: bytes, records: Records) -> list[bool]:
    """What dkimpy thinks of each signature, from the top."""

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        found = records.get(name.decode().rstrip("."))
        return found.encode() if found else None

    return [_is_good(raw, number, answer) for number in range(len(signatures(raw)))]


def _is_good(raw: bytes, number: int, answer: object) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(number, dnsfunc=answer))
    except dkim.DKIMException:
        return False


def opendkim(raw: bytes, records: Records, folder: Path) -> list[str]:
    """What opendkim thinks of each signature: pass or fail. Skips the test where it is missing."""
    program = shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing = "opendkim is not installed, so it was not asked; apt install opendkim"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    (folder / "letter.eml").write_bytes(raw)
    known = "".join(f"{name} {value}\n" for name, value in records.items())
    (folder / "keys").write_text(known, encoding="utf-8")
    settings = f"Mode v\nSyslog no\nTestPublicKeys {folder / 'keys'}\n"
    (folder / "opendkim.conf").write_text(settings, encoding="utf-8")
    said = subprocess.run(
        [program, "-x", folder / "opendkim.conf", "-t", folder / "letter.eml", "-vv"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return re.findall(r"\bdkim=(\w+)", said.stdout)


def signatures(raw: bytes) -> list[dict[str, str]]:
    """The tags of each DKIM-Signature, from the top, without any space in them."""
    head = raw.partition(b"\r\n\r\n")[0].decode()
    fields = re.split(r"\r\n(?![ \t])", head)
    found = [field.partition(":")[2] for field in fields if field.startswith("DKIM-Signature:")]
    return [
        dict(tag.split("=", 1) for tag in re.sub(r"\s", "", one).rstrip(";").split(";"))
        for one in found
    ]
