"""Stylesheet, scripts and icons, read once and named by their content, so that a browser keeps them.

Our own files lie under the publication's `static/` folder, file by file; nothing is fetched
from anywhere else.
"""

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from connector import templates
from connector.settings import Publication, Settings
from connector.web import theme

STYLESHEET = "connector.css"
ICON = "favicon.svg"
OUR_ACCENT = Publication.accent.encode()
# The operating system's table may lack these, and a browser refuses a stylesheet as text/plain.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
    ".avif": "image/avif",
}


@dataclass(frozen=True)
class Asset:
    name: str
    body: bytes
    media_type: str

    @property
    def hashed(self) -> str:
        """The name with ten digits of its content's SHA-256 in it."""
        path = PurePosixPath(self.name)
        digest = hashlib.sha256(self.body).hexdigest()[:10]
        return str(path.with_name(f"{path.stem}-{digest}{path.suffix}"))


class Assets:
    """Every static file, by its plain name and by its hashed one."""

    def __init__(self, files: Mapping[str, Asset]) -> None:
        self._plain = dict(files)
        self._hashed = {asset.hashed: asset for asset in files.values()}
        self._urls = {asset.name: f"/static/{hashed}" for hashed, asset in self._hashed.items()}

    def url(self, name: str) -> str:
        """Where `name` is found, for as long as it does not change."""
        return self._urls[name]

    def plain(self, name: str) -> Asset | None:
        return self._plain.get(name)

    def hashed(self, name: str) -> Asset | None:
        return self._hashed.get(name)


def load(settings: Settings) -> Assets:
    """Our files, overlaid with those of the publication; stylesheet and icon wear its accent."""
    files = {
        asset.name: asset
        for folder in (templates.share("static"), settings.root / "static")
        for asset in _files(folder)
    }
    accent = settings.publication.accent
    sheet, icon = files[STYLESHEET], files[ICON]
    files[STYLESHEET] = replace(sheet, body=theme.stylesheet(accent).encode() + sheet.body)
    files[ICON] = replace(icon, body=icon.body.replace(OUR_ACCENT, accent.encode()))
    return Assets(files)


def _files(folder: Path) -> Iterator[Asset]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield Asset(path.relative_to(folder).as_posix(), path.read_bytes(), _media_type(path))


def _media_type(path: Path) -> str:
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return MEDIA_TYPES.get(path.suffix.lower(), guessed)
