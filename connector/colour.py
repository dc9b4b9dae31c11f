"""The publication's one colour, made readable on paper by day and by night.

Pure arithmetic on `#rrggbb`; it never leaves text below 7:1 (WCAG 2.2, 1.4.6).
"""

import colorsys

# The ground by day and by night, and the panels on it, where text stands out a little less.
PAPER, WASH = "#fdfcf9", "#f4f0e8"
NIGHT, NIGHT_WASH = "#161513", "#22201c"
READABLE = 7.0


def worn(accent: str) -> str:
    """The publication's colour as pages by day and letters wear it: readable on paper and panels."""
    return readable(accent, WASH)


def readable(colour: str, ground: str, ratio: float = READABLE) -> str:
    """The nearest tone of `colour` that reaches `ratio` on `ground`: darker by day, lighter by night."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    end = 0.0 if _luminance(ground) > 0.5 else 1.0  # noqa: PLR2004 - half of black to white
    while contrast(colour, ground) < ratio and lightness != end:
        lightness = max(end, lightness - 0.01) if end == 0 else min(end, lightness + 0.01)
        colour = _written(colorsys.hls_to_rgb(hue, lightness, saturation))
    return colour


def softened(colour: str) -> str:
    """The same hue with a third of its strength taken out, for eyes used to the dark."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    return _written(colorsys.hls_to_rgb(hue, lightness, saturation * 2 / 3))


def contrast(one: str, other: str) -> float:
    """Contrast ratio from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB's own numbers
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _written(channels: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)
