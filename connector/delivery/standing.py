"""How our domain stands with mailbox providers, as the DNS shows it: SPF, DKIM, DMARC, MX, PTR.

Every verdict says the cure. It asks and judges; it changes nothing and sends nothing.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from connector.delivery import dkim
from connector.delivery.dns import Resolver
from connector.delivery.encoding import ascii_domain
from connector.errors import Misconfigured
from connector.settings import Settings, are_aligned

HERE = ("127.0.0.1", "localhost", "::1")
LOOKUPS = 10  # RFC 7208 section 4.6.4
ASKING = ("include", "a", "mx", "ptr", "exists", "redirect")
TERM = re.compile(r"([+?~-]?)([a-z0-9]+)(?:[:=](.+)|(/.*))?", re.IGNORECASE)
NULL_MX = "."


class Verdict(NamedTuple):
    """`is_error` makes mailbox providers refuse letters, or loses what comes back."""

    is_error: bool
    what: str


Examination = Callable[[Settings, Resolver], Iterator[Verdict]]


def examinations(settings: Settings) -> Iterator[tuple[str, Examination]]:
    """What there is to look at for these settings, by name."""
    yield f"SPF of {_bounces_at(settings)}", spf
    if settings.dkim_keys:
        yield f"DKIM of {dkim.domain(settings)}", signatures
    yield f"DMARC of {_writes_from(settings)}", dmarc
    yield "The way back", way_back
    if settings.mail.host in HERE:
        # Else the relay speaks to the world, and its name is its owner's business.
        yield "This server’s name", reverse


def _bounces_at(settings: Settings) -> str:
    """The domain of the envelope sender, which is the one that SPF is about."""
    return ascii_domain(settings.mail.return_path.rpartition("@")[2].lower() or settings.domain)


def _writes_from(settings: Settings) -> str:
    return ascii_domain(settings.domain)


def _could_not(name: str, trouble: str) -> Verdict:
    return Verdict(is_error=False, what=f"could not ask about {name}: {trouble}.")


# SPF


def spf(settings: Settings, resolver: Resolver) -> Iterator[Verdict]:
    """RFC 7208: which servers may send with our envelope address."""
    domain = _bounces_at(settings)
    found = resolver.ask(domain, "TXT")
    if found.trouble:
        yield _could_not(domain, found.trouble)
        return
    records = _spf_among(found.records)
    if not records:
        yield Verdict(
            is_error=True,
            what="there is no record. Your relay says what to write, as TXT; "
            "it looks like: v=spf1 include:spf.example.net ~all",
        )
    elif len(records) > 1:
        yield Verdict(
            is_error=True,
            what=f"there are {len(records)} records that begin with v=spf1, and then none counts "
            "(RFC 7208 section 3.2). Join them into one.",
        )
    else:
        yield from _ending(records[0])
        walk = _Walk(resolver)
        walk.follow(records[0])
        yield from walk.verdicts()


def _spf_among(records: tuple[str, ...]) -> list[str]:
    return [one for one in records if one.lower() == "v=spf1" or one.lower().startswith("v=spf1 ")]


def _terms(record: str) -> list[tuple[str, str, str]]:
    """(qualifier, mechanism, target) of each term up to `all`; modifiers look like mechanisms."""
    terms = []
    for word in record.split()[1:]:
        found = TERM.fullmatch(word)
        if found is None:
            terms.append(("", "?", word))
            continue
        sign, name, target = found[1] or "+", found[2].lower(), found[3] or ""
        terms.append((sign, name, target))
    return terms


def _ending(record: str) -> Iterator[Verdict]:
    terms = _terms(record)
    ends = [sign for sign, name, _ in terms if name == "all"]
    if ends and ends[0] == "+":
        yield Verdict(
            is_error=True,
            what="it ends with +all, which lets anybody send in your name. End it with ~all.",
        )
    elif not (ends and ends[0] in "~-") and not any(name == "redirect" for _, name, _ in terms):
        yield Verdict(
            is_error=False,
            what="it says nothing about servers it does not name. End it with ~all.",
        )


class _Walk:
    """Follows what a record includes, as a receiver does for each letter."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._lookups = 0
        self._seen: set[str] = set()
        self._found: list[Verdict] = []

    def follow(self, record: str) -> None:
        terms = _terms(record)
        has_all = any(name == "all" for _, name, _ in terms)
        for _, name, target in terms:
            if name == "?":
                self._say(f"“{target}” in it cannot be read; remove it.")
            self._lookups += name in ASKING
            if self._lookups > LOOKUPS:
                return
            if name == "include" or (name == "redirect" and not has_all):
                self._enter(target)
            if name == "all":
                return

    def verdicts(self) -> Iterator[Verdict]:
        yield from self._found
        if self._lookups > LOOKUPS:
            yield Verdict(
                is_error=True,
                what=f"it leads to more than {LOOKUPS} further questions, and then none of it counts "
                "(RFC 7208 section 4.6.4). Remove what you no longer use.",
            )

    def _enter(self, target: str) -> None:
        name = target.lower().rstrip(".")
        if "%" in name or name in self._seen:
            return  # a macro differs with every letter
        self._seen.add(name)
        found = self._resolver.ask(name, "TXT")
        records = _spf_among(found.records)
        if found.trouble:
            self._found.append(_could_not(name, found.trouble))
        elif len(records) != 1:
            count = "no SPF record" if not records else f"{len(records)} SPF records"
            self._say(
                f"it includes {name}, which has {count}, and then none of it counts "
                "(RFC 7208 section 5.2). Correct the name, or remove it."
            )
        else:
            self.follow(records[0])

    def _say(self, what: str) -> None:
        self._found.append(Verdict(is_error=True, what=what))


