"""What to look at before an issue goes out: each finding with its line and its cure.

It changes nothing and asks no network; whether a site answers is for the writer to try.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from connector import clock
from connector.delivery.letter import Letter
from connector.publishing.document import Document
from connector.publishing.editions import AWAY, SCHEME, Audience, Cut
from connector.publishing.finding import Finding, Severity, did_you_mean
from connector.publishing.issue import Issue, slug_of
from connector.publishing.markdown import BLOCKS, Problem, Token, plain
from connector.settings import Settings

CLIPPED = 102_400  # Gmail shows no more of a letter than this
HEAVY = 90_000
LONG_SUBJECT = 70
LONG_PREHEADER = 140
FARTHEST = 366 * clock.DAY
EARLIEST = 315_532_800_000  # 1980: nobody mailed a newsletter from Markdown before
PLAIN_BYTES = bytes(sign for sign in range(32, 127) if sign != ord("=")) + b"\t"

LEFTOVER = re.compile(r"\b(TK(?:TK)*|TODO|FIXME|XXX)\b")
TEMPLATE = re.compile(r"\{\{.{0,80}?\}\}|\{%.{0,80}?%\}|\{\{|\{%|%\}")
PERSONAL = re.compile(r"\[\[(address|name|unsubscribe|preferences)\]\]")
LOST_NOTE = re.compile(r"\[\^([^\]\s]+)\]")
REFUSED = re.compile(r"\]\(\s*<?\s*(javascript|vbscript|file|data):", re.IGNORECASE)
HALF_LINK = re.compile(r"\]\((?:https?:|/|www\.|$)")
LOST_REFERENCE = re.compile(r"\[[^\]\[]+\]\[[^\]\[]*\]")
TAG = re.compile(r"<(?:!--|/?[a-zA-Z][\w-]*(?:\s[^<>]*)?/?>)")

Wrong = tuple[Severity, str, str]
Check = tuple[re.Pattern[str], Severity, Callable[[re.Match[str]], tuple[str, str]]]
IN_WORDS: tuple[Check, ...] = (
    (
        LEFTOVER,
        "warning",
        lambda found: (f"“{found[0]}” is still here.", "Fill it in, or take it out."),
    ),
    (
        TEMPLATE,
        "warning",
        lambda found: (
            f"“{found[0]}” looks like a mark from a template; readers would see it.",
            "Fill it in, or put it in `code`.",
        ),
    ),
    (
        PERSONAL,
        "warning",
        lambda found: (
            f"In letters, {found[0]} becomes the reader’s own; on the web it stays as it is.",
            "Put it into an email block, or write it another way.",
        ),
    ),
    (
        LOST_NOTE,
        "error",
        lambda found: (
            f"The note [^{found[1]}] is not written anywhere.",
            f"Add a line like [^{found[1]}]: The note.",
        ),
    ),
    (
        REFUSED,
        "error",
        lambda found: (
            f"A link to “{found[1].lower()}:” is refused; readers would see its source.",
            "Link to an https address.",
        ),
    ),
    (
        HALF_LINK,
        "error",
        lambda _: (
            "This link is broken; readers would see its source.",
            "Look for a space or a bracket in the address.",
        ),
    ),
    (
        LOST_REFERENCE,
        "warning",
        lambda found: (
            f"“{found[0]}” looks like a link whose address is missing.",
            "Add its address as [name]: https://… on a line of its own.",
        ),
    ),
)


@dataclass(frozen=True)
class _Word:
    """An inline token with the line it stands on, counted from 0."""

    token: Token
    line: int


def check(
    issue: Issue,
    cut: Cut,
    letters: Mapping[Audience, Letter],
    settings: Settings,
    *,
    now: int,
) -> list[Finding]:
    """Everything worth saying before this issue is published, in the order of the file."""
    found = [
        *_about_the_file(issue, now=now),
        *cut.findings,
        *(_of_problem(issue, problem) for problem in cut.document.problems),
        *_about_blocks(issue, cut.document),
        *_about_words(issue, cut.document, settings),
        *_about_links(issue, cut.document),
        *_about_pictures(issue, cut.document),
        *_about_letters(issue, cut, letters),
        *_about_settings(settings),
    ]
    return sorted(dict.fromkeys(found), key=_by_place)


def encoded_size(html: str) -> int:
    """About how many bytes HTML takes as quoted-printable (RFC 2045 section 6.7)."""
    raw = html.encode("utf-8", "replace")
    lines = raw.count(b"\n")
    size = len(raw) + 2 * (len(raw.translate(None, PLAIN_BYTES)) - lines) + lines
    return size + 3 * (size // 75)


def _by_place(finding: Finding) -> tuple[str, int]:
    name, _, line = finding.place.rpartition(":")
    return (name, int(line)) if line.isdigit() else (finding.place, 1_000_000_000)


def _about_the_file(issue: Issue, *, now: int) -> Iterator[Finding]:
    top = f"{issue.path.name}:1"
    if issue.status == "draft":
        cure = "Set status: ready, or remove the line."
        yield Finding("error", top, "This issue is still a draft.", cure)
    if not issue.body.strip():
        cure = "Write something under the front matter."
        yield Finding("error", issue.place(0), "The issue is empty.", cure)
    if issue.date is not None and not EARLIEST <= issue.date <= now + FARTHEST:
        cure = "Check the year."
        yield Finding("warning", top, "The date is more than a year ahead, or long past.", cure)
    elif issue.date is not None and issue.date > now + clock.DAY:
        cure = "Publish it with --at, or correct the date."
        yield Finding("warning", top, "The date is in the future.", cure)
    for other in _same_slug(issue):
        cure = "Give one of them another slug: in its front matter."
        message = f"{other} has the same address, /p/{issue.slug}; one would replace the other."
        yield Finding("error", top, message, cure)
    if issue.image and not issue.image_alt:
        cure = "Add a line like alt: A ferry leaving in the rain."
        yield Finding("warning", top, "The picture in the front matter has no description.", cure)


def _same_slug(issue: Issue) -> Iterator[str]:
    for path in sorted(issue.path.parent.glob("*.md")):
        if path.name != issue.path.name and slug_of(path) == issue.slug:
            yield path.name


def _of_problem(issue: Issue, problem: Problem) -> Finding:
    place = issue.place(problem.line)
    if problem.kind == "unknown":
        cure = did_you_mean(problem.word, BLOCKS, f"Known are {', '.join(BLOCKS)}.")
        return Finding("error", place, f"“{problem.word}” is not a block I know.", cure)
    if problem.kind == "unclosed":
        cure = "Add a line with ::: where it ends."
        return Finding("error", place, f"The block “{problem.word}” is never closed.", cure)
    if problem.kind == "stray":
        cure = "Remove it, or open a block above."
        return Finding("error", place, "This ::: closes nothing.", cure)
    cure = "Write [words](https://…) in it."
    return Finding("error", place, f"The block “{problem.word}” has no link in it.", cure)


def _about_blocks(issue: Issue, document: Document) -> Iterator[Finding]:
    before = 1
    for heading in document.headings:
        place = issue.place(heading.line)
        if heading.level == 1:
            message = "The title is the only heading of the first level; this becomes a second."
            yield Finding("note", place, message, "Write ## instead of #.")
        elif heading.level > before + 1:
            message = f"This heading jumps from level {before} to level {heading.level}."
            yield Finding("warning", place, message, f"Write {'#' * (before + 1)}.")
        if not heading.text.strip():
            yield Finding("warning", place, "This heading is empty.", "Write it, or remove it.")
        before = max(heading.level, 2)
    for label in document.unused_notes:
        line = _line_of(issue.body, f"[^{label}]:")
        message = f"Nothing refers to the note [^{label}]; readers would not see it."
        yield Finding("warning", issue.place(line), message, "Refer to it, or remove it.")


def _line_of(body: str, words: str) -> int:
    return body[: max(0, body.find(words))].count("\n")


def _about_words(issue: Issue, document: Document, settings: Settings) -> Iterator[Finding]:
    for key in ("title", "subtitle", "subject", "preheader", "description"):
        text = getattr(issue, key)
        for pattern, severity, words in IN_WORDS[:3]:
            if found := pattern.search(text):
                message, cure = words(found)
                yield Finding(severity, f"{issue.path.name}:1", f"In {key}: {message}", cure)
    for word in _words(document):
        if word.token.type == "text":
            yield from _in_text(issue, word, settings)


def _in_text(issue: Issue, word: _Word, settings: Settings) -> Iterator[Finding]:
    text, place = word.token.content, issue.place(word.line)
    for pattern, severity, words in IN_WORDS:
        for found in pattern.finditer(text):
            yield Finding(severity, place, *words(found))
    if not settings.writing.html and (tag := TAG.search(text)):
        message = f"HTML is shown as it is typed: “{tag[0]}”."
        cure = "Take it out, or set html = true under [writing] in connector.toml."
        yield Finding("warning", place, message, cure)


def _about_links(issue: Issue, document: Document) -> Iterator[Finding]:
    names = {heading.name for heading in document.headings}
    for href, label, line in _links(document):
        place = issue.place(line)
        if wrong := _wrong_with(href, names):
            severity, message, cure = wrong
            yield Finding(severity, place, message, cure)
        if not label.strip():
            message = f"The link to {href or 'nowhere'} has no words; nobody can see it."
            yield Finding("warning", place, message, "Write [words](address).")


def _wrong_with(href: str, names: set[str]) -> Wrong | None:
    if not href:
        return "error", "This link leads nowhere.", "Write its address: [words](https://…)."
    if href.startswith("#"):
        return None if href[1:] in names else _wrong_name(href)
    if href.startswith("/") and not href.startswith("//"):
        return None
    scheme = href.partition(":")[0].lower() if SCHEME.match(href) else ""
    return BY_SCHEME.get(scheme, _wrong_with_scheme)(href)


def _wrong_name(href: str) -> Wrong:
    return "error", f"There is no heading for {href}.", "Correct the name, or remove the link."


def _wrong_with_relative(href: str) -> Wrong:
    cure = "Write the whole address, or begin with / for a page of this site."
    return "error", f"“{href}” leads nowhere from a letter.", cure


def _wrong_with_scheme(href: str) -> Wrong:
    return "warning", f"“{href}” may not open everywhere.", "Try it, or link to a page."


def _wrong_with_mailto(href: str) -> Wrong | None:
    return None if "@" in href else ("error", f"“{href}” has no address.", "Complete it.")


def _wrong_with_site(href: str) -> Wrong | None:
    try:
        parts = urlsplit(href)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or host.startswith(".") or ".." in host:
        return "error", f"“{href}” is not an address.", "Correct it."
    if host in ("localhost", "127.0.0.1", "::1"):
        return "warning", f"“{href}” only works on this machine.", "Use the public address."
    if "." not in host and ":" not in host:
        return "warning", f"“{href}” names no site readers can reach.", "Correct it."
    return None


BY_SCHEME: dict[str, Callable[[str], Wrong | None]] = {
    "": _wrong_with_relative,
    "http": _wrong_with_site,
    "https": _wrong_with_site,
    "mailto": _wrong_with_mailto,
    "tel": lambda _: None,
}


def _about_pictures(issue: Issue, document: Document) -> Iterator[Finding]:
    for word in _words(document):
        if word.token.type == "image" and not plain(word.token.children).strip():
            message = f"The picture “{word.token.attrs.get('src', '')}” has no description."
            cure = "Say what is to be seen: ![A ferry leaving in the rain](…)."
            yield Finding("warning", issue.place(word.line), message, cure)
    sources = [*document.pictures(), *([(issue.image, 1 - issue.body_line)] if issue.image else [])]
    for src, line in sources:
        place = issue.place(line)
        if not src:
            yield Finding("error", place, "A picture has no file.", "Write ![words](picture.jpg).")
        elif src.lower().startswith("data:"):
            cure = "Save the picture beside the issue."
            yield Finding("error", place, "Mail does not show pictures written into it.", cure)
        elif AWAY.match(src):
            message = f"This picture is kept by another site: {src}"
            cure = "Save it beside the issue, so that it cannot change or vanish."
            yield Finding("warning", place, message, cure)


def _about_letters(issue: Issue, cut: Cut, letters: Mapping[Audience, Letter]) -> Iterator[Finding]:
    top = f"{issue.path.name}:1"
    for audience, letter in letters.items():
        yield from _about_size(top, audience, letter)
    subject = issue.subject or issue.title
    if len(subject) > LONG_SUBJECT:
        message = f"The subject has {len(subject)} characters; phones show about 40, others 70."
        yield Finding("warning", top, message, "Add a shorter one: subject: …")
    if len(issue.preheader) > LONG_PREHEADER:
        message = f"The preheader has {len(issue.preheader)} characters; most programs show 90."
        yield Finding("warning", top, message, "Shorten it.")
    if not issue.preheader and not issue.description:
        message = "There is no preheader; the first words are shown beside the subject."
        yield Finding("note", top, message, "Add a line like preheader: What this is about.")
    if issue.body.strip() and not cut.words and not cut.pictures:
        yield Finding("error", issue.place(0), "There is nothing to read here.", "Write something.")


def _about_size(top: str, audience: Audience, letter: Letter) -> Iterator[Finding]:
    sizes = (len(letter.html.encode("utf-8", "replace")), encoded_size(letter.html))
    size = max(sizes)
    if size < HEAVY:
        return
    who = "members" if audience == "member" else "everyone else"
    message = (
        f"The letter to {who} has {sizes[0]:,} bytes of HTML, {sizes[1]:,} on the way; "
        f"Gmail hides what comes after {CLIPPED:,}, and with it the link to unsubscribe."
    )
    cure = "Shorten it, or put a part into a web block and link to the page."
    yield Finding("error" if size >= CLIPPED else "warning", top, message, cure)


def _about_settings(settings: Settings) -> Iterator[Finding]:
    publication = settings.publication
    if not publication.address.strip():
        message = "Letters carry no postal address, which the law asks for in many countries."
        cure = "Set address under [publication]."
        yield Finding("warning", "connector.toml", message, cure)
    if settings.is_local and settings.has_relay:
        message = f"Links in letters would lead to {publication.url}, which is this machine."
        cure = "Set url under [publication] to the public address."
        yield Finding("error", "connector.toml", message, cure)
    elif not settings.is_local and publication.url.startswith("http:"):
        message = "The site’s address is http; mail programs warn of such links and pictures."
        cure = "Set url under [publication] to https://…"
        yield Finding("warning", "connector.toml", message, cure)


def _words(document: Document) -> Iterator[_Word]:
    """Every inline token with its own line."""
    for tokens in (document.tokens, *document.notes.values()):
        line = 0
        for token in tokens:
            line = token.map[0] if token.map else line
            at = line
            for child in token.children or ():
                yield _Word(child, at)
                at += child.type in ("softbreak", "hardbreak")


def _links(document: Document) -> Iterator[tuple[str, str, int]]:
    """Every link as address, words and line; a picture's description counts as words."""
    href, label, start = "", "", 0
    for word in _words(document):
        token = word.token
        if token.type == "link_open":
            href, label, start = str(token.attrs.get("href", "")), "", word.line
        elif token.type == "link_close":
            yield href, label, start
        elif token.type in ("text", "code_inline", "image"):
            label += (
                token.content
                or plain(token.children)
                or ("picture" if token.type == "image" else "")
            )
    for tokens in (document.tokens, *document.notes.values()):
        for token in tokens:
            line = token.map[0] if token.map else 0
            if token.type == "card":
                yield str(token.attrs["href"]), token.meta["title"], line
            elif token.type == "buttons":
                yield from ((href, label, line) for href, label in token.meta["links"])
            elif token.type == "figure_open" and token.meta["href"]:
                yield token.meta["href"], "picture", line
