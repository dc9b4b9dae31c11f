"""`connector.toml` and the environment, read once into one frozen Settings.

Every problem is listed at once, with the file, the key and the cure. Secrets come only
from the environment or from a file that the environment names.
"""

import difflib
import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.currencies import DECIMALS
from connector.errors import Misconfigured
from connector.signing import Keys, keys_in, read_keys

FILE = "connector.toml"

# A section inside a section: names and whole numbers.
TABLE = tuple[tuple[str, int], ...]
# Several texts: ["8", "12"].
LIST = tuple[str, ...]


def setting(default: Any = MISSING, *, help: str, repr: bool = True) -> Any:  # noqa: A002 - the manual's own word
    """A field with the line of help that the manual repeats."""
    return field(default=default, metadata={"help": help}, repr=repr)


@dataclass(frozen=True)
class Publication:
    """Who writes, and how the newsletter presents itself."""

    title: str = setting(help="The newsletter's name.")
    author: str = setting(help="Who writes it; the name letters come from.")
    email: str = setting(help="The address letters come from and answers go to.")
    description: str = setting("", help="One line under the title: what a reader will find here.")
    frequency: str = setting(
        "", help="How often a letter comes, shown at the subscribe form: “A letter most Thursdays”."
    )
    url: str = setting(
        "http://127.0.0.1:8000", help="Where the site lives; links in letters use it."
    )
    address: str = setting(
        "",
        help="A postal address for the foot of each letter; the law asks for one in many countries.",
    )
    language: str = setting("en", help="Language of the letters, as in HTML's lang: en, de, pt-BR.")
    zone: str = setting("UTC", help="Time zone for dates and for publish --at: Europe/Riga.")
    accent: str = setting("#9a3412", help="The one colour of the design, as #rrggbb.")
    about: str = setting("", help="The about page, in Markdown.")


@dataclass(frozen=True)
class Mail:
    """The relay that letters leave through. With no host they go to the Tray."""

    host: str = setting("", help="Name of your mail relay; empty keeps every letter in the Tray.")
    port: int = setting(587, help="Its port: 587 for starttls, 465 for tls, 25 for none.")
    security: str = setting("starttls", help="starttls, tls or none (none only on this machine).")
    user: str = setting("", help="User name at the relay; the password comes from the environment.")
    password: str = setting(
        "", help="Never in connector.toml: CONNECTOR_MAIL_PASSWORD or …_FILE.", repr=False
    )
    hello: str = setting("", help="The name we greet the relay with; empty takes the site's host.")
    return_path: str = setting(
        "",
        help="Where bounces go: bounces@example.org; empty takes bounces@ at the sender's domain.",
    )
    notices_from: str = setting(
        "", help="The address confirmations come from; empty takes notices@ at the sender's domain."
    )
    connections: int = setting(4, help="How many connections to the relay at a time, 1 to 64.")
    weight: int = setting(
        1,
        help="Its share of the letters beside other relays, 0 to 100; with 0 it stands by for them.",
    )
    lease: int = setting(
        60, help="Seconds a silent sender keeps its letters before another takes over, 1 to 3600."
    )


@dataclass(frozen=True)
class RelaySettings:
    """A relay by its name: the one of [mail], which is called host:port, or one of [relays.NAME]."""

    name: str
    host: str = setting(help="Name of a further mail relay.")
    port: int = setting(587, help="Its port: 587 for starttls, 465 for tls, 25 for none.")
    security: str = setting("starttls", help="starttls, tls or none (none only on this machine).")
    user: str = setting("", help="User name at this relay; its password is in the environment.")
    password: str = setting(
        "", help="Never in connector.toml: this variable, or the same with _FILE.", repr=False
    )
    connections: int = setting(4, help="How many connections to this relay at a time, 1 to 64.")
    weight: int = setting(
        1, help="Its share of the letters, 0 to 100; with 0 it stands by until the others fail."
    )
    rate: int = setting(0, help="Letters a minute through this relay; 0 takes what pace.rate says.")


@dataclass(frozen=True)
class Pace:
    """How fast letters leave. Without any of it, as fast as the relays take them."""

    rate: int = setting(
        0, help="Letters a minute through each relay; 0 is as fast as the relay takes them."
    )
    domains: tuple[tuple[str, int], ...] = setting(
        (),
        help="Letters a minute to one provider: a table of google, microsoft, yahoo, apple, gmx, "
        "proton, or of any domain.",
    )
    warmup: str = setting(
        "",
        help="The first day of a new sender’s domain, as 2026-12-01; empty for one that is known.",
    )
    spread: int = setting(
        0, help="Minutes over which an issue’s letters leave, 0 to 10080; 0 is at once."
    )


@dataclass(frozen=True)
class Dkim:
    """The keys that letters are signed with. With no selector the relay signs, or nobody does."""

    selector: str = setting(
        "", help="The name the key has in the DNS; empty leaves signing to your relay."
    )
    key_file: str = setting(
        "dkim.pem", help="The file of the key; connector dkim new makes it. Never in git."
    )
    ed25519_selector: str = setting(
        "", help="The name of a second key, of the newer kind; empty signs with the first alone."
    )
    ed25519_key_file: str = setting("dkim-ed25519.pem", help="The file of the second key.")
    domain: str = setting(
        "", help="The domain that signs: the sender's, which empty takes, or one above it."
    )


