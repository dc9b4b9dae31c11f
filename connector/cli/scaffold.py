"""A publication of one's own, from nothing: settings, a first issue, a place for templates."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connector import clock, templates
from connector.errors import Refused

FILES = {
    "connector.toml": "connector.toml.txt",
    ".gitignore": "gitignore.txt",
    "issues/{day}-hello.md": "first-issue.md.txt",
    "templates/README.md": "templates.md.txt",
}


@dataclass(frozen=True)
class Words:
    title: str
    author: str
    email: str


def build(folder: Path, words: Words, *, now: int) -> Iterator[str]:
    """Write the files into `folder`, and say so; raises Refused when something is in the way."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not empty. Name a new folder, so that nothing is overwritten.")
    environment = templates.environment(folder)
    day = f"{clock.moment(now):%Y-%m-%d}"
    for name, template in FILES.items():
        path = folder / name.format(day=day)
        text = environment.get_template(f"new/{template}").render(words=words, day=day)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Refused(f"{path}: {error.strerror}.") from None
        yield f"  {path}"
    (folder / "issues" / "images").mkdir(exist_ok=True)
    yield f"\nYour newsletter is in {folder}. Next:"
    yield f"  cd {folder}"
    yield f"  connector preview issues/{day}-hello.md"
    yield f"  connector publish issues/{day}-hello.md"
    yield "  connector serve"
