"""The manual cannot rot: every command, setting, page, block and dependency is in it."""

import re
import tomllib
from pathlib import Path

import click
import pytest
from starlette.routing import Route

from connector import settings
from connector.cli.main import COMMANDS, connector
from connector.publishing.issue import KEYS
from connector.publishing.markdown import BLOCKS
from connector.web.app import ACCOUNT, HOOKS, JOINING, PUBLIC, TILL, TRAY

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def manual(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands() -> dict[str, click.Command]:
    """Every command and subcommand, by the words one types."""
    context = click.Context(connector)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = connector.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": one for sub, one in command.commands.items()}
    return found


@pytest.mark.parametrize("words", list(commands()))
def test_every_command_and_option_is_in_the_manual(words: str) -> None:
    text = manual("commands.md")
    options = [
        option
        for parameter in commands()[words].params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--")
    ]

    assert f"connector {words}" in text
    assert not [option for option in options if option not in text]


@pytest.mark.parametrize("words", list(commands()))
def test_every_command_says_what_it_does(words: str) -> None:
    assert commands()[words].help


@pytest.mark.parametrize("setting", list(settings.described()), ids=lambda setting: setting[1])
def test_every_setting_is_in_the_manual_with_its_own_words(
    setting: tuple[str, str, str, str],
) -> None:
    key, variable, _, words = setting
    text = manual("settings.md")

    assert key.rpartition(".")[2] in text
    assert variable in text
    assert words in text


@pytest.mark.parametrize(
    "route", [*PUBLIC, *ACCOUNT, *JOINING, *HOOKS, *TILL, *TRAY], ids=lambda route: route.name
)
def test_every_page_is_in_the_manual(route: Route) -> None:
    assert re.sub(r":\w+}", "}", route.path) in manual("routes.md")


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_shown_to_the_writer(block: str) -> None:
    assert f"::: {block}" in manual("writing.md")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_front_matter_is_explained_to_the_writer(key: str) -> None:
    assert f"`{key}`" in manual("writing.md")


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    text = manual("dependencies.md").lower()

    assert not [
        one for one in needed if (re.match(r"[a-z0-9-]+", one.lower()) or [""])[0] not in text
    ]


def test_every_dependency_is_pinned_for_the_gate() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")

    assert not [
        one
        for one in needed
        if f"\n{(re.match(r'[a-z0-9-]+', one.lower()) or [''])[0]}==" not in pinned
    ]


def test_every_link_inside_the_manual_leads_somewhere() -> None:
    links = [
        (page, target)
        for page in [ROOT / "README.md", *DOCS.glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "images/" not in target  # pictures in examples are the writer's own
    ]

    assert links
    assert not [target for page, target in links if not (page.parent / target).exists()]


def test_every_make_target_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert {"run", "test", "check"} <= named
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
