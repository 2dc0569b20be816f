"""`aiges package`: a project as one file, the same bytes whenever and wherever it is made."""

import gzip
import os
import re
import tarfile
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from aiges.authoring.errors import AuthoringError
from aiges.authoring.sources import belongs, is_environment, is_ignored_folder
from aiges.authoring.texts import say

_EPOCH_S: Final = 315_532_800
"""1980-01-01, the oldest time that every archiver knows: all files in a package have it."""

_UPSTREAM: Final = re.compile(r"^\s*aiges\s*($|[\s=<>~!;\[#])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """What was packed.

    Attributes:
        file: The archive.
        files: How many files are in it.
        bytes: Its size.
        warnings: What may keep it from running elsewhere.
    """

    file: Path
    files: int
    bytes: int
    warnings: tuple[str, ...]


def default_name(root: Path) -> str:
    """Return what the package of a project is called unless somebody says otherwise."""
    return f"{root.name}.tar.gz"


def pack(root: Path, target: Path) -> Package:
    """Write the project in `root` into `target`, a tar.gz; an older file there is replaced.

    Raises:
        AuthoringError: Something cannot be read or written, or belongs to no package.
    """
    draft = target.with_name(f".{target.name}.part")
    packages = {target.resolve(), root / default_name(root)}
    try:
        paths = sorted(_files(root, root, packages), key=lambda path: path.as_posix())
        try:
            with draft.open("wb") as out:
                _write(out, root, paths)
            size = draft.stat().st_size
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        where = error.filename or target
        reason = error.strerror or str(error)
        raise AuthoringError(say("package.cannot", path=where, reason=reason)) from None
    return Package(target, len(paths), size, tuple(_warnings(root)))


def _files(root: Path, folder: Path, packages: Set[Path]) -> Iterator[Path]:
    """Yield the files that belong to the project; links to files are files here.

    Args:
        root: Of the project.
        folder: Where to look.
        packages: Earlier results, which are no part of the next one.
    """
    for entry in sorted(folder.iterdir()):
        relative = entry.relative_to(root)
        if entry.is_dir():
            if is_ignored_folder(entry.name) or is_environment(entry):
                continue
            if entry.is_symlink():
                raise AuthoringError(say("package.link", path=entry))
            yield from _files(root, entry, packages)
        elif not entry.exists():
            raise AuthoringError(say("package.dangling", path=entry))
        elif entry.is_file() and belongs(relative) and entry not in packages:
            yield relative


def _write(out: BinaryIO, root: Path, paths: list[Path]) -> None:
    """Write the archive; nothing in it depends on who makes it, where and when."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in paths:
            with (root / path).open("rb") as source:
                status = os.fstat(source.fileno())
                member = tarfile.TarInfo(f"{root.name}/{path.as_posix()}")
                member.size = status.st_size
                member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                member.mtime = _EPOCH_S
                archive.addfile(member, source)


def _warnings(root: Path) -> Iterator[str]:
    requirements = root / "requirements.txt"
    if not requirements.is_file():
        yield say("package.no_requirements")
    elif _UPSTREAM.search(requirements.read_text("utf-8", "replace")):
        yield say("package.upstream")
