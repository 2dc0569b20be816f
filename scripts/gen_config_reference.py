"""Make the tables of docs/configuration.md and .zh.md of the known keys and their meanings.

Kind, default, range and state of a key are in aiges_loader/config/keys.py, its meaning in
reference.toml beside it. The text around the tables is written by hand and stays.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from aiges_loader.config.keys import KEYS, Key, Kind, State

ROOT = Path(__file__).resolve().parent.parent
MEANINGS = ROOT / "loader" / "aiges_loader" / "config" / "reference.toml"
DOCUMENTS: Mapping[str, Path] = {
    "en": ROOT / "docs" / "configuration.md",
    "zh": ROOT / "docs" / "configuration.zh.md",
}

HEADERS: Mapping[str, str] = {
    "en": "| key | type | default | range | state | meaning |",
    "zh": "| 配置项 | 类型 | 默认值 | 范围 | 状态 | 含义 |",
}
RULE = "| --- | --- | --- | --- | --- | --- |"
HEADING = re.compile(r"## (?:`\[([^]]+)\]`)?")

KINDS: Mapping[Kind, Mapping[str, str]] = {
    Kind.INTEGER: {"en": "whole number", "zh": "整数"},
    Kind.NUMBER: {"en": "number", "zh": "数"},
    Kind.TEXT: {"en": "text", "zh": "文本"},
    Kind.SWITCH: {"en": "true/false", "zh": "布尔"},
    Kind.LIST: {"en": "array of texts", "zh": "文本数组"},
    Kind.TABLE: {"en": "table", "zh": "表"},
    Kind.ANY: {"en": "any", "zh": "任意"},
}
UNITS: Mapping[str, Mapping[str, str]] = {
    "": {"en": "", "zh": ""},
    "0 or not 0": {"en": ": 0 or not 0", "zh": "：0 或非 0"},
    "MB": {"en": ", MB", "zh": "，MB"},
    "MiB": {"en": ", MiB", "zh": "，MiB"},
    "bytes": {"en": ", bytes", "zh": "，字节"},
    "days": {"en": ", days", "zh": "，天"},
    "milliseconds": {"en": ", milliseconds", "zh": "，毫秒"},
    "seconds": {"en": ", seconds", "zh": "，秒"},
}
STATES: Mapping[State, Mapping[str, str]] = {
    State.WORKS: {"en": "works", "zh": "可用"},
    State.ABSENT: {"en": "not available", "zh": "不提供"},
    State.DETAIL: {"en": "detail", "zh": "附属"},
    State.SETTLED: {"en": "settled", "zh": "已固定"},
    State.DEAD: {"en": "ignored", "zh": "忽略"},
}
REQUIRED: Mapping[str, str] = {"en": "required", "zh": "必填"}
AT_LEAST: Mapping[str, str] = {"en": "from {}", "zh": "至少 {}"}
HAS_VALUES = frozenset({State.WORKS, State.ABSENT})
"""States in which it matters what a key is set to."""


class MismatchError(ValueError):
    """Keys, meanings and documents do not fit together; says where."""


@dataclass(frozen=True)
class Row:
    """Keys that share a row of a table.

    Attributes:
        keys: All alike in everything that the row says.
        unit: One of `UNITS`.
        meaning: By language.
    """

    keys: tuple[Key, ...]
    unit: str
    meaning: Mapping[str, str]


def read_rows(meanings: str, keys: Mapping[tuple[str, str], Key]) -> dict[str, list[Row]]:
    """Return the rows of each section, in the order of `meanings`.

    Args:
        meanings: Text of reference.toml.
        keys: The known keys by section and name.

    Raises:
        MismatchError: A key has no meaning or two, or a meaning no key, no unit or no language.
    """
    left = dict(keys)
    rows: dict[str, list[Row]] = {}
    for section, tables in tomllib.loads(meanings).items():
        for names, table in tables.items():
            where = f"[{section}] {names}"
            if set(table) - {"unit"} != {"en", "zh"} or table.get("unit", "") not in UNITS:
                raise MismatchError(f"reference.toml: {where}: needs en and zh, may have a unit")
            found = [name for place, name in left if place == section]
            wanted = found if names == "*" else names.split(", ")
            if not wanted or not set(wanted) <= set(found):
                raise MismatchError(f"reference.toml: {where}: no key of keys.py is left for this")
            alike = tuple(left.pop((section, name)) for name in wanted)
            row = Row(alike, table.get("unit", ""), table)
            if len({cells(Row((key,), row.unit, table), "en")[1:] for key in alike}) > 1:
                raise MismatchError(f"reference.toml: {where}: these keys are not alike")
            rows.setdefault(section, []).append(row)
    if left:
        missing = ", ".join(f"[{section}] {name}" for section, name in left)
        raise MismatchError(f"reference.toml: nothing says what these mean: {missing}")
    return rows


def cells(row: Row, language: str) -> tuple[str, ...]:
    """Return what stands in a row of the table."""
    key = row.keys[0]
    names = ", ".join(f"`{key.name}`" for key in row.keys)
    state = STATES[key.state][language]
    if key.state not in HAS_VALUES:
        return (names, "", "", "", state, row.meaning[language])
    kind = KINDS[key.kind][language] + UNITS[row.unit][language]
    return (
        names,
        kind,
        _default(key, language),
        _range(key, language),
        state,
        row.meaning[language],
    )


def _default(key: Key, language: str) -> str:
    match key.default:
        case None:
            return "" if key.kind is Kind.ANY else REQUIRED[language]
        case bool():
            return f"`{str(key.default).lower()}`"
        case str():
            return f'`"{key.default}"`'
        case int() | float():
            return f"`{key.default:.10g}`"
        case tuple():
            return "`[]`"
        case _:
            return "`{}`"


def _range(key: Key, language: str) -> str:
    if key.choices:
        return ", ".join(f"`{choice}`" for choice in key.choices)
    if key.low == -inf:
        return ""
    if key.high == inf:
        return AT_LEAST[language].format(f"{key.low:.10g}")
    return f"{key.low:.10g}..{key.high:.10g}"


def with_tables(document: str, language: str, rows: Mapping[str, list[Row]]) -> str:
    """Return `document` with the table of each section made of `rows`.

    A table belongs to the section of the last heading like "## `[pool]`: ..." above it. What stood
    in the table does not matter; a new section needs the heading and the header of the table.

    Raises:
        MismatchError: The document has not exactly one table for each section.
    """
    section = ""
    made: list[str] = []
    out: list[str] = []
    for line in _without_tables(document.splitlines(), HEADERS[language]):
        if heading := HEADING.match(line):
            section = heading[1] or ""
        out.append(line)
        if line == HEADERS[language]:
            if section not in rows:
                raise MismatchError(f"{language}: a table of keys below {section or 'no section'}")
            out.append(RULE)
            out += [f"| {' | '.join(cells(row, language))} |" for row in rows[section]]
            made.append(section)
    if sorted(made) != sorted(rows):
        different = sorted(set(made) ^ set(rows)) or sorted(made)
        raise MismatchError(f"{language}: not one table for each section: {', '.join(different)}")
    return "\n".join(out) + "\n"


def _without_tables(lines: list[str], header: str) -> Iterator[str]:
    """Leave out what follows each `header` until the table ends."""
    inside = False
    for line in lines:
        inside = inside and line.startswith("|")
        if not inside:
            yield line
        inside = inside or line == header


def generate() -> dict[Path, str]:
    """Return what both documents should say."""
    rows = read_rows(MEANINGS.read_text("utf-8"), KEYS)
    return {
        path: with_tables(path.read_text("utf-8"), language, rows)
        for language, path in DOCUMENTS.items()
    }


def main() -> None:
    """Write both documents."""
    for path, text in generate().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