# DKIM


def signatures(settings: Settings, resolver: Resolver) -> Iterator[Verdict]:
    """RFC 6376: whether the world finds the public half of each key that we sign with."""
    try:
        signers = dkim.signers(settings)
    except Misconfigured as error:
        yield from (Verdict(is_error=True, what=problem) for problem in error.problems)
        return
    for signer in signers:
        wanted = dkim.record(signer)
        found = resolver.ask(wanted.name, "TXT")
        if found.trouble:
            yield _could_not(wanted.name, found.trouble)
        elif not found.records:
            yield Verdict(
                is_error=True,
                what=f"there is no TXT record at {wanted.name}. "
                "See what belongs there with: connector dkim show",
            )
        elif len(found.records) > 1:
            yield Verdict(
                is_error=True,
                what=f"there are {len(found.records)} records at {wanted.name}, and a receiver may "
                "take either. Leave the one that connector dkim show shows.",
            )
        else:
            yield from _key(wanted, found.records[0])


def _key(wanted: dkim.Record, shown: str) -> Iterator[Verdict]:
    ours, theirs = _tags(wanted.value), _tags(shown)
    cure = "Copy the value anew from: connector dkim show"
    if theirs.get("p") == "":
        yield Verdict(is_error=True, what=f"{wanted.name} says that this key is revoked. {cure}")
    elif (theirs.get("p"), theirs.get("k", "rsa")) != (ours["p"], ours["k"]):
        yield Verdict(
            is_error=True, what=f"{wanted.name} shows another key than we sign with. {cure}"
        )
    elif "y" in theirs.get("t", "").split(":"):
        yield Verdict(
            is_error=False,
            what=f"{wanted.name} says t=y, so that receivers take the signatures for a test. "
            "Remove t=y.",
        )


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs if name.strip()}


# DMARC


def dmarc(settings: Settings, resolver: Resolver) -> Iterator[Verdict]:
    """RFC 7489: what receivers do with letters that only claim to be ours."""
    domain = _writes_from(settings)
    for name in _upwards(domain):
        found = resolver.ask(f"_dmarc.{name}", "TXT")
        if found.trouble:
            yield _could_not(f"_dmarc.{name}", found.trouble)
            return
        records = [one for one in found.records if one.replace(" ", "").startswith("v=DMARC1")]
        if len(records) > 1:
            yield Verdict(
                is_error=True,
                what=f"there are {len(records)} records at _dmarc.{name}, and then none counts. "
                "Leave one.",
            )
            return
        if records:
            yield from _policy(settings, _tags(records[0]), name, is_own=name == domain)
            return
    yield Verdict(
        is_error=False,
        what="there is no record. Gmail, Yahoo and Outlook ask for one from everybody who sends "
        f"many letters. Write, as TXT at _dmarc.{domain}: v=DMARC1; p=none",
    )


