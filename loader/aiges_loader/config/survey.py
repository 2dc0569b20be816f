"""What does not do what a reader may think: unknown, planned and unavailable keys. No I/O.

Looks only at what was given, whatever the source.
"""

from collections.abc import Iterable

from aiges_loader.config.findings import Finding
from aiges_loader.config.keys import (
    DEAD_SECTIONS,
    KEYS,
    SECTIONS,
    SERVICE,
    State,
    known_key,
    names_in,
)
from aiges_loader.config.settings import Settings, shown

_MARKS = {"host", "port", "finder"}
"""A section that has one of these keys is some service's."""


def survey(settings: Settings) -> None:
    """Add the warnings and notes about every section and key that was given."""
    _survey_top_level(settings)
    for section, given in settings.sections.items():
        if section not in SECTIONS and section != settings.service:
            _survey_unknown_section(section, settings)
        elif section in DEAD_SECTIONS and section != settings.service:
            place = settings.section_place(section)
            settings.notes.append(Finding(place, f"[{section}]", "has no effect: nothing reads it"))
        else:
            for name in given:
                _survey_key(section, name, settings)
    if settings.service not in settings.sections:
        _warn_of_missing_service_section(settings)
    if "http_listen" in settings.given(SERVICE) and "http_listen" not in settings.given("wrapper"):
        text = "is not read here, so HTTP gets a random port: move it to [wrapper]"
        settings.warnings.append(settings.finding(SERVICE, "http_listen", text))


def _survey_top_level(settings: Settings) -> None:
    for document in settings.documents:
        for name, value in document.data.items():
            if isinstance(value, dict):
                continue
            place = document.place(name)
            if name in SECTIONS or name == settings.service:
                text = f"expected a section, got {shown(value)}"
                settings.errors.append(Finding(place, f"[{name}]", text))
            else:
                text = "is in no section, so it has no effect"
                settings.warnings.append(Finding(place, name, text))


def _survey_key(section: str, name: str, settings: Settings) -> None:
    key = known_key(section, name, service=settings.service)
    if key is None:
        if section != "wrapper":
            text = f"unknown key, has no effect{_meant(section, name, settings)}"
            settings.warnings.append(settings.finding(section, name, text))
        return
    match key.state:
        case State.ABSENT if settings.value(key) != key.default:
            text = f"has no effect: {key.instead}"
            settings.warnings.append(settings.finding(section, name, text))
        case State.SETTLED | State.DEAD:
            text = f"has no effect: {key.instead}"
            settings.notes.append(settings.finding(section, name, text))
        case _:
            pass


def _survey_unknown_section(section: str, settings: Settings) -> None:
    place = settings.section_place(section)
    if _is_of_a_service(section, settings):
        text = f"is the section of another service, not read for {settings.service}"
        settings.notes.append(Finding(place, f"[{section}]", text))
    else:
        hint = _did_you_mean(section, SECTIONS)
        text = f"unknown section, has no effect{hint}"
        settings.warnings.append(Finding(place, f"[{section}]", text))


def _warn_of_missing_service_section(settings: Settings) -> None:
    others = ", ".join(
        f"[{section}]" for section in settings.sections if _is_of_a_service(section, settings)
    )
    text = (
        f"there is no section [{settings.service}], so gRPC listens on this machine's address and "
        f"a random port{f' (the file has {others})' if others else ''}"
    )
    settings.warnings.append(Finding(settings.main.place(), "", text))


def _is_of_a_service(section: str, settings: Settings) -> bool:
    return section not in SECTIONS and bool(_MARKS & settings.sections[section].keys())


def _meant(section: str, name: str, settings: Settings) -> str:
    """Hint at a key of this section with a like name, else at one of that name elsewhere."""
    hint = _did_you_mean(name, names_in(section, service=settings.service))
    elsewhere = [key for key in KEYS.values() if key.name == name and key.state is State.WORKS]
    if hint or not elsewhere:
        return hint
    return f"; did you mean [{settings.real(elsewhere[0].section)}] {name}?"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed when something is wrong

    by_folded = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]}?" if close else ""