@dataclass(frozen=True, repr=False)
class DkimKey:
    """A key as its file has it, and where that was."""

    selector: str
    kind: Literal["rsa", "ed25519"]
    path: Path
    pem: bytes


@dataclass(frozen=True)
class Inbound:
    """The mailbox that letters come back to, when we are to read it over IMAP."""

    imap_host: str = setting(
        "", help="The IMAP server of the bounces mailbox; empty reads no mailbox."
    )
    port: int = setting(993, help="Its port, where TLS is spoken from the first byte.")
    user: str = setting("", help="User name of the mailbox; the password is in the environment.")
    password: str = setting(
        "", help="Never in connector.toml: CONNECTOR_INBOUND_PASSWORD or …_FILE.", repr=False
    )
    folder: str = setting("INBOX", help="The folder that is read.")
    done_folder: str = setting(
        "", help="Where messages go once they are read; empty leaves them there, marked as seen."
    )
    minutes: int = setting(5, help="Minutes between two looks into the mailbox, 1 to 1440.")
    handed_over: bool = setting(
        False,
        help="Whether your mail server hands what comes to the return path to connector inbound.",
    )


@dataclass(frozen=True)
class Hooks:
    """What mail providers prove themselves with when they report bounces; empty closes the door."""

    ses_topic: str = setting(
        "", help="ARN of the Amazon SNS topic that SES reports to, for /hooks/ses."
    )
    postmark_secret: str = setting(
        "", help="The password in the URL you give Postmark, for /hooks/postmark.", repr=False
    )
    mailgun_secret: str = setting(
        "", help="Mailgun's HTTP webhook signing key, for /hooks/mailgun.", repr=False
    )
    sendgrid_secret: str = setting(
        "",
        help="The verification key of SendGrid's event webhook, for /hooks/sendgrid.",
        repr=False,
    )
    brevo_secret: str = setting(
        "", help="The token you give Brevo's webhook, for /hooks/brevo.", repr=False
    )
    resend_secret: str = setting(
        "", help="Resend's signing secret, whsec_…, for /hooks/resend.", repr=False
    )


@dataclass(frozen=True)
class Web:
    """The web server."""

    host: str = setting("127.0.0.1", help="The address to listen on.")
    port: int = setting(8000, help="The port to listen on.")
    proxies: str = setting(
        "127.0.0.1", help="Addresses of reverse proxies whose X-Forwarded-For is believed."
    )


@dataclass(frozen=True)
class Limits:
    """What strangers may ask of us."""

    confirmations_per_address: int = setting(
        3, help="Confirmation letters one address can be sent in a day."
    )
    confirmations_per_client: int = setting(
        20, help="Confirmation letters one network client can ask for in an hour."
    )
    signins_per_address: int = setting(10, help="Sign-in letters one address can be sent in a day.")
    signins_per_client: int = setting(
        20, help="Sign-in letters one network client can ask for in an hour."
    )
    checkouts_per_client: int = setting(
        20,
        help="Tips and gifts that one network client can begin to pay for in an hour, not signed in.",
    )


@dataclass(frozen=True)
class Writing:
    """How issues are read."""

    html: bool = setting(False, help="Allow HTML in issues; it is cleaned before anyone sees it.")


@dataclass(frozen=True)
class Prices:
    """What a tier costs in one further currency: [tiers.NAME.CURRENCY]."""

    currency: str
    monthly: str = setting("", help="What a month costs in this currency.")
    yearly: str = setting("", help="What a year costs in this currency.")
    suggested: tuple[str, ...] = setting((), help="Amounts to choose from in this currency.")
    suggested_yearly: tuple[str, ...] = setting((), help="The same for a year.")
    minimum: str = setting("", help="The least anybody can fill in, in this currency.")


@dataclass(frozen=True)
class TierSettings:
    """A way to be part of it, in the writer's words: [tiers.NAME].

    `free` costs nothing, `tip` is paid once; of the others those with `suggested` or `minimum`
    let the reader fill in an amount, and the rest have a price.
    """

    key: str
    name: str = setting("", help="What the tier is called; empty takes the section's name.")
    words: str = setting("", help="A sentence about it for those who choose.")
    currency: str = setting("usd", help="The currency of its amounts: usd, eur, gbp.")
    monthly: str = setting("", help='What a month costs: "5"; empty offers no months.')
    yearly: str = setting("", help='What a year costs: "50"; empty offers no years.')
    suggested: tuple[str, ...] = setting(
        (), help='Amounts to choose from when the reader fills in their own: ["8", "12", "25"].'
    )
    suggested_yearly: tuple[str, ...] = setting(
        (), help="The same for a year; empty takes ten times those of a month."
    )
    minimum: str = setting("", help='The least anybody can fill in: "1".')
    every: tuple[str, ...] = setting(
        ("month", "year"), help="How often an amount one fills in is paid: month, year."
    )
    trial_days: int = setting(0, help="Days before the first payment, 0 to 730.")
    elsewhere: tuple[Prices, ...] = ()

    @property
    def is_own_amount(self) -> bool:
        """Whether the reader fills in how much."""
        return self.key == TIP or bool(self.suggested or self.minimum)

    @property
    def prices(self) -> tuple[Prices, ...]:
        """What it costs in each currency, its own first."""
        own = Prices(
            self.currency,
            self.monthly,
            self.yearly,
            self.suggested,
            self.suggested_yearly,
            self.minimum,
        )
        return (own, *self.elsewhere)


