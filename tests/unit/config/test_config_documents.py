"""The documentation and the default file against the table of known keys."""

import re
import tomllib
from pathlib import Path
from types import MappingProxyType

import pytest

from aiges_loader.config import default_text
from aiges_loader.config.keys import KEYS, SERVICE, Key, State

ROOT = Path(__file__).resolve().parents[3]
STATES = {
    "configuration.md": {state.value: state for state in State},
    "configuration.zh.md": {
        "可用": State.WORKS,
        "不提供": State.ABSENT,
        "附属": State.DETAIL,
        "已固定": State.SETTLED,
        "忽略": State.DEAD,
    },
}
REQUIRED = ("required", "必填")

Row = tuple[str, State, str]
"""Default, state and meaning as they are documented."""


def rows(name: str) -> list[tuple[tuple[str, str], Row]]:
    """Read every table below a heading that names a section."""
    section = ""
    found = []
    for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (?:`\[([^]]+)\]`[:：])?", line):
            section = heading[1] or ""
        elif section and line.startswith("| `"):
            keys, _, default, state, meaning = line.strip("| ").split(" | ")
            row = (default.strip().strip("`"), STATES[name][state], meaning)
            found += [((section, key), row) for key in re.findall(r"`([^`]+)`", keys)]
    return found


@pytest.mark.parametrize("name", STATES)
def test_every_known_key_has_one_row_and_no_other_key_has(name: str) -> None:
    documented = [key for key, _ in rows(name)]
    assert sorted(documented) == sorted(KEYS)


@pytest.mark.parametrize("name", STATES)
def test_the_documented_defaults_and_states_are_those_of_the_program(name: str) -> None:
    for (section, key), (default, state, meaning) in rows(name):
        known = KEYS[section, key]
        assert state is known.state, f"[{section}] {key}"
        assert meaning, f"[{section}] {key}"
        if known.state in {State.WORKS, State.ABSENT} and key != "log.level":
            assert default in written(known), f"[{section}] {key}"
        else:
            assert default == "", f"[{section}] {key}"


def written(key: Key) -> tuple[str, ...]:
    """Return the spellings that the default may have in a document."""
    match key.default:
        case None:
            return REQUIRED
        case bool():
            return ("true" if key.default else "false",)
        case str():
            return (f'"{key.default}"',)
        case float():
            return (f"{key.default:g}",)
        case tuple() | MappingProxyType():
            return ("[]", "{}")
        case _:
            return (str(key.default),)


def test_the_default_file_has_every_key_that_works() -> None:
    data = tomllib.loads(default_text())
    data[SERVICE] = data.pop("svcName")
    expected = {
        key
        for key, known in KEYS.items()
        if known.state is State.WORKS and key not in {("fc", "strategy")} and key[0] != "tls"
    }
    given = {(section, name) for section, table in data.items() for name in table}
    assert given - expected == {("wrapper", "common.lic")}
    assert expected - given == set()


def test_every_setting_of_the_default_file_has_a_comment_in_english_and_chinese() -> None:
    comment: list[str] = []
    settings_seen = 0
    for line in default_text().splitlines():
        if line.startswith("#"):
            comment = [line] if settings_seen else [*comment, line]
            settings_seen = 0
        elif " = " in line:
            settings_seen += 1
            assert re.search("[a-z]{2}", comment[0]), line
            assert re.search("[\u4e00-\u9fff]", comment[-1]), line


def plain(default: object) -> object:
    """Return a default as a file would have it."""
    match default:
        case tuple():
            return list(default)
        case MappingProxyType():
            return dict(default)
        case _:
            return default


def test_the_default_file_differs_from_the_defaults_only_where_it_says_so() -> None:
    data = tomllib.loads(default_text())
    data[SERVICE] = data.pop("svcName")
    different = {
        (section, name): value
        for section, table in data.items()
        for name, value in table.items()
        if (section, name) in KEYS and plain(KEYS[section, name].default) not in (value, None)
    }
    assert different == {
        (SERVICE, "host"): "0.0.0.0",
        (SERVICE, "port"): 5090,
        ("wrapper", "http_listen"): "0.0.0.0:1888",
        ("fc", "able"): 1,
        ("log", "file"): "./log/aiges.log",
        ("log", "size"): 3,
        ("log", "count"): 3,
        ("log", "die"): 3,
    }
