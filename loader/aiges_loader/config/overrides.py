"""Environment variables that set keys: AIGES__POOL__WORKERS=4 is `[pool] workers = 4`. No I/O.

Case does not count, and `_` stands for any character that a variable's name cannot have:
AIGES__SVCNAME__CONN_RBUF is `[svcName] conn-rbuf`. Arrays and tables are written as in the file:
AIGES__POOL__GPUS='["0", "1"]', AIGES__POOL__ENV='{ OMP_NUM_THREADS = 1 }'.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping

from aiges_loader.config.findings import Finding, Place
from aiges_loader.config.keys import SECTIONS, Key, Kind, known_key, names_in
from aiges_loader.config.settings import Found, Settings, decimal_integer, expected, shown

PREFIX = "AIGES__"


def apply_overrides(environ: Mapping[str, str], settings: Settings) -> None:
    """Put the value of every variable with our prefix over what the files say."""
    for variable, text in environ.items():
        if variable.upper().startswith(PREFIX):
            _apply(variable, text, settings)


def _apply(variable: str, text: str, settings: Settings) -> None:
    target = _target(variable[len(PREFIX) :], settings)
    if target is None:
        problem = "matches no key of the configuration, so it has no effect"
        settings.warnings.append(Finding(Place(variable), "", problem))
        return
    section, name = target
    key = known_key(section, name, service=settings.service)
    value = _parsed(text, key)
    if value is None:
        assert key is not None
        problem = f"expected {expected(key)}, got {shown(text)}"
        settings.errors.append(Finding(Place(variable), f"[{section}] {name}", problem))
        return
    settings.sections.setdefault(section, {})[name] = Found(value, variable)


def _target(rest: str, settings: Settings) -> tuple[str, str] | None:
    """Find the section and key that `rest`, like "POOL__WORKERS", names."""
    sections = {settings.service, *settings.sections, *SECTIONS}
    fitting = [name for name in sections if _plain(rest).startswith(f"{_plain(name)}__")]
    if not fitting:
        return None
    section = max(fitting, key=lambda name: (len(name), name == settings.service, name))
    wanted = rest[len(section) + 2 :]
    names = (*settings.sections.get(section, {}), *names_in(section, service=settings.service))
    name = _best(wanted, names)
    if name is None and section == "wrapper" and wanted:
        name = wanted.lower()
    return None if name is None else (section, name)


def _best(wanted: str, names: Iterable[str]) -> str | None:
    """Pick the name that equals `wanted` but for case, else the first that may be meant."""
    fitting = [name for name in names if _plain(name) == _plain(wanted)]
    exact = [name for name in fitting if name.upper() == wanted.upper()]
    return next(iter([*exact, *fitting]), None)


def _plain(name: str) -> str:
    """Fold case and characters; the length stays."""
    return re.sub("[^A-Za-z0-9]", "_", name).upper()


def _parsed(text: str, key: Key | None) -> object:
    """Read `text` as the kind of `key`; None if it is not of that kind."""
    match key.kind if key else Kind.TEXT:
        case Kind.INTEGER:
            return decimal_integer(text)
        case Kind.NUMBER:
            return _float(text)
        case Kind.SWITCH:
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        case Kind.LIST | Kind.TABLE:
            return _toml_value(text)
        case _:
            return text


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _toml_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # tomllib's own error is a ValueError
        return None
