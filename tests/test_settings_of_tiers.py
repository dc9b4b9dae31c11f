"""What a writer may say about tiers and Stripe, and how a mistake comes back with its cure."""

from pathlib import Path

import pytest

from connector.settings import FREE, TIERS, Settings
from tests.conftest import PUBLICATION, TOML
from tests.test_settings import load, problems


def tiers(root: Path, text: str, **environment: str) -> Settings:
    return load(root, f"{TOML}\n{text}", **environment)


def test_without_a_word_there_are_free_supporter_founding_and_tip(root: Path) -> None:
    found = load(root).tiers

    assert found == TIERS
    assert [one.key for one in found] == ["free", "supporter", "founding", "tip"]
    assert (found[1].monthly, found[1].yearly, found[1].currency) == ("5", "50", "usd")
    assert found[2].minimum == "1"
    assert [one.is_own_amount for one in found] == [False, False, True, True]


def test_what_is_written_is_what_is_offered_and_free_always(root: Path) -> None:
    found = tiers(root, '[tiers.patron_2]\nmonthly = "7"\n').tiers

    assert [one.key for one in found] == [FREE, "patron_2"]
    assert found[1].name == "Patron 2"
    assert (found[1].monthly, found[1].yearly) == ("7", "")


def test_free_comes_first_with_its_own_words(root: Path) -> None:
    found = tiers(
        root,
        '[tiers.supporter]\nmonthly = "5"\n[tiers.free]\nname = "Reader"\nwords = "Come in."\n',
    ).tiers

    assert [(one.key, one.name) for one in found] == [
        ("free", "Reader"),
        ("supporter", "Supporter"),
    ]


def test_a_tier_can_cost_something_in_several_currencies(root: Path) -> None:
    found = tiers(
        root,
        '[tiers.supporter]\nmonthly = "5"\n[tiers.supporter.eur]\nmonthly = "4.50"\n'
        '[tiers.supporter.jpy]\nmonthly = "700"\n',
    ).tiers[1]

    assert [(one.currency, one.monthly) for one in found.prices] == [
        ("usd", "5"),
        ("eur", "4.50"),
        ("jpy", "700"),
    ]


