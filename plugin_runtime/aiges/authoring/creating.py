"""`aiges create`: a new project from a template, written whole or not at all."""

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say

KINDS: Final = ("once", "stream", "batch")
"""Templates in Python, each beside what all of them have in common."""

_COMMON: Final = "common"
_LIBRARY: Final = "c"
_TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_PLACEHOLDER: Final = "PROJECT_NAME"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written: its bytes and its permission bits."""

    content: bytes
    mode: int


def languages() -> tuple[str, ...]:
    """Name the languages that there are templates for."""
    return ("python", "c") if (_TEMPLATES / _LIBRARY).is_dir() else ("python",)


def check_name(name: str) -> None:
    """Raise `AuthoringError` unless `name` can name a folder, a route and a member of JSON."""
    if not _NAME.fullmatch(name):
        raise AuthoringError(say("create.bad_name", name=name))


def python_files(name: str, kind: str) -> dict[Path, File]:
    """Return the files of a project in Python, by their path in it."""
    return _rendered(_COMMON, name) | _rendered(kind, name)


def library_files(name: str) -> dict[Path, File]:
    """Return the files of a project in C, by their path in it."""
    return _rendered(_LIBRARY, name)


def _rendered(template: str, name: str) -> dict[Path, File]:
    folder = _TEMPLATES / template
    files = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        content = path.read_bytes()
        with suppress(UnicodeDecodeError):  # a picture, say: nothing to fill in
            content = content.decode("utf-8").replace(_PLACEHOLDER, name).encode("utf-8")
        files[path.relative_to(folder)] = File(content, path.stat().st_mode & 0o777)
    return files


def write(folder: Path, files: Mapping[Path, File], *, force: bool) -> None:
    """Write all files into `folder`, or none of them.

    Args:
        folder: Made if it is not there; what else is in it stays.
        files: By their path in it.
        force: Replace files that are there already.

    Raises:
        AuthoringError: Something is in the way, or cannot be written.
    """
    if taken := _in_the_way(folder, files, force=force):
        shown = "\n  ".join(str(path) for path in taken)
        raise AuthoringError(say("create.in_the_way", taken=shown))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In the same file system, so that every file is moved into its place whole.
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as stage:
            new, old = Path(stage, "new"), Path(stage, "old")
            for path, file in files.items():
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(file.content)
                (new / path).chmod(file.mode)
            _move_all(list(files), new, folder, old)
    except OSError as error:
        where = error.filename or folder
        raise AuthoringError(
            say("create.cannot_write", path=where, reason=error.strerror or str(error))
        ) from None


def _in_the_way(folder: Path, files: Mapping[Path, File], *, force: bool) -> list[Path]:
    """Return what hinders: folders in place of files, files in place of folders, and files."""
    found = []
    for path in files:
        target = folder / path
        parents = [folder / parent for parent in path.parents]
        blocked = next((parent for parent in parents if _is_no_folder(parent)), None)
        if blocked is not None:
            found.append(blocked)
        elif target.is_dir() or (os.path.lexists(target) and not force):
            found.append(target)
    return list(dict.fromkeys(found))


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _move_all(paths: list[Path], source: Path, target: Path, aside: Path) -> None:
    """Move every path from `source` to `target`; if one fails, put everything back as it was."""
    made = [path for path in _folders(paths, target) if not path.exists()]
    moved: list[Path] = []
    try:
        for folder in made:
            folder.mkdir()
        for path in paths:
            if os.path.lexists(target / path):
                (aside / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).rename(aside / path)
            moved.append(path)
            (source / path).rename(target / path)
    except OSError:
        for path in reversed(moved):
            (target / path).unlink(missing_ok=True)
            if os.path.lexists(aside / path):
                (aside / path).rename(target / path)
        for folder in reversed(made):
            if folder.is_dir():
                folder.rmdir()
        raise


def _folders(paths: list[Path], target: Path) -> list[Path]:
    """Return every folder that the paths need, outer ones first."""
    folders = {target / parent for path in paths for parent in path.parents}
    return sorted(folders, key=lambda folder: len(folder.parts))
