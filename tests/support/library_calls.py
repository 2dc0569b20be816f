"""Opens the faulty library and calls it through the adapter, without a worker around it.

Run as a program, so that tools that watch memory need not watch gRPC:

    python -m support.library_calls LIBRARY return|callback ROUNDS
"""

import sys
import threading
from collections.abc import Callable, Mapping

from aiges._runtime import results
from aiges._runtime.convert import NoAnswerError
from aiges._runtime.library.opening import open_library
from aiges._runtime.library.wrapper import LibraryWrapper
from aiges.dto import DataListCls, DataListNode, Response

LIMIT_S = 60.0

ODD = ("", "null", "nothing", "no_data", "endless", "bad_key", "bad_desc", "twice", "size=100000")
"""Answers that the library is asked for."""

CALLBACKS = ("once", "inside", "twice", "null", "foreign", "five", "code=7", "code=668")
"""Ways in which it is asked to call back; each calls at least once."""


class Taken:
    """Takes what is pushed."""

    def __init__(self) -> None:
        self._came = threading.Semaphore(0)

    def __call__(self, response: Response | NoAnswerError, tag: str) -> int:
        if isinstance(response, Response):
            assert all(isinstance(item.data, bytes) for item in response.list)
        self._came.release()
        return 0

    def wait(self) -> None:
        assert self._came.acquire(timeout=LIMIT_S)


def inputs(status: int) -> DataListCls:
    given = DataListCls()
    for key, data in (("text", b"x" * 1000), ("short", b"x"), ("empty", b"")):
        node = DataListNode()
        node.key, node.data, node.len, node.status = key, data, len(data), status
        node.desc = {"encoding": "utf8"}
        given.list.append(node)
    return given


def quietly(work: Callable[[], object]) -> object:
    """Do what may find no answer."""
    try:
        return work()
    except NoAnswerError:
        return None


def by_return(library: LibraryWrapper, number: int, params: Mapping[str, str]) -> None:
    tag = f"tag-{number}"
    quietly(lambda: library.wrapperOnceExec(params, inputs(3), tag))  # type: ignore[attr-defined]
    session(library, tag, params, lambda handle: quietly(lambda: read(library, handle)))


def read(library: LibraryWrapper, handle: object) -> object:
    return library.wrapperRead(handle)  # type: ignore[attr-defined]


def by_callback(
    library: LibraryWrapper, number: int, params: Mapping[str, str], taken: Taken
) -> None:
    tag = f"tag-{number}"
    if library.wrapperOnceExecAsync(params, inputs(3), tag) == 0:  # type: ignore[attr-defined]
        taken.wait()
    session(library, tag, params, lambda handle: taken.wait())


def session(
    library: LibraryWrapper,
    tag: str,
    params: Mapping[str, str],
    fetch: Callable[[object], object],
) -> None:
    """Run one; `fetch` is called behind each write."""
    created = library.wrapperCreate(params, tag, 0, tag)  # type: ignore[attr-defined]
    if created.error_code:
        return
    for status in (0, 1, 2):
        if library.wrapperWrite(created.handle, inputs(status)) == 0:  # type: ignore[attr-defined]
            fetch(created.handle)
    library.wrapperDestroy(created.handle, tag)  # type: ignore[attr-defined]


def main() -> None:
    path, mode, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    taken = Taken()
    results.connect(taken)
    library = open_library(path, by_callback=mode == "callback")
    assert library.wrapperInit({"key": "value", "empty": ""}) == 0
    number = 0
    for _ in range(rounds):
        for answer in ODD:
            number += 1
            if mode == "return":
                by_return(library, number, {"answer": answer})
            else:
                by_callback(library, number, {"answer": answer, "callback": "inside"}, taken)
        for fault in ("code=7", "code=667", "code=668"):
            number += 1
            for function in ("Exec", "ExecAsync", "Create", "Write", "Read"):
                params = {"fault": f"wrapper{function}:{fault}", "callback": "inside"}
                if mode == "return":
                    by_return(library, number, params)
                else:
                    by_callback(library, number, params, taken)
        for callback in CALLBACKS if mode == "callback" else ():
            number += 1
            by_callback(library, number, {"callback": callback}, taken)
        for what in ("meter", "metric", "trace"):
            number += 1
            params = {"tell": what, "callback": "inside"}
            if mode == "return":
                by_return(library, number, params)
            else:
                by_callback(library, number, params, taken)
    for code in (7, 667, 668):
        library.wrapperError(code)
    assert library.wrapperFini() == 0
    sys.stdout.write(f"{number} requests\n")


if __name__ == "__main__":
    main()
