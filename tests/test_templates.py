"""Where templates come from, what is escaped in them, and that an installed package has them too."""

import zipfile
from pathlib import Path

import jinja2
import pytest

from connector import templates

ROOT = Path(templates.__file__).parent.parent


def place(root: Path, name: str, text: str) -> None:
    path = root / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_sites_own_file_replaces_one_of_ours(root: Path) -> None:
    place(root, "pages/about.html", "about {{ title }}")

    environment = templates.environment(root)

    assert environment.get_template("pages/about.html").render(title="us") == "about us"
    assert environment.get_template("pages/home.html").filename == str(
        templates.share("templates") / "pages" / "home.html"
    )


@pytest.mark.parametrize("name", ["page.html", "feed.xml", "page.html.jinja", "page"])
def test_everything_but_plain_text_is_escaped(root: Path, name: str) -> None:
    place(root, name, "{{ title }}")

    written = templates.environment(root).get_template(name).render(title="<b>&</b>")

    assert written == "&lt;b&gt;&amp;&lt;/b&gt;"


def test_plain_text_is_not_escaped(root: Path) -> None:
    place(root, "mail/x/subject.txt", "{{ title }}")

    written = templates.environment(root).get_template("mail/x/subject.txt").render(title="A & B")

    assert written == "A & B"


def test_a_name_that_nobody_gave_is_an_error(root: Path) -> None:
    place(root, "page.html", "{% if nobody %}x{% endif %}")

    with pytest.raises(jinja2.UndefinedError, match="nobody"):
        templates.environment(root).get_template("page.html").render()


def test_a_template_cannot_be_fetched_from_outside_the_folders(root: Path) -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        templates.environment(root).get_template("../connector.toml")


def test_every_template_of_ours_can_be_read(root: Path) -> None:
    environment = templates.environment(root)
    assert environment.loader is not None

    for name in environment.list_templates():
        source, filename, _ = environment.loader.get_source(environment, name)
        assert environment.parse(source, name, filename)


def test_a_wheel_has_every_template_and_static_file(tmp_path: Path) -> None:
    wheels = pytest.importorskip("hatchling.builders.wheel")
    (wheel,) = wheels.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    packed = set(zipfile.ZipFile(wheel).namelist())

    for folder in ("templates", "static"):
        ours = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert ours
        for path in ours:
            assert f"connector/share/{path.relative_to(ROOT).as_posix()}" in packed
    assert "connector/py.typed" in packed
    assert not [name for name in packed if name.startswith(("tests/", "bench/", "issues/"))]


def test_an_installed_package_finds_what_it_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share" / "templates").mkdir(parents=True)
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)

    assert templates.share("templates") == tmp_path / "share" / "templates"
    assert templates.share("static") == tmp_path.parent / "static"
