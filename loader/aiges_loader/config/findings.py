"""What reading the configuration has to say: where, about which key, and what."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was given.

    Attributes:
        source: A file's path, "-dc" for the inline defaults, or an environment variable's name.
        line: Counted from 1; 0 where lines have no meaning.
    """

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Finding:
    """One error, warning or note; `str(finding)` is the line to show.

    Attributes:
        place: None if the finding is about no place in particular.
        where: "[section] key", "[section]", or "" if the finding is about the whole source.
        text: The rest of the sentence.
    """

    place: Place | None
    where: str
    text: str

    def __str__(self) -> str:
        place = "" if self.place is None else str(self.place)
        return ": ".join(part for part in (place, self.where, self.text) if part)


class ConfigError(Exception):
    """Settings that cannot be accepted; `str(error)` has one line for each.

    Attributes:
        findings: Every error found, at least one.
        warnings: What else would have been warned of; a misspelt key is often the cause.
    """

    def __init__(self, findings: Iterable[Finding], warnings: Iterable[Finding] = ()) -> None:
        self.findings = tuple(findings)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(map(str, self.findings)))
