"""What an operator may write, and how every mistake comes back with its place and its cure."""

import dataclasses
import stat
from pathlib import Path
from typing import Any

import pytest

from connector import settings
from connector.errors import Misconfigured
from connector.settings import Settings
from tests.conftest import PUBLICATION, TOML

SECRET = "a test's own secret, long enough to be one"
# A selector wants its key, and a domain has to be the sender's.
DKIM_NAMES = ("dkim.selector", "dkim.ed25519_selector", "dkim.domain")
# These want another setting beside them, or one of a few words.
NOT_ALONE = (
    "mail.user",
    "mail.security",
    "inbound.imap_host",
    "hooks.ses_topic",
    "pace.domains",
    "pace.warmup",
    "stripe.key",
    "stripe.webhook_secret",
)
KEYED = {"CONNECTOR_SECRET": SECRET}


def load(root: Path, toml: str = TOML, **environment: str) -> Settings:
    (root / "connector.toml").write_text(toml, encoding="utf-8")
    return settings.load(root, KEYED | environment)


def problems(root: Path, toml: str = TOML, **environment: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        load(root, toml, **environment)
    return caught.value.problems


def test_three_settings_are_enough(root: Path) -> None:
    found = load(root, '[publication]\ntitle = "T"\nauthor = "A"\nemail = "a@example.org"\n')

    assert found.publication.url == "http://127.0.0.1:8000"
    assert found.is_local
    assert not found.has_relay
    assert found.domain == "example.org"
    assert found.issues == root / "issues"
    assert found.database == f"sqlite:///{root}/subscribers.db"


def test_every_problem_is_listed_at_once(root: Path) -> None:
    found = problems(
        root,
        """
        [publication]
        titel = "The Commons Desk"
        author = ""
        email = "ines"
        url = "https://letters.example.org/"
        accent = "red"
        zone = "Mars/Olympus"
        [mail]
        port = "587"
        security = "ssl"
        connections = 0
        return_path = "bounces"
        password = "never here"
        [web]
        port = 70000
        [writing]
        html = "yes"
        [limit]
        confirmations_per_address = 3
        """,
    )

    assert found == (
        "connector.toml: [publication] titel is not a setting I know; did you mean title?",
        "connector.toml: [limit] is not a section I know; did you mean limits?",
        "connector.toml: [publication] title: is missing. The newsletter's name.",
        (
            "connector.toml: [publication] email: 'ines' is not an email address; "
            "write it like hello@example.org"
        ),
        (
            "connector.toml: [publication] url: 'https://letters.example.org/' is not a site's address; "
            "write it like https://letters.example.org, without a slash at the end"
        ),
        (
            "connector.toml: [publication] zone: 'Mars/Olympus' is not a time zone; "
            "write it like Europe/Riga"
        ),
        "connector.toml: [publication] accent: 'red' is not a colour; write it like #9a3412",
        (
            "connector.toml: [publication] author: must not be empty. "
            "Who writes it; the name letters come from."
        ),
        "connector.toml: [mail] port: '587' is not a whole number.",
        "connector.toml: [mail] security: 'ssl' is not one of starttls, tls, none.",
        (
            "connector.toml: [mail] password: a secret; "
            "put it in CONNECTOR_MAIL_PASSWORD or CONNECTOR_MAIL_PASSWORD_FILE."
        ),
        (
            "connector.toml: [mail] return_path: 'bounces' is not an email address; "
            "write it like hello@example.org"
        ),
        "connector.toml: [mail] connections: 0 is not between 1 and 64.",
        "connector.toml: [web] port: 70000 is not between 0 and 65535.",
        "connector.toml: [writing] html: 'yes' is not true or false.",
    )


def test_a_stranger_that_resembles_nothing_is_to_be_removed(root: Path) -> None:
    assert problems(root, TOML + "xyzzy = 1\n") == (
        "connector.toml: [publication] xyzzy is not a setting I know; remove it.",
    )


def test_a_section_that_is_a_value_says_how_to_write_one(root: Path) -> None:
    assert problems(root, f"mail = 1\n{TOML}") == (
        "connector.toml: mail must be a section: [mail]",
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("title = 5", "title: 5 is not text in quotes."),
        ("title = true", "title: True is not text in quotes."),
        ('title = "one\\ntwo"', "title: must be one line."),
        ('url = "letters.example.org"', "is not a site's address"),
        ('url = "ftp://letters.example.org"', "is not a site's address"),
        ('url = "https://letters.example.org/blog"', "is not a site's address"),
        ('url = "https://["', "is not a site's address"),
        ('url = "https://letters.example.org:99999"', "is not a site's address"),
        ('email = "a@b"', "is not an email address"),
        ('email = "Ines <ines@example.org>"', "is not an email address"),
    ],
)
def test_a_wrong_value_is_named(root: Path, line: str, what: str) -> None:
    key = line.partition(" ")[0]
    kept = [other for other in TOML.splitlines() if not other.startswith(f"{key} ")]

    (found,) = problems(root, "\n".join([*kept, line]))

    assert found.startswith(f"connector.toml: [publication] {key}")
    assert what in found


