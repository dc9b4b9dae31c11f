"""Link cards and buttons: a link that stands alone, with what is known about where it leads.

Nothing is fetched; a card shows what the writer gave.
"""

import re
from urllib.parse import urlsplit

from connector.publishing.markdown import Token, end_of, plain

SITES = {
    "youtube.com": "Watch on YouTube",
    "youtu.be": "Watch on YouTube",
    "vimeo.com": "Watch on Vimeo",
    "x.com": "Read the post on X",
    "twitter.com": "Read the post on X",
    "bsky.app": "Read the post on Bluesky",
    "mastodon.social": "Read the post on Mastodon",
    "instagram.com": "See the post on Instagram",
    "tiktok.com": "Watch on TikTok",
}
LONGEST_LABEL = 60


def lone_link(tokens: list[Token], at: int) -> Token | None:
    """A card, where a paragraph holds one link and nothing else."""
    token = tokens[at]
    if token.type == "figure_open":
        return _picture_card(tokens, at)
    if token.type != "paragraph_open" or token.hidden:
        return None
    children = tokens[at + 1].children or []
    if len(children) < 2 or children[0].type != "link_open" or children[-1].type != "link_close":  # noqa: PLR2004
        return None
    if any(child.type in ("link_open", "footnote_ref") for child in children[1:]):
        return None
    href = str(children[0].attrs.get("href", ""))
    if not href.startswith(("https://", "http://")):
        return None
    return _card_of(href, children[0], plain(children), map_=token.map)


def _picture_card(tokens: list[Token], at: int) -> Token | None:
    token = tokens[at]
    href = str(token.meta.get("href", ""))
    if _site(href) not in SITES:
        return None
    words = " ".join(plain(inner.children) for inner in tokens[at + 1 : end_of(tokens, at)])
    made = _card_of(href, None, words.strip(), map_=token.map)
    made.children = token.children
    return made


def _card_of(href: str, link: Token | None, title: str, *, map_: list[int] | None) -> Token:
    site = _site(href)
    is_bare = not title or (link is not None and link.info == "auto")
    if is_bare:
        title = SITES.get(site) or _shortened(href)
    note = str(link.attrs.get("title", "")) if link is not None else ""
    shown = "" if is_bare and site not in SITES else site
    return Token(
        "card",
        "a",
        0,
        attrs={"href": href},
        map=map_,
        meta={"title": title, "note": note, "site": shown},
    )


def _shortened(href: str) -> str:
    """An address as a person would say it: no scheme, no www, not too long."""
    address = re.sub(r"^\w+://(www\.)?", "", href).rstrip("/")
    return address if len(address) <= LONGEST_LABEL else address[: LONGEST_LABEL - 1] + "…"


def _site(href: str) -> str:
    try:
        host = urlsplit(href).hostname or ""
    except ValueError:
        return ""
    return re.sub(r"^(www|m)\.", "", host)


def card(tokens: list[Token]) -> Token | None:
    """What `::: card` holds: a picture, a link, and words for the note."""
    link: Token | None = None
    picture: Token | None = None
    title: list[Token] = []
    note: list[Token] = []
    href = ""
    for token in tokens[1:]:
        if token.type == "figure_open":
            href = href or str(token.meta.get("href", ""))
        inside = False
        for child in token.children or ():
            if child.type == "image":
                picture = picture or child
            elif child.type == "link_open":
                link, inside = link or child, link is None
            elif child.type == "link_close":
                inside = False
            else:
                (title if inside else note).append(child)
        note.append(Token("softbreak", "", 0))
    href = str(link.attrs.get("href", "")) if link is not None else href
    if not href:
        return None
    made = _card_of(href, link, plain(title), map_=tokens[0].map)
    made.meta["note"] = " ".join(plain(note).split()) or made.meta["note"]
    made.children = [picture] if picture else None
    return made


def buttons(tokens: list[Token]) -> Token | None:
    links: list[tuple[str, str]] = []
    for token in tokens:
        href = ""
        label: list[Token] = []
        for child in token.children or ():
            if child.type == "link_open":
                href, label = str(child.attrs.get("href", "")), []
            elif child.type == "link_close":
                links.append((href, plain(label)))
            else:
                label.append(child)
    if not links:
        return None
    return Token("buttons", "p", 0, map=tokens[0].map, meta={"links": links})
