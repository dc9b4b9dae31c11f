"""Which addresses are one provider's, so that what it asks of us holds for all of them.

It knows names only, and asks neither the DNS nor the database.
"""

import functools

from connector.settings import PROVIDERS

# Their own words: gmx.net and web.de are one house, and so are outlook.com and hotmail.fr.
DOMAINS: dict[str, tuple[str, ...]] = {
    "apple": ("icloud.com", "me.com", "mac.com"),
    "gmx": ("gmx.*", "web.de", "mail.com"),
    "google": ("gmail.com", "googlemail.com"),
    "microsoft": ("outlook.*", "hotmail.*", "live.*", "msn.com", "windowslive.com", "passport.com"),
    "proton": ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    "yahoo": ("yahoo.*", "ymail.com", "rocketmail.com", "myyahoo.com", "aol.*", "aim.com"),
}
assert tuple(DOMAINS) == PROVIDERS  # noqa: S101 - the settings accept exactly these

_EXACT = {
    domain: group
    for group, domains in DOMAINS.items()
    for domain in domains
    if not domain.endswith(".*")
}
_FAMILIES = {
    domain.removesuffix(".*"): group
    for group, domains in DOMAINS.items()
    for domain in domains
    if domain.endswith(".*")
}
# yahoo.co.uk and hotmail.com.ar are theirs; live.example.org and outlook.team are not.
_SECOND_LEVEL = {"co", "com", "net", "ne", "or"}
_COUNTRY = 2
_GENERIC = {"com", "net", "org"}


def group_of(address: str) -> str:
    """The provider an address is at: a name like “google”, else its own domain in lower case."""
    return group_of_domain(address.rpartition("@")[2])


@functools.lru_cache(maxsize=16384)
def group_of_domain(domain: str) -> str:
    domain = domain.lower().rstrip(".")
    exact = _EXACT.get(domain)
    if exact:
        return exact
    family, _, rest = domain.partition(".")
    group = _FAMILIES.get(family)
    return group if group and _is_register(rest) else domain


def patterns_of(group: str) -> tuple[str, ...]:
    """What addresses of a group look like to SQL's LIKE: nearly all of them, and few others."""
    domains = DOMAINS.get(group, (group,))
    return tuple(
        f"%@{domain.removesuffix('*')}{'%' if domain.endswith('*') else ''}" for domain in domains
    )


def _is_register(rest: str) -> bool:
    """Whether `rest` is where a country or the world registers names: “com”, “fr”, “co.uk”."""
    first, _, last = rest.rpartition(".")
    if len(last) == _COUNTRY:
        return first in ("", *_SECOND_LEVEL)
    return last in _GENERIC and not first