@pytest.mark.parametrize(("section", "name"), settings.RANGES)
def test_numbers_have_ranges_with_their_ends_in(root: Path, section: str, name: str) -> None:
    low, high = settings.RANGES[section, name]
    written, beside = section, ""
    if section == "relays":
        written = "relays.second"
        beside = 'host = "smtp.example.net"\n[mail]\nhost = "smtp.example.org"\n'
    if section == "tiers":
        written, beside = "tiers.supporter", 'monthly = "5"\n'
    if (section, name) == ("pace", "domains"):
        written, name = "pace.domains", "google"

    for value in (low, high):
        load(root, f"{PUBLICATION}\n[{written}]\n{name} = {value}\n{beside}")
    for value in (low - 1, high + 1):
        (found,) = problems(root, f"{PUBLICATION}\n[{written}]\n{name} = {value}\n{beside}")
        assert found.startswith(f"connector.toml: [{written}] {name}")
        assert found.endswith(f": {value} is not between {low} and {high}.")


def test_the_environment_wins_over_the_file(root: Path) -> None:
    found = load(
        root,
        TOML + "\n[web]\nport = 8000\n[writing]\nhtml = true\n",
        CONNECTOR_PUBLICATION_TITLE="Another Desk",
        CONNECTOR_WEB_PORT="9000",
        CONNECTOR_WRITING_HTML="no",
    )

    assert found.publication.title == "Another Desk"
    assert found.web.port == 9000
    assert found.writing.html is False


def test_every_setting_can_be_given_in_the_environment(root: Path) -> None:
    for key, variable, _default, _help in settings.described():
        section, _, name = key.partition(".")
        if not section or section in ("relays", "tiers") or key in NOT_ALONE or key in DKIM_NAMES:
            continue
        value: Any = getattr(getattr(load(root), section), name)
        given = {"int": "7", "bool": "yes"}.get(type(value).__name__, "seven")
        text = {"url": "http://seven", "zone": "Asia/Tokyo", "accent": "#777777"}.get(
            name, "seven@example.org" if given == "seven" else given
        )

        found = load(root, **{variable: text})

        assert getattr(getattr(found, section), name) in (text, 7, True), key


def test_a_mistake_in_the_environment_is_named_there(root: Path) -> None:
    found = problems(
        root,
        CONNECTOR_WEB_PORT="eighty",
        CONNECTOR_WRITING_HTML="maybe",
        CONNECTOR_PUBLICATION_TITLE="",
        CONNECTOR_MAIL_LEASE="0",
    )

    assert found == (
        "CONNECTOR_PUBLICATION_TITLE: must not be empty. The newsletter's name.",
        "CONNECTOR_MAIL_LEASE: 0 is not between 1 and 3600.",
        "CONNECTOR_WEB_PORT: 'eighty' is not a whole number.",
        "CONNECTOR_WRITING_HTML: 'maybe' is not true or false.",
    )


def test_a_password_comes_from_the_environment_or_a_file_it_names(root: Path) -> None:
    (root / "password").write_text("opensesame\n")

    direct = load(root, CONNECTOR_MAIL_PASSWORD="opensesame")
    named = load(root, CONNECTOR_MAIL_PASSWORD_FILE=str(root / "password"))

    assert direct.mail.password == named.mail.password == "opensesame"


def test_a_password_file_that_is_not_there_is_named(root: Path) -> None:
    assert problems(root, CONNECTOR_MAIL_PASSWORD_FILE="/nowhere/password") == (
        (
            "CONNECTOR_MAIL_PASSWORD_FILE: /nowhere/password cannot be read "
            "(No such file or directory)."
        ),
    )


def test_a_user_without_a_password_is_told_where_it_goes(root: Path) -> None:
    (found,) = problems(root, TOML + '\n[mail]\nhost = "smtp.example.org"\nuser = "ines"\n')

    assert "CONNECTOR_MAIL_PASSWORD or CONNECTOR_MAIL_PASSWORD_FILE" in found


