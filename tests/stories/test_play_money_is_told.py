"""Where readers would pay with play money, whoever runs the site is told."""

from pathlib import Path

from tests.fakes.smtp import FakeRelay
from tests.stories import site
from tests.stories.site import TIERS


def test_a_public_site_that_sells_without_a_key_says_so_to_its_operator(tmp_path: Path) -> None:
    with FakeRelay().in_thread() as relay:
        root = site.found(tmp_path, relay=relay)
        with (root / "connector.toml").open("a", encoding="utf-8") as toml:
            toml.write(TIERS)
        with site.serving(root, complaints=1) as served:
            assert served.get("/subscribe").status_code == 200

    told = (root / "complained.txt").read_text(encoding="utf-8")
    assert "play money. Set CONNECTOR_STRIPE_KEY" in told


def test_a_site_on_this_machine_is_for_trying_and_says_where(tmp_path: Path) -> None:
    root = site.found(tmp_path)
    with (root / "connector.toml").open("a", encoding="utf-8") as toml:
        toml.write(TIERS)
    with site.serving(root):
        pass

    assert "play money: http://" in (root / "heard.txt").read_text(encoding="utf-8")
