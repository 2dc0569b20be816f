"""The values that were given, from every source, and typed access by the rules of the known keys.

A later source covers an earlier one: the text of `-dc`, the main file, the environment. Nothing
here raises: errors are collected, so that a reader can mend them all at once. No I/O.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf, isfinite

from aiges_loader.config.document import Document
from aiges_loader.config.findings import Finding, Place
from aiges_loader.config.keys import KEYS, SERVICE, Key, Kind, State

_DECIMAL = re.compile(r"[+-]?[0-9]{1,100}")
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it comes from: a document, or the environment variable of that name."""

    value: object
    source: Document | str


class Settings:
    """What was given for one service, and what there is to say about it so far.

    Attributes:
        service: Names the section that `SERVICE` stands for.
        main: The main file; it is blamed for what is missing.
        sections: Section -> key -> value, as given.
        errors: What makes the settings unacceptable.
        warnings: See `LoaderConfig`; `notes` likewise.
    """

    def __init__(self, service: str, main: Document, *, defaults: Document | None = None) -> None:
        self.service = service
        self.main = main
        self.sections: dict[str, dict[str, Found]] = {}
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []
        self.notes: list[Finding] = []
        self.documents = (main,) if defaults is None else (defaults, main)
        for document in self.documents:
            for section, table in document.data.items():
                if isinstance(table, dict):
                    found = {name: Found(value, document) for name, value in table.items()}
                    self.sections.setdefault(section, {}).update(found)

    def given(self, section: str) -> Mapping[str, Found]:
        """Return what `[section]` holds; nothing if it is not there."""
        return self.sections.get(self.real(section), {})

    def real(self, section: str) -> str:
        """Return the section's name in the file."""
        return self.service if section == SERVICE else section

    def place(self, section: str, name: str) -> Place:
        """Find where the key was given; if it was not, where it could have been."""
        found = self.given(section).get(name)
        if found is None:
            return self.main.place(self.real(section))
        if isinstance(found.source, str):
            return Place(found.source)
        return found.source.place(self.real(section), name)

    def section_place(self, section: str) -> Place:
        """Find where a section that was given begins."""
        holders = [document for document in self.documents if section in document.data]
        return holders[-1].place(section) if holders else Place(self.main.name, 1)

    def finding(self, section: str, name: str, text: str) -> Finding:
        """Say `text` about a key."""
        return Finding(self.place(section, name), f"[{self.real(section)}] {name}", text)

    def integer(self, section: str, name: str) -> int:
        """Read a whole number; AIservice's keys also take one written as text."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, int)
        return value

    def number(self, section: str, name: str) -> float:
        """Read a number."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, float)
        return value

    def text(self, section: str, name: str) -> str:
        """Read a text; AIservice's keys also take a number for one."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, str)
        return value

    def switch(self, section: str, name: str) -> bool:
        """Read true or false."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, bool)
        return value

    def items(self, section: str, name: str) -> tuple[str, ...]:
        """Read an array of texts; whole numbers in it count as texts."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, tuple)
        return value

    def table(self, section: str, name: str) -> Mapping[str, str]:
        """Read a table of texts; whole numbers in it count as texts."""
        value = self.value(KEYS[section, name])
        assert isinstance(value, Mapping)
        return value

    def value(self, key: Key) -> object:
        """Read `key` by its kind; after a finding, something of that kind to go on with."""
        stand_in = _stand_in(key) if key.default is None else key.default
        found = self.given(key.section).get(key.name)
        if found is None:
            if key.default is None:
                self.errors.append(self._misfit(key, "got nothing"))
            return stand_in
        value = _READERS[key.kind](found.value, key.ours)
        if value is not None and _allowed(key, value):
            return value
        got = f"got {shown(found.value)}"
        if value is None and not key.ours and key.default is not None:
            used = f"{got}: {shown(stand_in)} is used"
            used += ", as AIservice does" if key.state is State.WORKS else ""
            self.warnings.append(self._misfit(key, used))
        else:
            self.errors.append(self._misfit(key, got))
        return stand_in

    def _misfit(self, key: Key, problem: str) -> Finding:
        return self.finding(key.section, key.name, f"expected {expected(key)}, {problem}")


def expected(key: Key) -> str:
    """Say what `key` may be set to."""
    if key.choices:
        *others, last = map(shown, key.choices)
        return f"{', '.join(others)} or {last}" if others else last
    noun = _NOUNS[key.kind]
    if key.low == -inf:
        return noun
    if key.high == inf:
        return f"{noun} from {key.low:.10g}"
    return f"{noun} in {key.low:.10g}..{key.high:.10g}"


def shown(value: object) -> str:
    """Write `value` as it would stand in the file, shortened; name its kind if it has parts."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            more = "..." if len(value) > _LONGEST_SHOWN else ""
            return json.dumps(value[:_LONGEST_SHOWN] + more, ensure_ascii=False)
        case int() | float():
            return str(value)
        case dict() | list():
            return "a table" if isinstance(value, dict) else "an array"
        case _:
            return "a date or time"


def decimal_integer(text: str) -> int | None:
    """Read a whole number of 64 bits from its decimal digits; None if `text` is anything else."""
    if not _DECIMAL.fullmatch(text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def _allowed(key: Key, value: object) -> bool:
    if isinstance(value, str):
        return not key.choices or value in key.choices
    return not isinstance(value, int | float) or key.low <= value <= key.high  # NaN is not


def _stand_in(key: Key) -> object:
    return key.choices[0] if key.choices else 1


def _read_integer(value: object, strict: bool) -> int | None:
    if isinstance(value, str) and not strict:
        return decimal_integer(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_number(value: object, strict: bool) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _read_text(value: object, strict: bool) -> str | None:
    if isinstance(value, str):
        return value
    if strict or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return _with_exponent(value) if isinstance(value, float) else None


def _with_exponent(value: float) -> str:
    """Write 1.0 as 1E+00: shortest digits, exponent of two digits or more."""
    if not isfinite(value):
        return {inf: "+Inf", -inf: "-Inf"}.get(value, "NaN")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    mantissa = "".join(map(str, digits))
    point = f"{mantissa[0]}.{mantissa[1:]}" if mantissa[1:] else mantissa
    power = exponent + len(mantissa) - 1
    return f"{'-' if sign else ''}{point}E{'-' if power < 0 else '+'}{abs(power):02d}"


def _read_switch(value: object, strict: bool) -> bool | None:
    return value if isinstance(value, bool) else None


def _read_list(value: object, strict: bool) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    texts = [_item(item) for item in value]
    return None if None in texts else tuple(text for text in texts if text is not None)


def _read_table(value: object, strict: bool) -> Mapping[str, str] | None:
    if not isinstance(value, dict):
        return None
    texts = {name: _item(item) for name, item in value.items()}
    fitting = {name: text for name, text in texts.items() if text is not None}
    return fitting if len(fitting) == len(texts) else None


def _item(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _read_any(value: object, strict: bool) -> object:
    return value


_READERS: Mapping[Kind, Callable[[object, bool], object]] = {
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.TEXT: _read_text,
    Kind.SWITCH: _read_switch,
    Kind.LIST: _read_list,
    Kind.TABLE: _read_table,
    Kind.ANY: _read_any,
}
_NOUNS = {
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number",
    Kind.TEXT: "a text",
    Kind.SWITCH: "true or false",
    Kind.LIST: "an array of texts or whole numbers",
    Kind.TABLE: "a table of texts or whole numbers",
    Kind.ANY: "a value",
}