def test_letters_do_not_travel_in_the_open(root: Path) -> None:
    mail = '\n[mail]\nhost = "{}"\nsecurity = "none"\n'

    (found,) = problems(root, TOML + mail.format("smtp.example.org"))

    assert found.endswith("none sends letters in the open; use starttls or tls.")
    assert load(root, TOML + mail.format("127.0.0.1")).has_relay


def test_keys_for_signatures_are_read_from_files_beside_the_settings(root: Path) -> None:
    (root / "dkim.pem").write_bytes(b"one")
    (root / "keys").mkdir()
    (root / "keys" / "two.pem").write_bytes(b"two")

    found = load(
        root,
        f'{TOML}\n[dkim]\nselector = "letters-2026"\n',
        CONNECTOR_DKIM_ED25519_SELECTOR="ed.2026",
        CONNECTOR_DKIM_ED25519_KEY_FILE="keys/two.pem",
    )

    first, second = found.dkim_keys
    assert (first.selector, first.kind, first.pem) == ("letters-2026", "rsa", b"one")
    assert (second.selector, second.kind, second.pem) == ("ed.2026", "ed25519", b"two")
    assert second.path == root / "keys" / "two.pem"
    assert found.dkim_domain == "letters.example.org"


def test_without_a_selector_no_key_is_looked_for(root: Path) -> None:
    (root / "dkim.pem").write_bytes(b"one")

    assert load(root).dkim_keys == ()


def test_keys_that_are_not_there_are_named_where_they_were_asked_for(root: Path) -> None:
    found = problems(
        root,
        f'{TOML}\n[dkim]\nselector = "a"\ned25519_selector = "b"\n',
        CONNECTOR_DKIM_KEY_FILE="/nowhere/dkim.pem",
    )

    assert found == (
        (
            "CONNECTOR_DKIM_KEY_FILE: /nowhere/dkim.pem cannot be read (No such file or directory); "
            "make a key with: connector dkim new --selector a"
        ),
        (
            f"connector.toml: [dkim] ed25519_key_file: {root}/dkim-ed25519.pem cannot be read "
            "(No such file or directory); make a key with: connector dkim new --ed25519 --selector b"
        ),
    )
    assert not (root / "connector.key").exists()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('selector = "a b"', "selector: 'a b' is not a selector"),
        ('selector = "-a"', "selector: '-a' is not a selector"),
        ('selector = "a..b"', "selector: 'a..b' is not a selector"),
        ('ed25519_selector = "b"', "ed25519_selector: is a second key; give the first"),
        ('selector = "a"\ned25519_selector = "A"', "ed25519_selector: must differ from selector"),
        ('domain = "org"', "domain: 'org' is not a domain"),
        ('domain = "example.net"', "domain: 'example.net' cannot sign for letters.example.org"),
        ('domain = "ters.example.org"', "domain: 'ters.example.org' cannot sign for"),
    ],
)
def test_a_signature_that_would_count_for_nothing_is_refused(
    root: Path, lines: str, why: str
) -> None:
    (root / "dkim.pem").write_bytes(b"one")
    (root / "dkim-ed25519.pem").write_bytes(b"two")

    (found,) = problems(root, f"{TOML}\n[dkim]\n{lines}\n")

    assert found.startswith(f"connector.toml: [dkim] {why}")


@pytest.mark.parametrize("domain", ["letters.example.org", "Example.org", "a.letters.example.org"])
def test_the_domain_that_signs_is_of_the_senders_family(root: Path, domain: str) -> None:
    found = load(root, f'{TOML}\n[dkim]\ndomain = "{domain}"\n')

    assert found.dkim_domain == domain.lower()


def test_signing_keys_come_from_the_environment_or_a_file_it_names(root: Path) -> None:
    (root / "keys").write_text(f"a newer secret, that is also long enough\n{SECRET}\n")
    (root / "connector.toml").write_text(TOML)

    old = settings.load(root, KEYED)
    new = settings.load(root, {"CONNECTOR_SECRET_FILE": str(root / "keys")})

    assert new.keys.verify("unsubscribe", old.keys.sign("unsubscribe", "7")) == "7"
    assert new.keys.sign("unsubscribe", "7") != old.keys.sign("unsubscribe", "7")
    assert not (root / "connector.key").exists()


def test_a_key_that_is_too_short_is_refused_with_the_cure(root: Path) -> None:
    (found,) = problems(root, CONNECTOR_SECRET="short")

    assert found.startswith("CONNECTOR_SECRET: a signing key needs at least 32 characters")
    assert "python3 -c" in found
    assert "short;" not in found


