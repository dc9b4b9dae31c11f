"""The publication's colour as the first rules of the stylesheet.

It writes custom properties and nothing else; what a colour must be is decided in colour.py.
"""

from connector.colour import NIGHT, NIGHT_WASH, PAPER, WASH, readable, softened, worn


def stylesheet(accent: str) -> str:
    """The custom properties every other rule of the stylesheet builds on."""
    day, night = worn(accent), readable(softened(accent), NIGHT_WASH)
    return (
        f":root{{--paper:{PAPER};--wash:{WASH};--accent:{day};--mark:{accent}}}\n"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{--paper:{NIGHT};--wash:{NIGHT_WASH};--accent:{night};--mark:{night}}}}}\n"
    )
