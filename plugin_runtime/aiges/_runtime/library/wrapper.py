"""The plugin's functions as the methods of a wrapper; what a library lacks is no method.

Each call into C lets go of the interpreter's lock, so as many run at once as there are threads that
call. Whatever C code may look at lives until the function returns; what it gives is copied before
anything else is called.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from aiges import dto
from aiges._runtime import results
from aiges._runtime.convert import NoAnswerError
from aiges._runtime.library import abi
from aiges._runtime.library.abi import CData, ffi
from aiges._runtime.library.lists import (
    inputs_list,
    params_list,
    read_outputs,
    resource_list,
    text_at,
)
from aiges._runtime.library.tags import Tags
from aiges._runtime.resource_ids import HIGHEST, number_of
from aiges._runtime.usage import usage
from aiges.dto import DataListCls, Response, SessionCreateResponse

NOT_TAKEN: Final = -1
"""What a callback returns if nobody waits for the result (any more)."""

SMALLEST_POINTER: Final = 1 << 16
"""No text lies below: Linux keeps the first pages empty."""

log = logging.getLogger("aiges.worker")


class LibraryWrapper:
    """What every library has.

    The functions that answer calls are added by the classes below, as far as the library has them.
    """

    tells_steps = True
    """Whether clients are told a call that failed apart from a callback that did."""

    reads_at_end = False
    """Whether wrapperRead is called only once a session's input is complete."""

    def __init__(self, library: Any, *, provided: frozenset[str], schema: str | None) -> None:  # noqa: ANN401
        """Be the wrapper of an open library.

        Args:
            library: What `ffi.dlopen` returned.
            provided: The functions that it has.
            schema: Its description as JSON, if there is one.
        """
        self._library = library
        self._provided = provided
        self._described = schema
        self._tags = Tags()
        # Kept here, as C code keeps them; each may be called from any thread.
        self._callback = ffi.callback(
            "result_callback", self._take_result, error=NOT_TAKEN, onerror=_failed
        )
        self._controls = {
            abi.CONTROL_METER: ffi.callback(
                "int(const char *, const char *, int)", self._meter, onerror=_failed
            ),
            abi.CONTROL_METRIC: ffi.callback(
                "int(const char *, const char *, const char *)", self._metric, onerror=_failed
            ),
            abi.CONTROL_TRACE: ffi.callback(
                "int(const char *, const char *, const char *)", self._trace, onerror=_failed
            ),
        }

    def wrapperInit(self, config: Mapping[str, str]) -> int:
        """Start the library; return its code."""
        given = params_list(config)
        code = int(self._library.wrapperInit(given.first))
        if code:
            log.error("wrapperInit failed: code %d: %s", code, self.wrapperError(code) or "no text")
            return code
        if "wrapperSetCtrl" in self._provided:
            for kind, function in self._controls.items():
                refused = self._library.wrapperSetCtrl(kind, ffi.cast("void *", function))
                if refused:
                    log.info("wrapperSetCtrl(%d) returned %d", kind, refused)
        return 0

    def wrapperFini(self) -> int:
        """Let the library release what it has."""
        if "wrapperFini" not in self._provided:
            return 0
        return int(self._library.wrapperFini())

    def wrapperError(self, code: int) -> str:
        """Return the library's text for a code, "" if it has none."""
        if "wrapperError" not in self._provided:
            return ""
        return text_at(self._library.wrapperError(code))

    @property
    def library_version(self) -> str:
        """What wrapperVersion says, "" if it says nothing."""
        if "wrapperVersion" not in self._provided:
            return ""
        return text_at(self._library.wrapperVersion())

    # What the library calls:

    def _take_result(self, pointer: CData, first: CData, code: int) -> int:
        tag = text_at(ffi.cast("char *", pointer))
        if not self._tags.admit(tag):
            log.warning("a callback came for %r, which is unknown or over", tag)
            return NOT_TAKEN
        try:
            outputs = [] if code else read_outputs(first, values_end_at_nul=True)
        except NoAnswerError as error:
            return results.push(error, tag)
        return results.push(Response(outputs).response_err(code), tag)

    def _meter(self, tag: CData, key: CData, count: int) -> int:
        return dto.callback_metric(text_at(tag), text_at(key), count)

    def _metric(self, tag: CData, key: CData, value: CData) -> int:
        number = int(ffi.cast("uintptr_t", value))  # its type is written down nowhere
        text = str(number) if number < SMALLEST_POINTER else text_at(value)
        log.debug("metric tag=%s key=%s value=%s", text_at(tag), text_at(key), text)
        try:
            usage.measure(text_at(key), float(text))
        except ValueError:
            log.info("metric tag=%s key=%s value=%s: no number", text_at(tag), text_at(key), text)
        return 0

    def _trace(self, tag: CData, key: CData, value: CData) -> int:
        log.info("trace tag=%s key=%s value=%s", text_at(tag), text_at(key), text_at(value))
        return 0


class Described(LibraryWrapper):
    """A library with a description beside it."""

    def schema(self) -> str:
        """Return it."""
        assert self._described is not None
        return self._described