def test_without_one_a_key_is_made_beside_the_settings(root: Path) -> None:
    first = settings.load(root, {})

    path = root / "connector.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings.load(root, {}).keys.secrets == first.keys.secrets


def test_no_key_is_made_for_settings_that_are_wrong(root: Path) -> None:
    (root / "connector.toml").write_text("[publication]\n")

    with pytest.raises(Misconfigured):
        settings.load(root, {})

    assert not (root / "connector.key").exists()


def test_a_secret_never_shows_itself(root: Path) -> None:
    found = load(root, CONNECTOR_MAIL_PASSWORD="opensesame")

    for shown in (repr(found), str(found), repr(found.mail), repr(found.keys)):
        assert "opensesame" not in shown
        assert SECRET not in shown
    wrong = problems(root, CONNECTOR_MAIL_PASSWORD="open\nsesame")
    assert wrong == ("CONNECTOR_MAIL_PASSWORD: must be one line.",)


def test_a_database_with_a_relative_path_is_in_the_publications_folder(root: Path) -> None:
    beside = load(root, CONNECTOR_DATABASE="sqlite:///data/letters.db")
    away = load(root, CONNECTOR_DATABASE="sqlite:////srv/letters.db")

    assert beside.database == f"sqlite:///{root}/data/letters.db"
    assert away.database == "sqlite:////srv/letters.db"


def test_settings_cannot_be_changed(root: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(root).publication.title = "Another"  # type: ignore[misc]


def test_a_folder_without_settings_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"There is no connector\.toml in .*connector new DIR"):
        settings.load(tmp_path, KEYED)


