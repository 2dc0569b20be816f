"""The files the configuration stands in: where they are sought, and how they are read."""

import os
from pathlib import Path

from aiges_loader.config.findings import ConfigError, Finding, Place

DEFAULT_NAME = "aiges.toml"


def locate(name: str, *, program: Path, working_directory: Path = Path()) -> Path:
    """Find the main file that `-c` names: as given, else in the conf folder beside the program's.

    Args:
        name: As given; relative names are sought from `working_directory`.
        program: The file that was started, with its folder.
        working_directory: That of the process, unless a test says otherwise.

    Raises:
        ConfigError: There is none.
    """
    given = working_directory / name
    beside = program.parent.parent / "conf" / name
    for path in (given, beside):
        if os.path.exists(path):
            return path
    raise ConfigError(
        [Finding(None, "", f"can't open {name}: neither {given} nor {beside} exists")]
    )


def write_default(directory: Path = Path()) -> bool:
    """Put the default aiges.toml into `directory`; an existing one stays as it is.

    Returns:
        Whether it was written.

    Raises:
        ConfigError: It cannot be.
    """
    path = directory / DEFAULT_NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(default_text())
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            [Finding(Place(str(path)), "", f"can't create: {error.strerror}")]
        ) from error
    return True


def default_text() -> str:
    """Return the default aiges.toml: from the installed package, else from the checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "shipped" / DEFAULT_NAME
    in_checkout = package.parent.parent / DEFAULT_NAME
    return (shipped if shipped.exists() else in_checkout).read_text(encoding="utf-8")


def read_text(path: Path) -> str:
    """Read a whole file; raise `ConfigError` if it cannot be read or is not UTF-8."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: the name has a NUL in it
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Finding(None, "", f"can't open {path}: {reason}")]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(str(path), content.count(b"\n", 0, error.start) + 1)
        text = f"not UTF-8: byte 0x{content[error.start]:02x}"
        raise ConfigError([Finding(place, "", text)]) from error
