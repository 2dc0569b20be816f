"""What the documents tell people to do works, and what they point to exists."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.pool.lifecycle import TRANSITIONS
from support.reader import Reader, blocks
from support.service import ROOT

README = ROOT / "README.md"
ENGLISH_HALF = "\n# aiges-loader in English\n"
DOCUMENTS = sorted(
    [
        README,
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "wrappers").rglob("README.md"),
    ]
)
TRANSLATED = sorted(path.stem.removesuffix(".zh") for path in (ROOT / "docs").glob("*.zh.md"))

INSTALLATION = """\
python3 -m venv ~/aiges-venv
. ~/aiges-venv/bin/activate
pip install '/path/to/aiges-loader[all]'"""

NOT_RUN: Mapping[str, str] = {
    "make test": "it runs this test",
    INSTALLATION: "it downloads packages; these tests have them",
}
"""Commands of the README that are only looked at, and why."""

STANDS_FOR: Mapping[str, str] = {"make run": "sh scripts/run_sample.sh digits"}
"""What is run for a command that would first install packages; `make -n` shows that it is."""


def halves() -> tuple[str, str]:
    chinese, _, english = README.read_text("utf-8").partition(ENGLISH_HALF)
    assert english
    return chinese, english


@pytest.mark.parametrize("half", [0, 1], ids=["chinese", "english"])
def test_a_reader_who_follows_the_readme_sees_what_it_says(half: int, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for block in blocks(halves()[half]):
            if block.text not in NOT_RUN and block.language != "dockerfile":
                reader.do(replace(block, text=STANDS_FOR.get(block.text, block.text)))
        written = (reader.folder / "aiges.toml").read_text("utf-8")
    assert written == (ROOT / "aiges.toml").read_text("utf-8")


def test_both_halves_of_the_readme_have_the_same_blocks_and_tables() -> None:
    chinese, english = halves()
    assert blocks(chinese) == blocks(english)
    assert shape_of_tables(chinese) == shape_of_tables(english)


def test_what_is_only_looked_at_is_in_the_readme_and_exists() -> None:
    commands = {block.text for block in blocks(halves()[0]) if block.language == "sh"}
    assert set(NOT_RUN) | set(STANDS_FOR) <= commands
    for command, instead in STANDS_FOR.items():
        assert instead in rehearsal(command.removeprefix("make "))
    for command in NOT_RUN:
        if command.startswith("make "):
            assert "pytest" in rehearsal(command.removeprefix("make "))


def rehearsal(target: str) -> str:
    """Return the commands that `make` would run."""
    env = {name: v for name, v in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_of(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", DOCUMENTS, ids=names_of(DOCUMENTS))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
            broken.append(target)
    assert broken == []


def prose(markdown: str) -> str:
    """Return the text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def anchors(markdown: str) -> set[str]:
    """Name the headings as links do: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", prose(markdown), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=names_of(DOCUMENTS))
def test_every_file_and_make_target_that_is_named_exists(path: Path) -> None:
    code = re.findall(r"`([^`\n]+)`", prose(path.read_text("utf-8")))
    missing = [name for name in code if is_a_path(name) and not exists(name)]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    missing += [name for name in code if name.startswith("make ") and name[5:] not in targets]
    assert missing == []


ROOTS = ("", "loader/aiges_loader", "plugin_runtime/aiges", "plugin_runtime/aiges/_runtime")
"""Where names of files in the documents begin."""


def is_a_path(name: str) -> bool:
    in_a_folder = re.fullmatch(r"\.?[\w.-]+(/[\w.*-]+)+\.(py|sh|md|toml|proto)", name)
    return in_a_folder is not None or re.fullmatch(r"\w+\.py", name) is not None


def exists(name: str) -> bool:
    """Say whether the repository has the file; people's own files have well-known names."""
    if name in ("wrapper.py", "wrapper/wrapper.py", "wrapper/test_wrapper.py"):
        return True
    if "/" not in name:
        return any(ROOT.glob(f"[!.]*/**/{name}"))
    return any(any((ROOT / root).glob(name)) for root in ROOTS)


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_of_a_document_have_the_same_tables(name: str) -> None:
    english = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    chinese = (ROOT / "docs" / f"{name}.zh.md").read_text("utf-8")
    assert shape_of_tables(chinese) == shape_of_tables(english)


def shape_of_tables(markdown: str) -> list[list[int]]:
    """Return the number of cells in each row of each table."""
    tables = re.findall(r"(?:^\|.*\|$\n?)+", prose(markdown), re.MULTILINE)
    return [[len(re.findall(r"(?<!\\)\|", row)) - 1 for row in t.splitlines()] for t in tables]


@pytest.mark.parametrize("name", ["architecture.md", "architecture.zh.md"])
def test_the_documented_transitions_are_those_of_the_program(name: str) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| ([a-z ]+) \| `([a-z]+)` \|$", text, re.MULTILINE)
    expected = {(old.value, event.value, new.value) for (old, event), new in TRANSITIONS.items()}
    assert set(rows) == expected
    assert len(rows) == len(expected)


CHECKLISTS: Mapping[str, int] = {"H": 68, "P": 52}
"""What go-plugin asks of a host and of a plugin: so many numbers of each letter."""


def checklist_tables(
    name: str = "go-plugin.md", left_out_heading: str = "What does not apply:"
) -> tuple[dict[str, list[str]], list[str]]:
    """Return which files the document names for each number, and the numbers left out."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    tested, heading, left_out = text.partition(left_out_heading)
    assert heading
    row = r"^\| ((?:[HP]\d+(?:, )?)+) \|.*\| ([^|]*) \|$"
    files: dict[str, list[str]] = {}
    for numbers, where in re.findall(row, tested, re.MULTILINE):
        for number in numbers.split(", "):
            assert number not in files
            files[number] = re.findall(r"`(\w+\.py)`", where)
    reasons = re.findall(row, left_out, re.MULTILINE)
    return files, [number for numbers, _ in reasons for number in numbers.split(", ")]


def test_every_rule_of_go_plugin_is_tested_or_does_not_apply() -> None:
    files, left_out = checklist_tables()
    every = [f"{letter}{n}" for letter, count in CHECKLISTS.items() for n in range(1, count + 1)]
    assert sorted([*files, *left_out]) == sorted(every)


def test_both_languages_name_the_same_tests_for_the_rules_of_go_plugin() -> None:
    assert checklist_tables("go-plugin.zh.md", "不适用的：") == checklist_tables()


def test_the_tests_that_are_named_for_a_rule_name_it() -> None:
    files, _ = checklist_tables()
    names = {name for named in files.values() for name in named}
    paths = {name: next((ROOT / "tests").rglob(name)) for name in names}
    named_by = {
        name: set(re.findall(r"\b[HP]\d+\b", path.read_text("utf-8")))
        for name, path in paths.items()
    }
    unnamed = [n for n, where in files.items() if not any(n in named_by[name] for name in where)]
    idle = names - {name for n, where in files.items() for name in where if n in named_by[name]}
    assert (unnamed, idle) == ([], set())