FREE, TIP = "free", "tip"
# What is offered when connector.toml says nothing of tiers.
TIERS = (
    TierSettings(FREE, name="Free", words="Every letter, for nothing."),
    TierSettings(
        "supporter",
        name="Supporter",
        words="You keep the letters free for everybody.",
        monthly="5",
        yearly="50",
    ),
    TierSettings(
        "founding",
        name="Founding member",
        words="Whatever you can. You decide how much, and can change it at any time.",
        suggested=("8", "12", "25"),
        minimum="1",
    ),
    TierSettings(
        TIP, name="Tip", words="Once, and nothing more.", suggested=("5", "10", "20"), minimum="1"
    ),
)


@dataclass(frozen=True)
class Stripe:
    """Your Stripe account. With no key the built-in Till stands in, and no money moves."""

    key: str = setting(
        "",
        help="Never in connector.toml: CONNECTOR_STRIPE_KEY or …_FILE; sk_live_…, or sk_test_… to try.",
        repr=False,
    )
    webhook_secret: str = setting(
        "",
        help="Never in connector.toml: CONNECTOR_STRIPE_WEBHOOK_SECRET or …_FILE; whsec_….",
        repr=False,
    )
    site: str = setting(
        "",
        help="What our products are called by in your Stripe account; empty takes the site's host. "
        "Keep the old one when the site moves.",
    )
    rehearsal: bool = setting(
        False,
        help="Offer the tiers on a public site without a key, too: members pay with play money.",
    )
    tax: bool = setting(False, help="Let Stripe Tax work out the tax, and ask for tax ids.")
    promotion_codes: bool = setting(True, help="Show a field for promotion codes at the checkout.")
    grace_days: int = setting(
        14, help="Days a member stays one after a payment failed, 0 to 60, while it is tried again."
    )
    tell_joined: bool = setting(True, help="Write to you when somebody becomes a member.")
    tell_left: bool = setting(True, help="Write to you when somebody ends their membership.")
    tell_failed: bool = setting(False, help="Write to you when a payment fails.")
    tell_disputed: bool = setting(True, help="Write to you when somebody disputes a payment.")

    @property
    def is_till(self) -> bool:
        """Whether the built-in Till stands in for Stripe."""
        return not self.key

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.key.startswith(("sk_live_", "rk_live_"))

    @property
    def mode(self) -> Literal["till", "test", "live"]:
        """Where our records come from; records of two modes are never mixed."""
        return "till" if self.is_till else "live" if self.is_live else "test"


