"""The C plugin that does wrong on request (faulty_library/faulty.c), served; what it wrote down."""

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from support.c_programs import INCLUDE, run
from support.service import Service

SOURCES = Path(__file__).resolve().parent / "faulty_library"
FLAGS = ("-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", f"-I{INCLUDE}")

Call = Mapping[str, Any]


def build(folder: Path, *, without: Collection[str] = ()) -> Path:
    """Build the library in `folder`, without some of its functions; return it."""
    library = folder / "libwrapper.so"
    run(["gcc", "-std=gnu11", *FLAGS, "-c", SOURCES / "faulty.c"], folder)
    run(["g++", "-std=c++17", *FLAGS, "-c", SOURCES / "throwing.cpp"], folder)
    local = "".join(f"{name}; " for name in without)
    # The first pattern that fits counts, and a name is tried before a pattern with a star.
    (folder / "exports").write_text(f"{{ global: wrapper*; local: {local}*; }};\n")
    link = ("-shared", "-pthread", "-Wl,-z,now,-z,defs", "-Wl,--version-script=exports")
    run(["g++", *link, "faulty.o", "throwing.o", "-o", library], folder)
    return library


def serve(
    folder: Path,
    library: Path,
    *,
    by_callback: bool = False,
    env: Mapping[str, str] | None = None,
    **sections: Mapping[str, object],
) -> Service:
    """Start the service in `folder` with the library there; it writes its calls down."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(library, folder / library.name)
    aiges = {"asyncMode": by_callback, **sections.pop("aiges", {})}
    own = {"AIGES_PLUGIN_MODE": "c", "FAULTY_LOG": str(folder / "calls"), **(env or {})}
    return Service(folder, env=own, aiges=aiges, **sections)


def calls(folder: Path) -> list[Call]:
    """Read what the library wrote down, in order."""
    return [json.loads(line) for line in (folder / "calls").read_text("ascii").splitlines()]


def names(folder: Path, *, leaving_out: Collection[str] = ("wrapperVersion",)) -> list[str]:
    """Name the calls, in order."""
    found = [str(call["call"]) for call in calls(folder)]
    return [name for name in found if name not in leaving_out]


def calls_named(folder: Path, name: str) -> list[Call]:
    """Return the calls of one function, in order."""
    return [call for call in calls(folder) if call["call"] == name]
