"""Which files of a project belong to it, and which only happen to lie there."""

from pathlib import Path, PurePath
from typing import Final

from aiges.authoring.project import CONFIG

WATCHED: Final = frozenset({".py", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".so"})
"""Endings of files that decide how a wrapper behaves.

Not those that wrappers write while they run, such as .json and .log: each would be a restart.
"""

_IGNORED_FOLDERS: Final = frozenset(
    {
        "__pycache__",
        "__pypackages__",
        ".cache",
        ".eggs",
        ".git",
        ".hg",
        ".hypothesis",
        ".idea",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        ".vscode",
        "log",
        "logs",
        "node_modules",
        "venv",
    }
)
_IGNORED_ENDINGS: Final = (".log", ".pyc", ".pyo", ".swp", "~")
_IGNORED_FILES: Final = frozenset({".DS_Store", "Thumbs.db"})


def belongs(path: PurePath) -> bool:
    """Say whether a file, by its path in the project, is part of it: no cache, log or the like."""
    if any(is_ignored_folder(part) for part in path.parts[:-1]):
        return False
    return path.name not in _IGNORED_FILES and not path.name.endswith(_IGNORED_ENDINGS)


def is_ignored_folder(name: str) -> bool:
    """Say whether nothing in folders of that name belongs to a project."""
    return name in _IGNORED_FOLDERS or name.endswith(".egg-info")


def is_environment(folder: Path) -> bool:
    """Say whether a folder is a virtual environment, whatever it is called."""
    return (folder / "pyvenv.cfg").is_file()


def is_watched(path: PurePath) -> bool:
    """Say whether a file, by its path in the project, decides how its wrapper behaves."""
    return path.suffix in WATCHED and belongs(path)


def is_config(path: PurePath) -> bool:
    """Say whether a file is the service's configuration."""
    return path.name == CONFIG