@dataclass(frozen=True)
class Settings:
    """Everything this program is told from outside. `root` is the publication's folder."""

    root: Path
    publication: Publication
    mail: Mail
    dkim: Dkim
    inbound: Inbound
    hooks: Hooks
    web: Web
    limits: Limits
    writing: Writing
    database: str
    keys: Keys = field(repr=False)
    dkim_keys: tuple[DkimKey, ...] = field(default=(), repr=False)
    pace: Pace = field(default_factory=Pace)
    further_relays: tuple[RelaySettings, ...] = ()
    stripe: Stripe = field(default_factory=Stripe)
    tiers: tuple[TierSettings, ...] = TIERS

    @property
    def issues(self) -> Path:
        return self.root / "issues"

    @property
    def host(self) -> str:
        """The host name of the site, without a port."""
        return urlsplit(self.publication.url).hostname or ""

    @property
    def domain(self) -> str:
        """The domain letters come from."""
        return self.publication.email.rpartition("@")[2].lower()

    @property
    def site(self) -> str:
        """What our products and subscriptions are known by in a Stripe account."""
        return self.stripe.site or self.host

    @property
    def may_sell(self) -> bool:
        """Whether tiers are offered: with a key, on this machine, or where play money is meant."""
        return not self.stripe.is_till or self.is_local or self.stripe.rehearsal

    @property
    def takes_payments(self) -> bool:
        """Whether anything costs something here, or an account at Stripe is named."""
        return any(tier.key != FREE for tier in self.tiers) or not self.stripe.is_till

    @property
    def webhook_secret(self) -> str:
        """What Stripe, or the Till in its stead, signs its events with; empty closes the door."""
        if self.stripe.is_till:
            return f"whsec_{self.keys.tag('till', 'webhook')}"
        return self.stripe.webhook_secret

    @property
    def dkim_domain(self) -> str:
        """The domain that signs letters, when they are signed here."""
        return (self.dkim.domain or self.domain).lower()

    @property
    def is_local(self) -> bool:
        """Whether the site is only on this machine; the Tray is open to readers then."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    @property
    def has_relay(self) -> bool:
        return bool(self.mail.host)

    @property
    def reads_returns(self) -> bool:
        """Whether mail to the return path comes to us: by a mailbox, a pipe or LMTP."""
        return bool(self.inbound.imap_host) or self.inbound.handed_over

    @property
    def hears_providers(self) -> bool:
        """Whether a mail provider can tell us what became of letters."""
        return self.hooks != Hooks()

    @functools.cached_property
    def relays(self) -> tuple[RelaySettings, ...]:
        """Every relay that letters may leave through, that of [mail] first; none means the Tray."""
        if not self.has_relay:
            return ()
        mail = self.mail
        first = RelaySettings(
            name=f"{mail.host}:{mail.port}",
            host=mail.host,
            port=mail.port,
            security=mail.security,
            user=mail.user,
            password=mail.password,
            connections=mail.connections,
            weight=mail.weight,
        )
        return (first, *self.further_relays)

    def rate_through(self, relay: RelaySettings) -> int:
        """Letters a minute that one relay is given at most; 0 for no limit."""
        return relay.rate or self.pace.rate


SECTIONS: dict[str, type[Any]] = {
    "publication": Publication,
    "mail": Mail,
    "dkim": Dkim,
    "inbound": Inbound,
    "hooks": Hooks,
    "web": Web,
    "limits": Limits,
    "writing": Writing,
    "pace": Pace,
    "stripe": Stripe,
}
# [relays.NAME], one for each further relay.
RELAYS = "relays"
RELAY_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# [tiers.NAME], and in it [tiers.NAME.CURRENCY].
TIER_SECTIONS = "tiers"
TIER_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# Names that [pace.domains] knows beside domains; which addresses they stand for is delivery's.
PROVIDERS = ("apple", "gmx", "google", "microsoft", "proton", "yahoo")
SECRET = {
    ("mail", "password"),
    (RELAYS, "password"),
    ("inbound", "password"),
    ("hooks", "postmark_secret"),
    ("hooks", "mailgun_secret"),
    ("hooks", "sendgrid_secret"),
    ("hooks", "brevo_secret"),
    ("hooks", "resend_secret"),
    ("stripe", "key"),
    ("stripe", "webhook_secret"),
}
RANGES = {
    ("mail", "port"): (1, 65535),
    ("mail", "connections"): (1, 64),
    ("mail", "weight"): (0, 100),
    ("mail", "lease"): (1, 3600),
    (RELAYS, "port"): (1, 65535),
    (RELAYS, "connections"): (1, 64),
    (RELAYS, "weight"): (0, 100),
    (RELAYS, "rate"): (0, 10_000_000),
    ("pace", "rate"): (0, 10_000_000),
    ("pace", "domains"): (1, 10_000_000),
    ("pace", "spread"): (0, 7 * 24 * 60),
    ("inbound", "port"): (1, 65535),
    ("inbound", "minutes"): (1, 1440),
    ("web", "port"): (0, 65535),
    ("limits", "confirmations_per_address"): (1, 1000),
    ("limits", "confirmations_per_client"): (1, 100_000),
    ("limits", "checkouts_per_client"): (1, 100_000),
    (TIER_SECTIONS, "trial_days"): (0, 730),
    ("stripe", "grace_days"): (0, 60),
}


def load(root: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of the publication in `root`; raises Misconfigured with every problem found."""
    problems: list[str] = []
    tables = _tables(root / FILE)
    problems += _strangers(tables)
    sections = {
        name: _section(name, kind, tables.get(name, {}), environment, problems)
        for name, kind in SECTIONS.items()
    }
    relays = tuple(_relays(tables.get(RELAYS, {}), environment, problems))
    tiers = tuple(_tiers(tables.get(TIER_SECTIONS, {}), environment, problems))
    if not problems:
        problems += _between(sections, relays, environment)
    dkim_keys = tuple(_dkim_keys(root, sections["dkim"], environment, problems))
    keys = _keys(root, environment, problems) if not problems else None
    if problems or keys is None:
        raise Misconfigured(problems)
    database = environment.get("CONNECTOR_DATABASE") or "sqlite:///subscribers.db"
    found = Settings(
        root=root,
        database=_beside(root, database),
        keys=keys,
        dkim_keys=dkim_keys,
        further_relays=relays,
        tiers=tiers,
        **sections,
    )
    # Nobody becomes a member of a public site with play money because a key was forgotten.
    return found if found.may_sell else replace(found, tiers=tiers[:1])


def described() -> Iterator[tuple[str, str, str, str]]:
    """Every setting as (key, environment name, default, help), in the manual's order."""
    every: dict[str, type[Any]] = {
        **SECTIONS,
        f"{RELAYS}.NAME": RelaySettings,
        f"{TIER_SECTIONS}.NAME": TierSettings,
        f"{TIER_SECTIONS}.NAME.CURRENCY": Prices,
    }
    for section, kind in every.items():
        for item in _told(kind):
            is_empty = item.default is MISSING or item.default == ()
            default = "" if is_empty else _shown(item.default)
            yield (
                f"{section}.{item.name}",
                _variable(section, item.name),
                default,
                item.metadata["help"],
            )
    yield (
        "",
        "CONNECTOR_DATABASE",
        "sqlite:///subscribers.db",
        "Where readers and letters are kept.",
    )
    yield "", "CONNECTOR_SECRET", "", "Signing keys, newest first, one a line; else connector.key."


