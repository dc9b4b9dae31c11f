"""How much a whole issue costs, beside the bare Markdown render of the same words.

Run as `python -m bench.render`. It prints a ratio from alternated rounds, and the machine.
"""

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import markdown_it
from markdown_it import MarkdownIt
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.footnote import footnote_plugin

from bench.machine import machine
from connector import settings, templates
from connector.publishing import editions, issue, letters, preflight
from connector.publishing.markdown import BLOCKS

WORDS = 2_000
ASIDE = 270  # what headings, quotations, lists and notes add
ROUNDS = 40
PROMISE = 6.0
NOW = 1_790_000_000_000
VOCABULARY = (
    "the a of to and in that it was harbour bench ledger letter council ferry quay timetable "
    "lamp register nobody somebody morning Tuesday winter who which keeps asked wrote mended "
    "“unknown” slowly it's don't office budget question answer, because; town street reader"
)
SETTINGS = """
[publication]
title = "The Commons Desk"
author = "Ines Marlow"
email = "ines@letters.example.org"
url = "https://letters.example.org"
address = "12 Harbour Row, Port Ellery"
"""


def sample() -> str:
    """An issue of about 2,000 words with what issues have in them; always the same one."""
    chance = random.Random(7)
    vocabulary = VOCABULARY.split()
    blocks: list[str] = []
    notes: list[str] = []
    count = 0
    while count < WORDS - ASIDE:
        words = [chance.choice(vocabulary) for _ in range(chance.randint(40, 90))]
        count += len(words)
        words[3] = f"[{words[3]} {words[4]}](https://example.org/{len(blocks)})"
        words[9] = f"*{words[9]}*"
        words[20] = f'"{words[20]} {words[21]}" -- '
        if len(blocks) % 5 == 0:
            notes.append(f"[^{len(notes) + 1}]: {' '.join(words[:12])}.")
            words[30] += f"[^{len(notes)}]"
        blocks.append(" ".join(words).capitalize() + ".")
        if len(blocks) % 6 == 0:
            blocks.append(f"## {' '.join(words[5:9])}")
        if len(blocks) % 9 == 0:
            blocks.append("> " + " ".join(words[10:30]))
        if len(blocks) % 11 == 0:
            blocks.append("\n".join(f"- {' '.join(words[at : at + 8])}" for at in (2, 12, 22)))
    blocks.insert(3, "::: ask\nPlease [pay](https://example.org/pay) if you can.\n:::")
    blocks.insert(4, "::: thanks\nThank you for paying.\n:::")
    blocks.insert(9, "| a | b |\n| - | -: |\n| one | 1 |\n| two | 2 |")
    return "\n\n".join([*blocks, *notes]) + "\n"


def bare() -> MarkdownIt:
    """The stock parser and renderer, with the stock plugins for what issues use."""
    md = MarkdownIt("commonmark", {"html": False, "linkify": True, "typographer": True})
    md.enable(["table", "strikethrough", "linkify", "replacements", "smartquotes"])
    md.use(footnote_plugin).use(attrs_plugin, after=("image", "link_close"))
    for name in BLOCKS:
        md.use(container_plugin, name)
    return md


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "connector.toml").write_text(SETTINGS, encoding="utf-8")
        path = root / "sample.md"
        path.write_text(f"---\ntitle: A sample\n---\n\n{sample()}", encoding="utf-8")
        configured = settings.load(root, {"CONNECTOR_SECRET": "x" * 48})
        environment = templates.environment(root)
        read = issue.read(path, configured)
        md = bare()

        def whole() -> None:
            cut = editions.cut(read, configured)
            composed = letters.compose(
                read, cut.editions, configured, environment, published_at=NOW
            )
            preflight.check(read, cut, composed, configured, now=NOW)

        ratio, alone, all_of_it = compare(lambda: md.render(read.body), whole)
    words = len(read.body.split())
    print(f"{words:,} words, {ROUNDS} alternated rounds, medians")
    print(f"bare markdown-it-py {markdown_it.__version__}: parse + HTML   {alone * 1e3:7.2f} ms")
    print(f"parse, web x2, letters x2, text x2, feed, preflight {all_of_it * 1e3:7.2f} ms")
    print(f"ratio {ratio:.2f} (promised: at most {PROMISE:.1f})")
    print(machine())
    if ratio > PROMISE:
        raise SystemExit(1)


def compare(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float, float]:
    """How many times as long `other` takes, and the medians of both, in seconds."""
    one(), other()
    gc.collect()
    gc.disable()
    first, second = [], []
    for _ in range(ROUNDS):
        first.append(timed(one))
        second.append(timed(other))
    gc.enable()
    alone, whole = statistics.median(first), statistics.median(second)
    return statistics.median(b / a for a, b in zip(first, second, strict=True)), alone, whole


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