def _upwards(domain: str) -> Iterator[str]:
    """The domain, and those above it that are more than a registry's, probably."""
    labels = domain.split(".")
    for at in range(max(len(labels) - 1, 1)):
        yield ".".join(labels[at:])


def _policy(
    settings: Settings, tags: dict[str, str], name: str, *, is_own: bool
) -> Iterator[Verdict]:
    policy = (tags.get("p", "") if is_own else tags.get("sp", tags.get("p", ""))).lower()
    if policy not in ("none", "quarantine", "reject"):
        yield Verdict(
            is_error=True,
            what=f"the record at _dmarc.{name} has no p= that anybody knows. Write p=none first.",
        )
        return
    if policy == "none" or settings.dkim_keys:
        return
    bounces, writes = _bounces_at(settings), _writes_from(settings)
    is_strict = tags.get("aspf", "r").lower() == "s"
    if not (bounces == writes if is_strict else are_aligned(bounces, writes)):
        yield Verdict(
            is_error=False,
            what=f"p={policy} has letters refused unless your relay signs them for {writes}: their "
            f"envelope says {bounces}, which does not count. Look for dkim=pass in a letter to yourself.",
        )


# The way back


def way_back(settings: Settings, resolver: Resolver) -> Iterator[Verdict]:
    """Whether mail can reach us: bounces at the one domain, answers at the other."""
    for domain in dict.fromkeys((_bounces_at(settings), _writes_from(settings))):
        yield from _takes_mail(resolver, domain)


def _takes_mail(resolver: Resolver, domain: str) -> Iterator[Verdict]:
    found = resolver.ask(domain, "MX")
    if found.trouble:
        yield _could_not(domain, found.trouble)
        return
    hosts = [record.split()[-1] for record in found.records]
    if hosts == [NULL_MX]:
        yield Verdict(
            is_error=True,
            what=f"{domain} says that it takes no mail (RFC 7505); bounces and answers are lost. "
            "Give it an MX record, or set mail.return_path to an address that does.",
        )
        return
    # RFC 5321 section 5.1: without an MX the domain itself is asked.
    answers = [resolver.addresses_of(host.rstrip(".")) for host in hosts or [domain]]
    if any(answer.records for answer in answers):
        return
    if trouble := next((answer.trouble for answer in answers if answer.trouble), ""):
        yield _could_not(f"the mail server of {domain}", trouble)
        return
    what = (
        f"its mail server {hosts[0].rstrip('.')} has no address" if hosts else "nobody takes mail"
    )
    yield Verdict(
        is_error=True,
        what=f"{domain}: {what}; bounces and answers are lost. Correct its MX record.",
    )


# Our own name, when the relay is on this machine


def reverse(settings: Settings, resolver: Resolver) -> Iterator[Verdict]:
    """Whether the address we speak from has a name, and the name has that address."""
    name = ascii_domain(settings.mail.hello or settings.host).lower()
    found = resolver.addresses_of(name)
    if found.trouble:
        yield _could_not(name, found.trouble)
    elif not found.records:
        yield Verdict(
            is_error=True,
            what=f"{name}, by which we greet others, has no address. "
            "Give it an A record, or set mail.hello to the name of this server.",
        )
    for ip in found.records:
        yield from _named(resolver, ip, name)


def _named(resolver: Resolver, ip: str, name: str) -> Iterator[Verdict]:
    found = resolver.names_of(ip)
    names = [one.rstrip(".") for one in found.records]
    if found.trouble:
        yield _could_not(ip, found.trouble)
    elif not names:
        yield Verdict(
            is_error=True,
            what=f"{ip} has no name (PTR), and Gmail and Yahoo refuse letters from such. "
            f"Whoever rents you the server can set it to {name}.",
        )
    elif name not in names and not any(ip in resolver.addresses_of(one).records for one in names):
        yield Verdict(
            is_error=True,
            what=f"{ip} says that it is {names[0]}, which does not lead back to it. "
            f"Whoever rents you the server can set its name (PTR) to {name}.",
        )
