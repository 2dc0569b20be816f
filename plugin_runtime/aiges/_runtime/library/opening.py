"""Find a plugin's library, open it, see what it has."""

import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from aiges._runtime.library import abi, wrapper
from aiges._runtime.library.abi import ffi
from aiges._runtime.library.lists import text_at
from aiges._runtime.library.wrapper import LibraryWrapper
from aiges._runtime.loading import NoWrapperError

DESCRIPTION: Final = "wrapper.schema.json"
"""Sought beside the library."""

log = logging.getLogger("aiges.worker")


def open_library(
    name: str, *, by_callback: bool, reads_at_end: bool = False, schema: str = ""
) -> LibraryWrapper:
    """Open a library and return it as a wrapper.

    Args:
        name: Sought as the dynamic linker does, then in the working directory.
        by_callback: Results come by callback: wrapperExecAsync, and sessions without wrapperRead.
        reads_at_end: Call wrapperRead only once a session's input is complete.
        schema: File with its description; "": wrapper.schema.json beside the library, if any.

    Raises:
        NoWrapperError: It cannot be opened, lacks what it needs, or its description cannot be read.
    """
    linker: Any = ffi.dlopen(None)
    handle = _opened(linker, name)
    found = {f: linker.dlsym(handle, f.encode()) for f in abi.FUNCTIONS}
    provided = frozenset(function for function, address in found.items() if address != ffi.NULL)
    parts = _parts(provided, name, by_callback=by_callback)
    file = _file_of(linker, found["wrapperInit"]) or Path(name)
    described = _description(Path(schema) if schema else file.with_name(DESCRIPTION), schema)
    if described is not None:
        parts = (*parts, wrapper.Described)
    kind = type("Library", parts, {})  # what it lacks must not look as if it were there
    opened: LibraryWrapper = kind(ffi.dlopen(handle), provided=provided, schema=described)
    opened.reads_at_end = reads_at_end
    log.info(
        "opened %s%s", file, f" version {version}" if (version := opened.library_version) else ""
    )
    return opened


def _opened(linker: Any, name: str) -> Any:  # noqa: ANN401 - libraries of cffi
    # At once: a symbol that is nowhere is found out now, not in a call.
    at_once = os.RTLD_NOW | os.RTLD_LOCAL
    dlerror = linker.dlerror  # looked up first: a look-up forgets the last error
    handle = linker.dlopen(name.encode(), at_once)
    if handle != ffi.NULL:
        return handle
    complaint = text_at(dlerror())
    here = Path.cwd() / name
    if "/" in name or not here.is_file():
        where = "" if "/" in name else f", and there is none in {Path.cwd()}"
        raise NoWrapperError(f"{complaint}{where}")
    handle = linker.dlopen(os.fsencode(here), at_once)
    if handle == ffi.NULL:
        raise NoWrapperError(text_at(dlerror()))
    return handle


def _parts(provided: frozenset[str], name: str, *, by_callback: bool) -> tuple[type, ...]:
    """Choose what the library can do; each of its kinds of work must be there whole."""
    kinds: list[tuple[tuple[str, ...], type]] = (
        [
            (abi.ONCE_BY_CALLBACK, wrapper.OnceByCallback),
            (abi.SESSIONS_BY_CALLBACK, wrapper.SessionsByCallback),
        ]
        if by_callback
        else [(abi.ONCE, wrapper.Once), (abi.SESSIONS, wrapper.SessionsRead)]
    )
    if "wrapperInit" not in provided:
        raise NoWrapperError(f"{name} has no function wrapperInit")
    work = [part for functions, part in kinds if provided.issuperset(functions)]
    if not work:
        mode = "by callback" if by_callback else "by return"
        lacking = " or for ".join(
            f"{what} {', '.join(sorted(set(functions) - provided))}"
            for what, (functions, _) in zip(("calls", "sessions"), kinds, strict=True)
        )
        raise NoWrapperError(
            f"{name} can answer neither calls nor sessions {mode} ([aiges] asyncMode):"
            f" it lacks for {lacking}"
        )
    for functions, part in kinds:
        if part not in work and (half := provided.intersection(functions)):
            log.warning(
                "%s has %s but not %s: of no use",
                name,
                ", ".join(sorted(half)),
                ", ".join(sorted(set(functions) - provided)),
            )
    if provided.issuperset(abi.RESOURCES):
        work.append(wrapper.Resources)
    return tuple(work)


def _file_of(linker: Any, address: Any) -> Path | None:  # noqa: ANN401 - libraries of cffi
    place = ffi.new("symbol_place *")
    if not linker.dladdr(address, place):
        return None
    return Path(os.fsdecode(ffi.string(place.file))).absolute()


def _description(file: Path, asked: str) -> str | None:
    """Read a description; None if there is none and none was asked for."""
    if not asked and not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
        json.loads(text)
    except OSError as error:
        raise NoWrapperError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise NoWrapperError(f"{file} is no JSON: {error}") from None
    return text