def _shown(default: Any) -> str:
    return ", ".join(default) if isinstance(default, tuple) else str(default)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            f"There is no {FILE} in {path.parent}. Go to a publication's folder, "
            "or make one with: connector new DIR"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: is not readable as TOML: {error}") from None
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None


def _strangers(tables: Mapping[str, Any]) -> Iterator[str]:
    for section, table in tables.items():
        if section == RELAYS:
            yield from _strange_relays(table)
        elif section == TIER_SECTIONS:
            yield from _strange_tiers(table)
        elif section not in SECTIONS:
            yield f"{FILE}: [{section}] is not a section I know{_hint(section, SECTIONS)}"
        elif not isinstance(table, dict):
            yield f"{FILE}: {section} must be a section: [{section}]"
        else:
            yield from _strange_keys(section, SECTIONS[section], table)


def _strange_relays(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{FILE}: {RELAYS}: give each further relay a section of its own: [{RELAYS}.second]"
        return
    for name, one in table.items():
        section = f"{RELAYS}.{name}"
        if not isinstance(one, dict):
            yield (
                f"{FILE}: [{RELAYS}] {name}: give each further relay a section of its own: "
                f"[{RELAYS}.second]"
            )
        elif not RELAY_NAME.fullmatch(name):
            yield (
                f"{FILE}: [{section}]: {name!r} is not a name for a relay; "
                "use small letters, digits and hyphens, like [relays.second]"
            )
        else:
            yield from _strange_keys(section, RelaySettings, one)


def _strange_tiers(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{FILE}: {TIER_SECTIONS}: give each tier a section of its own: [tiers.supporter]"
        return
    for name, one in table.items():
        section = f"{TIER_SECTIONS}.{name}"
        if not isinstance(one, dict):
            yield f"{FILE}: [tiers] {name}: give each tier a section of its own: [tiers.supporter]"
        elif not TIER_NAME.fullmatch(name):
            yield (
                f"{FILE}: [{section}]: {name!r} is not a name for a tier; "
                "use small letters and digits, like [tiers.supporter]"
            )
        else:
            yield from _strange_keys(
                section, TierSettings, {key: one[key] for key in one if key not in DECIMALS}
            )
            for currency in one.keys() & DECIMALS.keys():
                if isinstance(one[currency], dict):
                    yield from _strange_keys(f"{section}.{currency}", Prices, one[currency])
                else:
                    yield f"{FILE}: [{section}] {currency} must be a section: [{section}.{currency}]"


def _strange_keys(section: str, kind: type[Any], table: Mapping[str, Any]) -> Iterator[str]:
    known = [item.name for item in _told(kind)]
    for key in table:
        if key not in known:
            yield f"{FILE}: [{section}] {key} is not a setting I know{_hint(key, known)}"


def _told(kind: type[Any]) -> "list[Field[Any]]":
    """The fields that come from outside; a relay's name is that of its section."""
    return [item for item in fields(kind) if "help" in item.metadata]


def _hint(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; remove it."


def _section(
    section: str,
    kind: type[Any],
    table: Any,
    environment: Mapping[str, str],
    problems: list[str],
) -> Any:
    values: dict[str, Any] = _named(section, kind)
    found_before = len(problems)
    hints = get_type_hints(kind)
    for item in _told(kind):
        where = _where(section, item, environment)
        value = _value(
            section, item, table if isinstance(table, dict) else {}, environment, problems
        )
        if value is MISSING:
            continue
        wanted = hints[item.name]
        if wanted == TABLE:
            problems += _wrong_table(section, item.name, value, environment)
            values[item.name] = tuple(value.items()) if isinstance(value, dict) else ()
            continue
        if wanted == LIST:
            texts = value if isinstance(value, (list, tuple)) else [None]
            if not all(isinstance(one, str) for one in texts):
                problems.append(
                    f"{where}: {value!r} is not a list of texts; write it like "
                    + ('["month", "year"]' if item.name == "every" else '["8", "12", "25"]')
                )
                continue
            values[item.name] = tuple(texts)
            continue
        if type(value) is not wanted:
            problems.append(f"{where}: {value!r} is not {_kind(wanted)}.")
            continue
        values[item.name] = value
        problems += [f"{where}: {why}" for why in _wrong(section, item.name, value)]
    missing = [
        item for item in _told(kind) if item.default is MISSING and not values.get(item.name, True)
    ]
    problems += [
        f"{_where(section, item, environment)}: must not be empty. {item.metadata['help']}"
        for item in missing
    ]
    if len(problems) > found_before:
        return None
    built = kind(**values)
    problems += _together(section, built)
    return built


def _named(section: str, kind: type[Any]) -> dict[str, Any]:
    """What a section's own name says."""
    last = section.rpartition(".")[2]
    if kind is RelaySettings:
        return {"name": section[len(RELAYS) + 1 :]}
    if kind is TierSettings:
        return {"key": last}
    return {"currency": last} if kind is Prices else {}


def _value(
    section: str,
    item: "Field[Any]",
    table: Mapping[str, Any],
    environment: Mapping[str, str],
    problems: list[str],
) -> Any:
    variable = _variable(section, item.name)
    if (_family(section), item.name) in SECRET:
        if item.name in table:
            problems.append(
                f"{_where(section, item, {})}: a secret; put it in {variable} or {variable}_FILE."
            )
            return MISSING
        return _secret(variable, environment, problems)
    if variable in environment:
        return _typed(environment[variable], item)
    if item.name in table:
        return table[item.name]
    if item.default is MISSING:
        problems.append(f"{_where(section, item, {})}: is missing. {item.metadata['help']}")
    return MISSING


def _secret(variable: str, environment: Mapping[str, str], problems: list[str]) -> Any:
    if path := environment.get(f"{variable}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            problems.append(f"{variable}_FILE: {path} cannot be read ({error.strerror}).")
            return MISSING
        except UnicodeDecodeError:
            problems.append(f"{variable}_FILE: {path} is not text.")
            return MISSING
    return environment.get(variable, MISSING)


def _typed(text: str, item: "Field[Any]") -> Any:
    if isinstance(item.default, bool):
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
            text.lower(), text
        )
    if isinstance(item.default, int) and re.fullmatch(r"-?\d+", text):
        return int(text)
    if item.type == LIST:
        return tuple(re.split(r"[\s,]+", text.strip()))
    if item.default == () and re.fullmatch(r"\s*([^\s=,]+=\d+[\s,]*)*", text):
        return {name: int(number) for name, number in re.findall(r"([^\s=,]+)=(\d+)", text)}
    return text


def _kind(wanted: type) -> str:
    return {str: "text in quotes", int: "a whole number", bool: "true or false"}[wanted]


def _wrong_table(
    section: str, name: str, value: Any, environment: Mapping[str, str]
) -> Iterator[str]:
    """A table of names and numbers: [pace.domains], or google=600 gmx=60 in the environment."""
    variable = _variable(section, name)
    if not isinstance(value, dict):
        yield (
            f"{variable}: {value!r} is not a list of limits; write it like google=600 gmx=60"
            if variable in environment
            else f"{FILE}: [{section}] {name} must be a section: [{section}.{name}]"
        )
        return
    low, high = RANGES[section, name]
    for key, number in value.items():
        where = variable if variable in environment else f"{FILE}: [{section}.{name}]"
        if key not in PROVIDERS and not (key == key.lower() and _is_domain(key)):
            yield (
                f"{where} {key} is neither a provider I know nor a domain{_hint(key, PROVIDERS)} "
                'A domain goes in quotes, in small letters: "example.org" = 60'
            )
        elif type(number) is not int:
            yield f"{where} {key}: {number!r} is not a whole number."
        elif not low <= number <= high:
            yield f"{where} {key}: {number} is not between {low} and {high}."


def _wrong(section: str, name: str, value: Any) -> Iterator[str]:
    section = _family(section)
    if isinstance(value, str) and "\n" in value and name not in {"about", "address"}:
        yield "must be one line."
    elif (section, name) in RANGES:
        low, high = RANGES[section, name]
        if not low <= value <= high:
            yield f"{value} is not between {low} and {high}."
    elif (section, name) in SHAPES and value:
        is_right, what = SHAPES[section, name]
        if not is_right(value):
            yield f"{value!r} is not {what}"


def _is_site(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and value == value.rstrip("/")
        and not (parts.path or parts.query or parts.fragment)
    )


def _is_colour(value: str) -> bool:
    return re.fullmatch(r"#[0-9a-fA-F]{6}", value) is not None


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_address(value: str) -> bool:
    return re.fullmatch(r"[^@\s<>\"(),;:]+@[^@\s<>\"(),;:]+\.[^@\s<>\"(),;:.]+", value) is not None


def _is_domain(value: str) -> bool:
    return "." in value and not value.startswith(".") and _is_address(f"x@{value}")


# RFC 6376 section 3.1: names of the DNS, with points between them.
SELECTOR = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
A_SELECTOR = (
    lambda value: SELECTOR.fullmatch(value) is not None,
    "a selector; write it with letters, digits and hyphens: letters-2026",
)
A_SECURITY = (
    lambda value: value in ("starttls", "tls", "none"),
    "one of starttls, tls, none.",
)
AN_ADDRESS = (_is_address, "an email address; write it like hello@example.org")
SHAPES: dict[tuple[str, str], tuple[Callable[[str], bool], str]] = {
    ("publication", "url"): (
        _is_site,
        "a site's address; write it like https://letters.example.org, without a slash at the end",
    ),
    ("publication", "accent"): (_is_colour, "a colour; write it like #9a3412"),
    ("publication", "zone"): (_is_zone, "a time zone; write it like Europe/Riga"),
    ("publication", "email"): AN_ADDRESS,
    ("mail", "return_path"): AN_ADDRESS,
    ("mail", "notices_from"): AN_ADDRESS,
    ("hooks", "ses_topic"): (
        lambda value: value.startswith("arn:aws"),
        "the ARN of a topic; write it like arn:aws:sns:eu-west-1:123456789012:bounces",
    ),
    ("dkim", "selector"): A_SELECTOR,
    ("dkim", "ed25519_selector"): A_SELECTOR,
    ("dkim", "domain"): (_is_domain, "a domain; write it like example.org"),
    ("mail", "security"): A_SECURITY,
    (RELAYS, "security"): A_SECURITY,
    ("pace", "warmup"): (_is_day, "a day; write it like 2026-12-01"),
}


def _together(section: str, built: Any) -> Iterator[str]:
    if section == "dkim" and built.ed25519_selector:
        # RFC 8463 section 3: who does not know the newer kind looks for the older.
        if not built.selector:
            yield f"{FILE}: [dkim] ed25519_selector: is a second key; give the first a selector too."
        elif built.selector.lower() == built.ed25519_selector.lower():
            yield f"{FILE}: [dkim] ed25519_selector: must differ from selector; each names one key."
    if section == "inbound" and built.imap_host and not (built.user and built.password):
        yield (
            f"{FILE}: [inbound] imap_host: {built.imap_host!r} needs a user, and a password in "
            "CONNECTOR_INBOUND_PASSWORD or CONNECTOR_INBOUND_PASSWORD_FILE."
        )
    if section == "stripe":
        yield from _wrong_keys(built)
    if _family(section) not in ("mail", RELAYS) or not built.host:
        return
    if built.security == "none" and built.host not in ("127.0.0.1", "localhost", "::1"):
        yield f"{FILE}: [{section}] security: none sends letters in the open; use starttls or tls."
    if built.user and not built.password:
        variable = _variable(section, "password")
        yield (
            f"{FILE}: [{section}] user: {built.user!r} needs a password; "
            f"put it in {variable} or {variable}_FILE."
        )


def _wrong_keys(stripe: Stripe) -> Iterator[str]:
    """What is wrong with the keys, without saying them."""
    if stripe.key and not re.fullmatch(r"[sr]k_(test|live)_[A-Za-z0-9_]+", stripe.key):
        kind = "the public one" if stripe.key.startswith("pk_") else "not one I know"
        yield (
            f"CONNECTOR_STRIPE_KEY: this key is {kind}; copy the secret key, sk_live_… or sk_test_…, "
            "from Stripe's page “API keys”."
        )
    if stripe.webhook_secret and not re.fullmatch(
        r"whsec_[A-Za-z0-9+/=_-]+", stripe.webhook_secret
    ):
        yield (
            "CONNECTOR_STRIPE_WEBHOOK_SECRET: is not a signing secret; it begins with whsec_ and is "
            "on the page of the webhook endpoint."
        )


def _relays(
    tables: Any, environment: Mapping[str, str], problems: list[str]
) -> Iterator[RelaySettings]:
    """The further relays, in the file's order; what is no table at all was complained about."""
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict) and RELAY_NAME.fullmatch(name):
            found = _section(f"{RELAYS}.{name}", RelaySettings, table, environment, problems)
            if found is not None:
                yield found


def _tiers(
    tables: Any, environment: Mapping[str, str], problems: list[str]
) -> Iterator[TierSettings]:
    """What is offered, free first, in the file's order; a file that says nothing gets ours."""
    if not isinstance(tables, dict) or not tables:
        yield from TIERS
        return
    if FREE not in tables:
        yield TIERS[0]
    for name, table in sorted(tables.items(), key=lambda one: one[0] != FREE):
        if isinstance(table, dict) and TIER_NAME.fullmatch(name):
            found = _tier(name, table, environment, problems)
            if found is not None:
                yield found


def _tier(
    name: str, table: Mapping[str, Any], environment: Mapping[str, str], problems: list[str]
) -> TierSettings | None:
    section = f"{TIER_SECTIONS}.{name}"
    found = _section(section, TierSettings, table, environment, problems)
    elsewhere = [
        _section(f"{section}.{currency}", Prices, table[currency], environment, problems)
        for currency in table
        if currency in DECIMALS and isinstance(table[currency], dict)
    ]
    if found is None or None in elsewhere:
        return None
    tier: TierSettings = replace(
        found, name=found.name or name.replace("_", " ").capitalize(), elsewhere=tuple(elsewhere)
    )
    problems += _wrong_tier(section, tier)
    return tier


def _wrong_tier(section: str, tier: TierSettings) -> Iterator[str]:
    """What makes a tier one that nobody could choose."""
    where = f"{FILE}: [{section}]"
    has_amounts = any(
        (one.monthly, one.yearly, one.suggested, one.minimum) != ("", "", (), "")
        for one in tier.prices
    )
    if tier.key == FREE:
        if has_amounts:
            yield f"{where}: free costs nothing; give it a name and words only."
        return
    if not (set(tier.every) <= {"month", "year"} and tier.every):
        yield f'{where} every: {list(tier.every)!r} is not right; write it like ["month", "year"]'
    if not has_amounts:
        yield f'{where}: costs nothing; give it monthly = "5", or suggested = ["8", "12", "25"].'
    if tier.is_own_amount and any(one.monthly or one.yearly for one in tier.prices):
        yield (
            f"{where}: has a price, and amounts to fill in; take monthly and yearly away, "
            "or suggested and minimum."
        )
    if tier.key == TIP and tier.trial_days:
        yield f"{where} trial_days: a tip is paid once; remove it."
    for one in tier.prices:
        inner = section if one.currency == tier.currency else f"{section}.{one.currency}"
        yield from _wrong_prices(inner, one)
    currencies = [one.currency for one in tier.prices]
    for currency in sorted({one for one in currencies if currencies.count(one) > 1}):
        yield f"{where} currency: {currency} has a section of its own, too; keep one of them."


def _wrong_prices(section: str, prices: Prices) -> Iterator[str]:
    where = f"{FILE}: [{section}]"
    if prices.currency not in DECIMALS:
        close = _hint(prices.currency.lower(), DECIMALS).removesuffix("; remove it.")
        yield f"{where} currency: {prices.currency!r} is not a currency I know; write it like usd{close}"
        return
    wrong = list(_wrong_amounts(where, prices))
    yield from wrong
    if not wrong and prices.minimum:
        for name in ("suggested", "suggested_yearly"):
            for text in getattr(prices, name):
                if Decimal(text) < Decimal(prices.minimum):
                    yield f"{where} {name}: {text} is less than the minimum, {prices.minimum}."


def _wrong_amounts(where: str, prices: Prices) -> Iterator[str]:
    _, charged = DECIMALS[prices.currency]
    shape = re.compile(r"[0-9]{1,6}" + (rf"(\.[0-9]{{1,{charged}}})?" if charged else ""))
    example = '"5" or "7.50"' if charged else '"500"'
    for name in ("monthly", "yearly", "suggested", "suggested_yearly", "minimum"):
        value = getattr(prices, name)
        for text in (value,) if isinstance(value, str) and value else value:
            if not shape.fullmatch(text) or not Decimal(text):
                yield (
                    f"{where} {name}: {text!r} is not an amount in {prices.currency}; "
                    f"write it like {example}"
                )


def _between(
    sections: Mapping[str, Any],
    relays: tuple[RelaySettings, ...],
    environment: Mapping[str, str],
) -> Iterator[str]:
    """What two sections have to agree on."""
    if relays and not sections["mail"].host:
        yield (
            f"{FILE}: [{RELAYS}.{relays[0].name}] is a further relay, and there is no first one; "
            "give [mail] a host."
        )
    dkim, publication = sections["dkim"], sections["publication"]
    sender = publication.email.rpartition("@")[2].lower()
    if dkim.domain and not are_aligned(dkim.domain, sender):
        yield (
            f"{_where_is('dkim', 'domain', environment)}: {dkim.domain!r} cannot sign for {sender}; "
            f"use {sender}, or a domain above it."
        )


def are_aligned(one: str, other: str) -> bool:
    """Whether a signature of one domain counts for mail from the other (RFC 7489 section 3.1.1).

    Two that share only a domain above both are taken for strangers: nobody can tell from
    their names alone whether that one is a family's or a registry's.
    """
    one, other = f".{one.lower()}", f".{other.lower()}"
    return one.endswith(other) or other.endswith(one)


def _dkim_keys(
    root: Path, dkim: Dkim | None, environment: Mapping[str, str], problems: list[str]
) -> Iterator[DkimKey]:
    """The keys as their files have them; whether they are good is for delivery to say."""
    if dkim is None:
        return
    wanted: list[tuple[str, Literal["rsa", "ed25519"], str, str]] = [
        (dkim.selector, "rsa", "key_file", "connector dkim new"),
        (dkim.ed25519_selector, "ed25519", "ed25519_key_file", "connector dkim new --ed25519"),
    ]
    for selector, kind, name, cure in wanted:
        path = root / getattr(dkim, name)
        try:
            if selector:
                yield DkimKey(selector, kind, path, path.read_bytes())
        except OSError as error:
            problems.append(
                f"{_where_is('dkim', name, environment)}: {path} cannot be read ({error.strerror}); "
                f"make a key with: {cure} --selector {selector}"
            )


def _keys(root: Path, environment: Mapping[str, str], problems: list[str]) -> Keys | None:
    secret = _secret("CONNECTOR_SECRET", environment, problems)
    try:
        if isinstance(secret, str):
            return read_keys(secret, source="CONNECTOR_SECRET")
        return keys_in(root / "connector.key") if not problems else None
    except Misconfigured as error:
        problems += error.problems
        return None


def _beside(root: Path, url: str) -> str:
    """A database whose path is relative is in the publication's folder, wherever we stand."""
    scheme, mark, path = url.partition(":///")
    return f"{scheme}{mark}{root / path}" if scheme == "sqlite" and path else url


def _family(section: str) -> str:
    """What a section is one of: all of [relays.NAME] are alike."""
    return section.partition(".")[0]


def _variable(section: str, name: str) -> str:
    return re.sub(r"[.-]", "_", f"CONNECTOR_{section}_{name}".upper())


def _where(section: str, item: "Field[Any]", environment: Mapping[str, str]) -> str:
    """Where somebody has to look: the environment wins over the file."""
    variable = _variable(section, item.name)
    if variable in environment:
        return variable
    if (_family(section), item.name) in SECRET and f"{variable}_FILE" in environment:
        return f"{variable}_FILE"
    return f"{FILE}: [{section}] {item.name}"


def _where_is(section: str, name: str, environment: Mapping[str, str]) -> str:
    (item,) = [item for item in fields(SECTIONS[section]) if item.name == name]
    return _where(section, item, environment)