@pytest.mark.parametrize("content", [b"[publication", b"title = \xff", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_says_where(root: Path, content: bytes) -> None:
    (root / "connector.toml").write_bytes(content)

    with pytest.raises(Misconfigured, match=r"connector\.toml: is not readable as TOML: .+"):
        settings.load(root, KEYED)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").mkdir()

    with pytest.raises(Misconfigured, match=r"connector\.toml: Is a directory"):
        settings.load(tmp_path, KEYED)


def test_a_mailbox_is_not_read_without_its_password(root: Path) -> None:
    mailbox = f'{TOML}\n[inbound]\nimap_host = "imap.example.org"\nuser = "bounces"\n'

    [found] = problems(root, mailbox)

    assert found == (
        "connector.toml: [inbound] imap_host: 'imap.example.org' needs a user, and a password in "
        "CONNECTOR_INBOUND_PASSWORD or CONNECTOR_INBOUND_PASSWORD_FILE."
    )
    assert load(root, mailbox, CONNECTOR_INBOUND_PASSWORD="x").inbound.password == "x"


def test_a_providers_secret_is_refused_in_the_file(root: Path) -> None:
    [found] = problems(root, f'{TOML}\n[hooks]\nbrevo_secret = "x"\n')

    assert found == (
        "connector.toml: [hooks] brevo_secret: a secret; put it in CONNECTOR_HOOKS_BREVO_SECRET "
        "or CONNECTOR_HOOKS_BREVO_SECRET_FILE."
    )


def test_a_topic_is_an_arn(root: Path) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:bounces"

    assert load(root, CONNECTOR_HOOKS_SES_TOPIC=topic).hooks.ses_topic == topic
    assert len(problems(root, CONNECTOR_HOOKS_SES_TOPIC="bounces")) == 1


# Pace and further relays

SECOND = """
[mail]
host = "smtp.example.org"

[relays.second]
host = "smtp.example.net"
user = "ines"
weight = 3
rate = 600
"""


def test_one_relay_is_named_by_where_it_is(root: Path) -> None:
    (relay,) = load(root, f'{TOML}\n[mail]\nhost = "smtp.example.org"\nconnections = 9\n').relays

    assert (relay.name, relay.connections, relay.weight) == ("smtp.example.org:587", 9, 1)
    assert load(root).relays == ()


def test_further_relays_have_names_passwords_and_rates_of_their_own(root: Path) -> None:
    (root / "password").write_text("opensesame\n")

    found = load(
        root,
        f'{TOML}{SECOND}\n[relays.by-the-sea]\nhost = "smtp.example.com"\n[pace]\nrate = 90\n',
        CONNECTOR_RELAYS_SECOND_PASSWORD_FILE=str(root / "password"),
        CONNECTOR_RELAYS_BY_THE_SEA_PORT="2525",
    )

    first, second, third = found.relays
    assert [one.name for one in found.relays] == ["smtp.example.org:587", "second", "by-the-sea"]
    assert (second.host, second.weight, second.password) == ("smtp.example.net", 3, "opensesame")
    assert third.port == 2525
    assert [found.rate_through(one) for one in (first, second, third)] == [90, 600, 90]
    assert "opensesame" not in repr(found)


def test_mistakes_in_further_relays_are_named(root: Path) -> None:
    assert problems(
        root,
        TOML
        + """
        [relays]
        third = "smtp.example.com"
        [relays.second]
        host = "smtp.example.net"
        user = "ines"
        weigth = 3
        security = "none"
        [relays.Fourth]
        host = "smtp.example.com"
        [relays.fifth]
        password = "never here"
        """,
    ) == (
        (
            "connector.toml: [relays] third: give each further relay a section of its own: "
            "[relays.second]"
        ),
        "connector.toml: [relays.second] weigth is not a setting I know; did you mean weight?",
        (
            "connector.toml: [relays.Fourth]: 'Fourth' is not a name for a relay; "
            "use small letters, digits and hyphens, like [relays.second]"
        ),
        (
            "connector.toml: [relays.second] security: none sends letters in the open; "
            "use starttls or tls."
        ),
        (
            "connector.toml: [relays.second] user: 'ines' needs a password; put it in "
            "CONNECTOR_RELAYS_SECOND_PASSWORD or CONNECTOR_RELAYS_SECOND_PASSWORD_FILE."
        ),
        "connector.toml: [relays.fifth] host: is missing. Name of a further mail relay.",
        (
            "connector.toml: [relays.fifth] password: a secret; put it in "
            "CONNECTOR_RELAYS_FIFTH_PASSWORD or CONNECTOR_RELAYS_FIFTH_PASSWORD_FILE."
        ),
    )


def test_a_further_relay_needs_a_first_one(root: Path) -> None:
    (found,) = problems(root, f'{TOML}\n[relays.second]\nhost = "smtp.example.net"\n')

    assert found == (
        "connector.toml: [relays.second] is a further relay, and there is no first one; "
        "give [mail] a host."
    )


def test_relays_are_sections(root: Path) -> None:
    assert problems(root, f"relays = 3\n{TOML}") == (
        "connector.toml: relays: give each further relay a section of its own: [relays.second]",
    )


def test_limits_for_providers_and_domains_are_a_table(root: Path) -> None:
    toml = f'{TOML}\n[pace.domains]\ngoogle = 600\n"example.org" = 60\n'

    assert load(root, toml).pace.domains == (("google", 600), ("example.org", 60))
    assert load(root, toml, CONNECTOR_PACE_DOMAINS="gmx=6, example.com=60").pace.domains == (
        ("gmx", 6),
        ("example.com", 60),
    )
    assert load(root, toml, CONNECTOR_PACE_DOMAINS="").pace.domains == ()


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ('"gmial" = 60', "gmial is neither a provider I know nor a domain; remove it."),
        ("gogle = 60", "gogle is neither a provider I know nor a domain; did you mean google?"),
        ("example.org = 60", "example is neither a provider I know nor a domain"),
        ('"Example.ORG" = 60', "Example.ORG is neither a provider I know nor a domain"),
        ('google = "60"', "google: '60' is not a whole number."),
        ("google = true", "google: True is not a whole number."),
        ("google = 0", "google: 0 is not between 1 and 10000000."),
    ],
)
def test_a_wrong_limit_is_named(root: Path, lines: str, what: str) -> None:
    (found,) = problems(root, f"{TOML}\n[pace.domains]\n{lines}\n")

    assert found.startswith(f"connector.toml: [pace.domains] {what}")


def test_limits_that_are_no_table_say_how_to_write_one(root: Path) -> None:
    assert problems(root, f"{TOML}\n[pace]\ndomains = 60\n") == (
        "connector.toml: [pace] domains must be a section: [pace.domains]",
    )
    assert problems(root, CONNECTOR_PACE_DOMAINS="google") == (
        (
            "CONNECTOR_PACE_DOMAINS: 'google' is not a list of limits; "
            "write it like google=600 gmx=60"
        ),
    )


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "20261201", "1.12.2026"])
def test_a_first_day_is_a_day(root: Path, day: str) -> None:
    assert problems(root, f'{TOML}\n[pace]\nwarmup = "{day}"\n') == (
        f"connector.toml: [pace] warmup: {day!r} is not a day; write it like 2026-12-01",
    )
    assert load(root, f'{TOML}\n[pace]\nwarmup = "2026-12-01"\n').pace.warmup == "2026-12-01"
