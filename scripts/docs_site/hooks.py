"""What mkdocs is told about our documents: languages, pages outside docs/, links between them.

A document is docs/NAME.md in English and docs/NAME.zh.md in Chinese; a build has one language, and
NAME.md of either becomes the page NAME/. Links in the documents are those that work in the
repository; here they become links of the site. Used by mkdocs.yml as its hook.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

Names = str | list["Names"] | dict[str, "Names"]
"""A value of mkdocs.yml that holds names."""

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLES: Final = ROOT / "wrappers"
LANGUAGES: Final[Mapping[str, tuple[int, str]]] = {"en": (0, ""), "zh": (1, "zh/")}
"""Which half of "English | 中文" counts, and where the pages of the language begin."""

LINK: Final = re.compile(r"(?<!\\)\[((?:[^][`]|`[^`]*`|\[[^]]*\])*)\]\(([^)\s]+)\)")
FENCED: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
BREAK: Final = re.compile(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])\n *(?=[\u4e00-\u9fff])")
"""The end of a line within Chinese text, where a browser would show a blank."""

OTHER_LANGUAGE: Final = re.compile(r"^\[(?:中文|English)\]\([\w.-]+\)\n+", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take this language's half of all names."""
    half = LANGUAGES[config.theme["language"]][0]
    config.nav = _half(config.nav or [], half)
    config.extra["sources"] = sources(config.theme["language"], _pages(config.nav))
    for choice in config.theme["palette"]:
        choice["toggle"]["name"] = _text(choice["toggle"]["name"], half)
    return config


def _half(value: Names, half: int) -> Names:
    match value:
        case list():
            return [_half(item, half) for item in value]
        case dict():
            return {_text(key, half): _half(item, half) for key, item in value.items()}
        case str():
            return _text(value, half)


def _text(name: str, half: int) -> str:
    return name.split(" | ")[half] if " | " in name else name


def _pages(nav: Names) -> list[str]:
    """Return the pages that `nav` names."""
    match nav:
        case list():
            return [page for item in nav for page in _pages(item)]
        case dict():
            return [page for item in nav.values() for page in _pages(item)]
        case str():
            return [nav]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what mkdocs found by the pages of this language and the files that they link to."""
    made = Files([file for file in files if not file.is_documentation_page()])
    linked: set[Path] = set()
    for name, path in config.extra["sources"].items():
        text = path.read_text("utf-8")
        made.append(File.generated(config, name, content=_source_too(text, path)))
        linked |= {target for target in _targets(text, path) if _place(target) is None}
    for target in sorted(linked):
        if target.is_file():
            made.append(File.generated(config, _attached(target), abs_src_path=str(target)))
    return made


def sources(language: str, pages: list[str]) -> dict[str, Path]:
    """Return the file behind each page: all of docs/, and what `pages` names beside it.

    Raises:
        PluginError: A document is there in one language only.
    """
    english = {path.name: path for path in (ROOT / "docs").glob("*.md") if not _is_chinese(path)}
    chinese = {path.name.replace(".zh.md", ".md"): path for path in (ROOT / "docs").glob("*.zh.md")}
    if alone := set(english) ^ set(chinese):
        raise PluginError(f"docs/: in one language only: {', '.join(sorted(alone))}")
    samples = [page for page in pages if page.startswith("samples/")]
    return {
        **(chinese if language == "zh" else english),
        **{page: _sample(page) for page in samples},
        "contributing.md": ROOT / "CONTRIBUTING.md",
    }


def _sample(page: str) -> Path:
    name = page.removeprefix("samples/").removesuffix(".md")
    return SAMPLES / ("" if name == "index" else name) / "README.md"


def _is_chinese(path: Path) -> bool:
    return path.name.endswith(".zh.md")


def _source_too(text: str, path: Path) -> str:
    """Show a sample's code below what its README says."""
    wrapper = path.with_name("wrapper.py")
    if not wrapper.is_file():
        return text
    return f"{text}\n## wrapper.py\n\n```python\n{wrapper.read_text('utf-8')}```\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the links of `markdown` links of the site."""
    path = config.extra["sources"][page.file.src_uri]
    names = LinkNames(page.file.src_uri, path.parent, config.theme["language"] == "zh")
    parts = FENCED.split(OTHER_LANGUAGE.sub("", markdown, count=1))
    parts[::2] = [BREAK.sub("", LINK.sub(names.rewrite, part)) for part in parts[::2]]
    return "".join(parts)


@dataclass(frozen=True)
class LinkNames:
    """What the links of one page become.

    Attributes:
        page: Its name on the site.
        folder: Where its links begin in the repository.
        is_chinese: Its language.
    """

    page: str
    folder: Path
    is_chinese: bool

    def rewrite(self, found: re.Match[str]) -> str:
        """Return the link that stands for one of the repository."""
        text, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        name, _, anchor = target.partition("#")
        file = (self.folder / name).resolve()
        if file.is_dir():
            return str(text)  # the site has no page for a folder
        to = posixpath.relpath(_place(file) or _attached(file), posixpath.dirname(self.page) or ".")
        if file.suffix == ".md" and _is_chinese(file) != self.is_chinese:
            anchor = ""  # headings are called otherwise in the other language
        return f"[{text}]({to}{'#' if anchor else ''}{anchor})"


def _targets(text: str, path: Path) -> set[Path]:
    prose = "".join(FENCED.split(text)[::2])
    targets = {target.partition("#")[0] for _, target in LINK.findall(prose)}
    return {(path.parent / name).resolve() for name in targets if name and ":" not in name}


def _place(file: Path) -> str | None:
    """Return what the site calls `file`; None if it is no part of it by itself."""
    folder, name = file.parent, file.name
    if folder == ROOT and name in ("README.md", "CONTRIBUTING.md"):
        return "index.md" if name == "README.md" else "contributing.md"
    if folder.is_relative_to(SAMPLES) and name == "README.md":
        sample = "index" if folder == SAMPLES else folder.relative_to(SAMPLES).as_posix()
        return f"samples/{sample}.md"
    if file.is_relative_to(ROOT / "docs"):
        return file.relative_to(ROOT / "docs").as_posix().replace(".zh.md", ".md")
    return None


def _attached(file: Path) -> str:
    return f"files/{file.relative_to(ROOT).as_posix()}"


ALTERNATE: Final = re.compile(r'\s*<link rel="alternate" href="[^"]*" hreflang="[^"]*">')
CHOICE: Final = re.compile(r'<a href="[^"]*" hreflang="(\w+)"')


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Lead from each page to the same one in the other language.

    The theme's own hints of other languages are left out: they would have it ask for a sitemap
    beside each page, where there is none.
    """
    top = "../" * page.url.count("/") + ("../" if config.theme["language"] == "zh" else "")

    def to_language(found: re.Match[str]) -> str:
        target = f"{top}{LANGUAGES[found[1]][1]}{page.url}" or "./"
        return f'<a href="{target}" hreflang="{found[1]}"'

    return CHOICE.sub(to_language, ALTERNATE.sub("", output))
