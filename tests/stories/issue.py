"""An issue with everything in it that an issue can have, and the picture that goes with it."""

from pathlib import Path

from PIL import Image

NAME = "the-bench"
TITLE = "The bench nobody owned"
LONG = "https://archive.example.org/" + "quay-book/" * 12 + "1911"
RICH = f"""---
title: {TITLE}
subtitle: One broken slat, and a list
image: bench.png
alt: A bench by the water
tags: [benches, lists]
---

A slat broke at the Ferry Steps.[^owner] Nobody was hurt; [a lemon](https://example.org/lemon) was lost.

::: ask
Please pay for this letter, [if you can](https://example.org/support).

::: button
[Keep the desk going](/about)
:::
:::

::: thanks
Thank you for paying, and so for everybody.
:::

## What it took

![A bench by the water](bench.png "The bench, with its owner unknown")

| Thing | Owner | Keeper | Last looked at | What was found there |
|---|---|---|---:|---|
| Bench, Ferry Steps | unknown | T. Renn | 7 November | `sound_but_needs_oil_before_winter` |
| Bollard 14 | the Trust | J. Petty | 3 May | leaning, as it has always leaned |

```python
register = {{"bench": "unknown", "bollard": "the Trust", "steps, lower": "the Town", "lamp": None}}
```

See {LONG} for the rest.

> All parties agree that the bench should be repaired.

::: callout A rule
“Unknown” is an entry, not a gap.
:::

::: card
![A bench by the water](bench.png)

[The Quay Book](https://example.org/book)

Four columns, and one of them is a person.
:::

::: gallery
![The bench from the left](bench.png)
![The bench from the right](bench.png)
![The bench from above](bench.png)
:::

::: subscribe
Get the next one.
:::

::: more
:::

### Odds and ends

1. The [first letter](/archive) is still there.
2. Cafés open on *Sunday*.

---

::: web
These words are only on the web.
:::

::: email
These words are only in the letter.
:::

[^owner]: It belongs to [a brewery](https://example.org/brewery).
"""


def write(root: Path, text: str = RICH, *, name: str = NAME) -> Path:
    """Write an issue, and its picture beside it; the file."""
    paint(root / "issues" / "bench.png")
    path = root / "issues" / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


def short(root: Path, name: str) -> Path:
    """A small issue; its title is its name."""
    return write(root, f"---\ntitle: {name}\n---\n\nThere is news from the quay.\n", name=name)


def paint(path: Path) -> None:
    picture = Image.linear_gradient("L").resize((1200, 800))
    Image.merge("RGB", (picture, picture.rotate(180), picture)).save(path)
