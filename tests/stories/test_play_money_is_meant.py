"""Play money is for this machine, and for a rehearsal that is meant."""

from pathlib import Path

import pytest

from tests.fakes.smtp import FakeRelay
from tests.stories import site
from tests.stories.site import TIERS

REHEARSAL = "rehearsal = true"


@pytest.mark.parametrize("is_meant", [True, False])
def test_a_public_site_without_a_key_sells_only_in_a_rehearsal(
    tmp_path: Path, *, is_meant: bool
) -> None:
    with FakeRelay().in_thread() as relay:
        root = site.found(tmp_path, relay=relay)
        toml = root / "connector.toml"
        text = toml.read_text(encoding="utf-8") + TIERS
        toml.write_text(text if is_meant else text.replace(REHEARSAL, ""), encoding="utf-8")
        with site.serving(root) as served:
            page = served.get("/subscribe")
            bank = served.get("/till/cs_test_nobody").status_code, served.get("/tip").status_code

    assert page.status_code == 200
    assert ("$5 a month" in page.text) is is_meant
    assert bank == ((404, 200) if is_meant else (404, 404))


def test_a_site_on_this_machine_is_for_trying_and_says_where(tmp_path: Path) -> None:
    root = site.found(tmp_path)
    toml = root / "connector.toml"
    text = toml.read_text(encoding="utf-8") + TIERS
    toml.write_text(text.replace(REHEARSAL, ""), encoding="utf-8")
    with site.serving(root):
        pass

    assert "play money: http://" in (root / "heard.txt").read_text(encoding="utf-8")