class Once(LibraryWrapper):
    """A library that answers a call by what wrapperExec gives."""

    def wrapperOnceExec(
        self, params: Mapping[str, str], reqData: DataListCls, usrTag: str, persId: int = 0
    ) -> Response:
        """Run one call."""
        tag = ffi.new("char[]", usrTag.encode())
        given, inputs, cell = params_list(params), inputs_list(reqData.list), ffi.new("data **")
        numbers, count = _resources(persId)
        code = int(self._library.wrapperExec(tag, given.first, inputs.first, cell, numbers, count))
        if code:
            return Response().response_err(code)
        try:
            outputs = read_outputs(cell[0])
        finally:
            self._library.wrapperExecFree(tag, cell)
        if not outputs:
            raise NoAnswerError("(wrapperExec of the library) returned 0 without a result")
        return Response(outputs)


class OnceByCallback(LibraryWrapper):
    """A library that answers a call by its callback."""

    def wrapperOnceExecAsync(
        self, params: Mapping[str, str], reqData: DataListCls, usrTag: str, persId: int = 0
    ) -> int:
        """Begin one call."""
        tag = self._tags.take(usrTag, for_one_result=True)
        given, inputs = params_list(params), inputs_list(reqData.list)
        numbers, count = _resources(persId)
        code = int(
            self._library.wrapperExecAsync(
                tag, given.first, inputs.first, self._callback, 0, numbers, count
            )
        )
        if code:
            self._tags.release(usrTag)
        return code

    def forget_call(self, tag: str) -> None:
        """Take no answer any more to a call whose client has stopped waiting."""
        self._tags.release(tag)


class Sessions(LibraryWrapper):
    """A library with sessions."""

    pushes = False
    """Whether results come by callback; else wrapperCreate gets none, and wrapperRead is asked."""

    def wrapperCreate(
        self, params: Mapping[str, str], sid: str, persId: int, usrTag: str
    ) -> SessionCreateResponse:
        """Begin a session."""
        tag = self._tags.take(usrTag, for_one_result=False)
        given, code = params_list(params), ffi.new("int *")
        numbers, count = _resources(persId)
        handle = self._library.wrapperCreate(
            tag, given.first, self._callback if self.pushes else ffi.NULL, numbers, count, code
        )
        created = SessionCreateResponse()
        if code[0] or handle == ffi.NULL:
            self._tags.release(usrTag)
            if not code[0]:
                text = self.wrapperError(0)
                raise NoAnswerError(
                    f"of the library returned NULL with code 0: {text or 'no text'}"
                )
            created.error_code = code[0]
        else:
            created.handle = handle
        return created

    def wrapperWrite(self, handle: CData, reqData: DataListCls) -> int:
        """Give a session its next inputs."""
        inputs = inputs_list(reqData.list)
        return self._inspected(handle, self._library.wrapperWrite(handle, inputs.first))

    def wrapperDestroy(self, handle: CData, usrTag: str) -> int:
        """End a session."""
        try:
            return int(self._library.wrapperDestroy(handle))
        finally:
            self._tags.release(usrTag)

    def _inspected(self, handle: CData, code: int) -> int:
        """Return `code`; log how the session stands if that says that it has failed."""
        if code and "wrapperDebugInfo" in self._provided:
            text = text_at(self._library.wrapperDebugInfo(handle))
            log.warning("session failed with code %d, wrapperDebugInfo: %s", code, text)
        return code


class SessionsByCallback(Sessions):
    """A library that pushes the results of its sessions."""

    pushes = True


class SessionsRead(Sessions):
    """A library that is asked for the results of its sessions."""

    def wrapperRead(self, handle: CData) -> Response | None:
        """Ask for a session's next result; None if there is none yet."""
        cell = ffi.new("data **")
        code = self._inspected(handle, self._library.wrapperRead(handle, cell))
        if code:
            return Response().response_err(code)
        outputs = read_outputs(cell[0])
        return Response(outputs) if outputs else None


class Resources(LibraryWrapper):
    """A library that can load resources."""

    def wrapperLoadRes(self, reqData: DataListCls, resId: str) -> int:
        """Load one."""
        resource = resource_list(reqData.list)
        return int(self._library.wrapperLoadRes(resource.first, _number(resId)))

    def wrapperUnloadRes(self, resId: str) -> int:
        """Forget one."""
        return int(self._library.wrapperUnloadRes(_number(resId)))


def _number(resource: str) -> int:
    if number := number_of(resource):
        return number
    raise NoAnswerError(
        f"needs a number from 1 to {HIGHEST} for a resource of a C plugin, got {resource!r}"
    )


def _resources(number: int) -> tuple[CData, int]:
    """Return a request's psrIds and psrCnt; `number` is 0 if it names no resource."""
    return (ffi.new("unsigned int[]", [number]), 1) if number else (ffi.NULL, 0)


def _failed(_kind: object, error: BaseException, _trace: object) -> None:
    """Take what went wrong on our side of a callback; the plugin gets the error value."""
    log.error("a callback of the library failed: %s: %s", type(error).__name__, error)