def test_a_tier_can_come_from_the_environment(root: Path) -> None:
    found = tiers(
        root,
        '[tiers.founding]\nsuggested = ["8"]\n',
        CONNECTOR_TIERS_FOUNDING_SUGGESTED="9 18, 36",
        CONNECTOR_TIERS_FOUNDING_WORDS="As you like.",
    ).tiers[1]

    assert found.suggested == ("9", "18", "36")
    assert found.words == "As you like."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tiers.supporter]\nmonthly = 5", "[tiers.supporter] monthly: 5 is not text in quotes."),
        (
            '[tiers.supporter]\nmonthly = "5.123"',
            "[tiers.supporter] monthly: '5.123' is not an amount in usd; write it like",
        ),
        ('[tiers.supporter]\nmonthly = "-5"', "'-5' is not an amount in usd"),
        ('[tiers.supporter]\nmonthly = "0"', "'0' is not an amount in usd"),
        ('[tiers.supporter]\nmonthly = "٥"', "'٥' is not an amount in usd"),
        (
            '[tiers.supporter]\nmonthly = "500.50"\ncurrency = "jpy"',
            "'500.50' is not an amount in jpy; write it like \"500\"",
        ),
        ('[tiers.supporter]\nmonthly = "5"\ncurrency = "usx"', "currency: 'usx' is not a currency"),
        ('[tiers.supporter]\nmonthly = "5"\ncurrency = "USD"', "did you mean usd?"),
        ('[tiers.supporter]\nwords = "Do."', "[tiers.supporter]: costs nothing; give it monthly"),
        ('[tiers.supporter]\nmonthly = "5"\nsuggested = ["5"]', "has a price, and amounts"),
        ('[tiers.founding]\nsuggested = "8"', "'8' is not a list of texts; write it like"),
        ("[tiers.founding]\nsuggested = [8]", "[8] is not a list of texts"),
        (
            '[tiers.founding]\nsuggested = ["8", "0.50"]\nminimum = "1"',
            "[tiers.founding] suggested: 0.50 is less than the minimum, 1.",
        ),
        ('[tiers.founding]\nminimum = "1"\nevery = ["week"]', '["month", "year"]'),
        ('[tiers.free]\nmonthly = "5"', "free costs nothing"),
        ('[tiers.tip]\nminimum = "1"\ntrial_days = 3', "a tip is paid once"),
        ('[tiers.supporter]\nyearly = "50"\nmonthli = "5"', "did you mean monthly?"),
        ('[tiers.Supporter]\nmonthly = "5"', "is not a name for a tier"),
        ('[tiers]\nsupporter = "5"', "give each tier a section of its own"),
        ('tiers = "5"', None),
        ('[tiers.supporter]\nmonthly = "5"\neur = "4"', "must be a section: [tiers.supporter.eur]"),
        ('[tiers.supporter]\nmonthly = "5"\n[tiers.supporter.usd]\nmonthly = "4"', "keep one of"),
        (
            '[tiers.supporter]\nmonthly = "5"\n[tiers.supporter.eur]\nmonthly = "4.123"',
            "[tiers.supporter.eur] monthly: '4.123' is not an amount in eur",
        ),
        ('[stripe]\nkey = "sk_live_x"', "a secret; put it in CONNECTOR_STRIPE_KEY"),
        ("[stripe]\ngrace_days = 90", "90 is not between 0 and 60."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_cure(
    root: Path, text: str, said: str | None
) -> None:
    if said is None:
        found = problems(root, f"{text}\n{TOML}")
        assert found == (
            "connector.toml: tiers: give each tier a section of its own: [tiers.supporter]",
        )
        return

    found = problems(root, f"{PUBLICATION}\n{text}\n")

    assert len(found) == 1
    assert found[0].startswith("connector.toml: ")
    assert said in found[0]


def test_without_a_key_the_till_stands_in(root: Path) -> None:
    found = load(root)

    assert found.stripe.is_till
    assert found.stripe.mode == "till"
    assert found.site == "letters.example.org"


@pytest.mark.parametrize(
    ("key", "mode"),
    [("sk_test_4eC39H", "test"), ("sk_live_4eC39H", "live"), ("rk_live_4e", "live")],
)
def test_a_key_says_whether_money_moves(root: Path, key: str, mode: str) -> None:
    found = load(root, CONNECTOR_STRIPE_KEY=key, CONNECTOR_STRIPE_WEBHOOK_SECRET="whsec_abc")

    assert found.stripe.mode == mode
    assert found.stripe.is_live == (mode == "live")
    assert key not in repr(found)
    assert "whsec_abc" not in repr(found)


def test_a_key_may_be_in_a_file(root: Path) -> None:
    (root / "stripe").write_text("sk_test_4eC39H\n", encoding="utf-8")

    assert load(root, CONNECTOR_STRIPE_KEY_FILE=str(root / "stripe")).stripe.key == "sk_test_4eC39H"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CONNECTOR_STRIPE_KEY", "pk_live_4eC39H", "this key is the public one"),
        ("CONNECTOR_STRIPE_KEY", "opensesame", "this key is not one I know"),
        ("CONNECTOR_STRIPE_WEBHOOK_SECRET", "opensesame", "is not a signing secret"),
    ],
)
def test_a_wrong_key_is_refused_and_never_said(
    root: Path, variable: str, value: str, said: str
) -> None:
    (found,) = problems(root, TOML, **{variable: value})

    assert found.startswith(f"{variable}: ")
    assert said in found
    assert value not in found


def test_on_a_public_site_without_a_key_only_what_is_free_is_offered(root: Path) -> None:
    key = "sk_test_" + "x" * 24
    local = PUBLICATION.replace("https://letters.example.org", "http://127.0.0.1:8000")

    assert [one.key for one in load(root, PUBLICATION).tiers] == [FREE]
    assert load(root, TOML).tiers == TIERS
    assert load(root, local).tiers == TIERS
    assert load(root, PUBLICATION, CONNECTOR_STRIPE_KEY=key).tiers == TIERS
