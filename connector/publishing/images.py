"""Pictures as they will be served: turned upright, at most 1600 pixels wide, without metadata.

It reads files and makes bytes; it never stores them and never fetches from a network.
"""

import functools
import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import PIL.Image
from PIL import ImageOps

WIDEST = 1600
HEAVIEST = 30 * 1024 * 1024
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}
METADATA = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop", "mp", "mpoffset")

# A small file can hold a picture that fills all memory; 80 million pixels is a good camera.
PIL.Image.MAX_IMAGE_PIXELS = 80_000_000
warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)


class Unusable(Exception):  # noqa: N818 - named for what happened
    """A picture we cannot publish; `cure` says what to do."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


@dataclass(frozen=True)
class Image:
    """A picture as bytes; `digest` names them, so an address never changes its picture."""

    digest: str
    media_type: str
    width: int
    height: int
    bytes: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """Where the site serves it, from the root."""
        return path_of(self.digest, self.media_type)


def path_of(digest: str, media_type: str) -> str:
    return f"/images/{digest}.{EXTENSIONS.get(media_type, 'bin')}"


def read(path: Path) -> Image:
    """The picture in a file, ready to serve; raises Unusable, with the cure.

    The same bytes give the same picture. JPEG, PNG and GIF stay what they are (mail shows
    nothing else everywhere); other kinds become JPEG, or PNG where they are transparent.
    """
    try:
        stat = path.stat()
        if path.is_dir():
            raise Unusable(f"“{path.name}” is a folder, not a picture.", "Name a file in it.")
        if stat.st_size > HEAVIEST:
            raise Unusable(f"“{path.name}” is larger than 30 MB.", "Save a smaller copy.")
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        raise Unusable(
            f"There is no picture “{path.name}” beside the issue.",
            "Put the file there, or correct its name.",
        ) from None
    except OSError as error:
        raise Unusable(
            f"“{path.name}” cannot be read ({error.strerror or 'the picture is damaged'}).",
            "Check the file.",
        ) from None


@functools.lru_cache(maxsize=64)
def _read(path: Path, _changed: int, _size: int) -> Image:
    return made_of(path.read_bytes(), name=path.name)


def made_of(raw: bytes, *, name: str) -> Image:
    """The same, from bytes; `name` is what the writer calls it."""
    _refuse_drawings(raw, name)
    try:
        with PIL.Image.open(io.BytesIO(raw)) as picture:
            if picture.format == "GIF":  # may move; a new one would not
                return _image(raw, "GIF", *picture.size)
            return _upright(raw, picture)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise Unusable(
            f"“{name}” has more than 80 million pixels.", "Save a smaller copy."
        ) from None
    except PIL.UnidentifiedImageError:
        raise Unusable(
            f"“{name}” is not a picture I can read.", "Save it as JPEG, PNG or GIF."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError):  # what Pillow's readers raise for damage
        raise Unusable(f"“{name}” is damaged.", "Save it again from its original.") from None


def _refuse_drawings(raw: bytes, name: str) -> None:
    start = raw[:1024].lstrip().lower()
    if name.lower().endswith((".svg", ".svgz")) or start.startswith(b"<svg") or b"<svg" in start:
        raise Unusable(
            f"“{name}” is an SVG drawing, which mail programs do not show.",
            "Export it as PNG, at least 1200 pixels wide.",
        )


def _upright(raw: bytes, picture: PIL.Image.Image) -> Image:
    kind = picture.format or ""
    keeps = kind in TYPES and picture.width <= WIDEST and picture.mode != "CMYK"
    if keeps and not any(picture.info.get(name) for name in METADATA) and not picture.getexif():
        picture.load()  # finds damage
        return _image(raw, kind, *picture.size)
    profile = picture.info.get("icc_profile")
    if kind == "JPEG":
        # Decodes at a half or a quarter where that is still wide enough: much faster.
        picture.draft("RGB", (WIDEST, WIDEST * picture.height // picture.width or 1))
    turned = ImageOps.exif_transpose(picture)
    if turned.width > WIDEST:
        height = max(1, round(turned.height * WIDEST / turned.width))
        turned = _for_resizing(turned).resize((WIDEST, height), PIL.Image.Resampling.LANCZOS)
    return _encoded(turned, kind, profile)


def _for_resizing(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode in ("P", "1"):
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture


def _encoded(picture: PIL.Image.Image, kind: str, profile: bytes | None) -> Image:
    out = io.BytesIO()
    clear = picture.has_transparency_data
    if kind == "PNG" or (clear and kind != "JPEG"):
        if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
            picture = picture.convert("RGBA" if clear else "RGB")
        picture.info.clear()
        picture.save(out, "PNG", optimize=True, icc_profile=profile)
        return _image(out.getvalue(), "PNG", *picture.size)
    if picture.mode != "L":
        profile = None if picture.mode == "CMYK" else profile  # that profile describes inks
        picture = picture.convert("RGB")
    picture.info.clear()
    picture.save(out, "JPEG", quality=86, optimize=True, progressive=True, icc_profile=profile)
    return _image(out.getvalue(), "JPEG", *picture.size)


def _image(raw: bytes, kind: str, width: int, height: int) -> Image:
    digest = hashlib.sha256(raw).hexdigest()[:32]
    return Image(digest, TYPES[kind], width, height, raw)
