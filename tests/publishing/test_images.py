"""Pictures are served upright, no wider than needed, and say nothing about who took them."""

import hashlib
import io
from pathlib import Path

import PIL.Image
import pytest

from connector.publishing import images
from connector.publishing.images import Unusable
from tests.publishing.conftest import Desk

ORIENTATION, ARTIST = 0x0112, 0x013B


def opened(image: images.Image) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(image.bytes))


def test_a_small_picture_is_kept_byte_for_byte(desk: Desk) -> None:
    path = desk.picture("bench.png", (300, 200))

    image = images.read(path)

    assert image.bytes == path.read_bytes()
    assert (image.width, image.height, image.media_type) == (300, 200, "image/png")
    assert image.digest == hashlib.sha256(image.bytes).hexdigest()[:32]
    assert image.path == f"/images/{image.digest}.png"


@pytest.mark.parametrize("name", ["bench.jpg", "bench.png", "bench.webp", "bench.bmp"])
def test_a_wide_picture_is_made_1600_wide(desk: Desk, name: str) -> None:
    image = images.read(desk.picture(name, (3000, 1500)))

    assert (image.width, image.height) == (1600, 800)
    assert opened(image).size == (1600, 800)
    assert image.media_type == ("image/png" if name.endswith("png") else "image/jpeg")


def test_the_same_file_gives_the_same_picture(desk: Desk) -> None:
    path = desk.picture(size=(3000, 1500))

    assert images.made_of(path.read_bytes(), name="x") == images.read(path)


def test_a_photograph_is_turned_upright_and_forgets_its_camera(desk: Desk) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    exif[ARTIST] = "Somebody, at home"
    path = desk.picture(size=(400, 200), exif=exif)

    image = images.read(path)

    assert (image.width, image.height) == (200, 400)
    assert not opened(image).getexif()
    assert b"Somebody" not in image.bytes


def test_a_comment_in_a_picture_is_not_published(desk: Desk) -> None:
    image = images.read(desk.picture(comment=b"my home address"))

    assert b"my home address" not in image.bytes


def test_a_moving_picture_keeps_moving(desk: Desk) -> None:
    path = desk.settings.issues / "moving.gif"
    frames = [PIL.Image.new("P", (2000, 20), shade) for shade in (0, 1)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)

    image = images.read(path)

    assert image.bytes == path.read_bytes()
    assert image.media_type == "image/gif"


def test_what_is_transparent_stays_transparent(desk: Desk) -> None:
    path = desk.settings.issues / "clear.webp"
    PIL.Image.new("RGBA", (2000, 100), (0, 0, 0, 0)).save(path)

    image = images.read(path)

    assert image.media_type == "image/png"
    assert opened(image).getpixel((5, 5)) == (0, 0, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_colour_can_be_published(desk: Desk, mode: str) -> None:
    kind = "jpg" if mode == "CMYK" else "png"
    path = desk.settings.issues / f"kind.{kind}"
    PIL.Image.new(mode, (1800, 20)).save(path)

    image = images.read(path)

    assert image.width == 1600
    assert opened(image).mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I")


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        ("drawing.png", b"<?xml version='1.0'?><svg/>", "SVG drawing"),
        ("words.jpg", b"Dear reader,", "not a picture I can read"),
        ("nothing.jpg", b"", "not a picture I can read"),
    ],
)
def test_what_mail_cannot_show_is_refused(desk: Desk, name: str, raw: bytes, says: str) -> None:
    path = desk.write(raw, name)

    with pytest.raises(Unusable, match=says) as refused:
        images.read(path)

    assert refused.value.cure


def test_a_damaged_picture_is_refused(desk: Desk) -> None:
    path = desk.picture()
    path.write_bytes(path.read_bytes()[:400])

    with pytest.raises(Unusable, match="damaged"):
        images.read(path)


def test_a_picture_that_would_fill_all_memory_is_refused(desk: Desk) -> None:
    path = desk.settings.issues / "bomb.png"
    PIL.Image.new("1", (20_000, 5_000)).save(path)

    with pytest.raises(Unusable, match="80 million pixels"):
        images.read(path)


def test_a_folder_is_no_picture(desk: Desk) -> None:
    with pytest.raises(Unusable, match="folder"):
        images.read(desk.settings.issues)


def test_a_picture_changed_on_disk_is_read_again(desk: Desk) -> None:
    first = images.read(desk.picture(size=(100, 100)))

    second = images.read(desk.picture(size=(100, 101)))

    assert second.height == 101
    assert first.digest != second.digest


def test_a_name_with_spaces_and_accents_is_found(desk: Desk) -> None:
    desk.picture("die bänke.jpg")

    cut = desk.cut("![A bench](<die bänke.jpg>) ![Again](die%20b%C3%A4nke.jpg)\n")

    assert cut.findings == ()
    assert cut.editions.web["member"].count('src="/images/') == 2


def test_a_picture_is_never_taken_from_outside_the_publication(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside.png"
    PIL.Image.new("RGB", (4, 4)).save(outside)

    cut = desk.cut("![x](../../outside.png)\n\n![x](/etc/hostname)\n")

    assert cut.pictures == {}
    assert all("outside the publication" in one.message for one in cut.findings)
