"""What the wrapper gets as its configuration: `[wrapper]`, or every section of the usrCfg file.

Text form of values: whole numbers in decimal, true and false, numbers as the shortest plain decimal
without exponent. No I/O.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import inf, isfinite
from types import MappingProxyType

from aiges_loader.config.document import Document
from aiges_loader.config.findings import Finding
from aiges_loader.config.settings import Settings, shown


def from_wrapper_section(settings: Settings) -> Mapping[str, str]:
    """Return the keys of `[wrapper]` as they are, their values as text."""
    texts: dict[str, str] = {}
    for name, found in settings.given("wrapper").items():
        text = plain_text(found.value)
        if text is None:
            problem = _unpassable(found.value)
            settings.errors.append(settings.finding("wrapper", name, problem))
        else:
            texts[name] = text
    return MappingProxyType(texts)


def from_user_file(document: Document, settings: Settings) -> Mapping[str, str]:
    """Return each value of the usrCfg file as `section.key`; what is in no section is left out."""
    texts: dict[str, str] = {}
    for section, table in document.data.items():
        if not isinstance(table, dict):
            place = document.place(section)
            problem = "is in no section, so the wrapper does not get it"
            settings.warnings.append(Finding(place, section, problem))
            continue
        for name, value in table.items():
            text = plain_text(value)
            if text is None:
                place = document.place(section, name)
                settings.errors.append(Finding(place, f"[{section}] {name}", _unpassable(value)))
            else:
                texts[f"{section}.{name}"] = text
    return MappingProxyType(texts)


def plain_text(value: object) -> str | None:
    """Write a value as the wrapper gets it; None if it cannot be passed on."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float() if isfinite(value):
            text = format(Decimal(repr(value)), "f")
            return text.rstrip("0").removesuffix(".") if "." in text else text
        case float():
            return {inf: "+Inf", -inf: "-Inf"}.get(value, "NaN")
        case _:
            return None


def _unpassable(value: object) -> str:
    hint = " (a key with dots in its name needs quotes)" if isinstance(value, dict) else ""
    return f"expected a text, a number, true or false, got {shown(value)}{hint}"
