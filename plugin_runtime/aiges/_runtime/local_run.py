"""`python wrapper.py`: one request made of the declared test values, without a server."""

import inspect
import logging
import queue
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aiges import dto
from aiges._runtime import binding
from aiges._runtime.declaration import declare
from aiges.core.types import DataEnd, DataText, Once

if TYPE_CHECKING:
    from aiges.sdk import WrapperBase

log = logging.getLogger("aiges.sdk")

SID: Final = "test-111111"
_METHODS: Final = ("wrapperOnceExec", "wrapperBatchExec")

REMINDER_S: Final = 10.0
"""How often a streaming run says what it still waits for."""


class LocalRunError(Exception):
    """The wrapper answered, but not as it must; the message says what it did."""


def run_once(wrapper: "WrapperBase") -> bool:
    """Initialise the wrapper and give it one request; return whether its answer is as it should be.

    Problems are logged. After an exception `wrapperError(-1)` is called, as hosts may do.
    """
    try:
        _initialise(wrapper)
        response = _answer(wrapper)
        passed = wrapper.check_resp(response)
        if passed and response.error_code:
            text = wrapper.wrapperError(response.error_code)
            log.info("the wrapper answers with error %s: %r", response.error_code, text)
    except Exception as error:  # whatever user code raises
        return _failed(wrapper, error)
    if passed:
        log.info("%s works", _METHODS[_only_batches(wrapper)])
    else:
        log.error("Sorry, this answer is not as it should be; see above")
    return passed


def run_stream(wrapper: "WrapperBase") -> bool:
    """Initialise the wrapper, open a session, write one request, wait for the end of its results.

    Problems are logged. A wrapper that never sends an end is waited for until it is interrupted.
    """
    dto.init_rq()
    try:
        _initialise(wrapper)
        if _defines(wrapper, "wrapperStream"):
            return _show_all(wrapper)
        created = wrapper.wrapperCreate(_parameters(wrapper), SID)
        handle = getattr(created, "handle", created)
        code = getattr(created, "error_code", 0)
        if code or not isinstance(handle, str) or not handle:
            raise LocalRunError(f"wrapperCreate gave handle {handle!r}, error code {code}")  # noqa: TRY301
        written = _write(wrapper, handle, inputs(wrapper))
        if written != 0:
            raise LocalRunError(f"wrapperWrite returned {written!r}; 0 says all is well")  # noqa: TRY301
        return _await_end(wrapper)
    except Exception as error:  # whatever user code raises
        return _failed(wrapper, error)


def inputs(wrapper: "WrapperBase") -> dto.DataListCls:
    """Make a request's inputs of the declared test values."""
    wrapper._parse_inputs()
    declared = declare(wrapper).inputs
    request = dto.DataListCls()
    for key, value in wrapper.inputs_test_values.items():
        node = dto.DataListNode()
        node.key, node.data, node.len = key, value, len(value)
        if key in declared:
            node.type = declared[key].data_type
        request.list.append(node)
    return request


def _parameters(wrapper: "WrapperBase") -> dict[str, Any]:
    wrapper._parse_params()
    return {"sid": SID, **wrapper.params_test_values}


def _initialise(wrapper: "WrapperBase") -> None:
    returned = wrapper.wrapperInit(dict(wrapper.config))
    if returned != 0:
        raise LocalRunError(f"wrapperInit returned {returned!r}; 0 says all is well")


def _only_batches(wrapper: "WrapperBase") -> bool:
    """Say whether the wrapper takes requests by wrapperBatchExec and no other way."""
    once, batch = (_defines(wrapper, name) for name in _METHODS)
    return batch and not once


def _defines(wrapper: "WrapperBase", name: str) -> bool:
    """Say whether the wrapper has its own method of that name."""
    from aiges.sdk import WrapperBase  # noqa: PLC0415 - imports us

    return getattr(type(wrapper), name) is not getattr(WrapperBase, name)


def _answer(wrapper: "WrapperBase") -> Any:  # noqa: ANN401 - check_resp looks at what it is
    request = (_parameters(wrapper), inputs(wrapper))
    if not _only_batches(wrapper):
        return wrapper.wrapperOnceExec(*request)
    responses = wrapper.wrapperBatchExec([request])
    if not isinstance(responses, list | tuple) or len(responses) != 1:
        raise LocalRunError(
            f"wrapperBatchExec gave {responses!r} for one request, not a list of one"
        )
    return responses[0]


def _write(wrapper: "WrapperBase", handle: str, request: dto.DataListCls) -> object:
    """Call wrapperWrite with the sid if it takes one; older and newer wrappers differ in that."""
    arguments = (handle, request, SID)
    try:
        inspect.signature(wrapper.wrapperWrite).bind(*arguments)
    except TypeError:
        return wrapper.wrapperWrite(*arguments[:2])
    return wrapper.wrapperWrite(*arguments)


def _show_all(wrapper: "WrapperBase") -> bool:
    """Give wrapperStream one request and print what it yields, until it ends."""
    function = wrapper.wrapperStream
    given = {
        binding.PARAMS: _parameters(wrapper),
        binding.INPUTS: iter([inputs(wrapper)]),
        binding.SID: SID,
    }
    results = binding.bind(function, binding.STREAM_ORDER).call(function, given)
    if not isinstance(results, Iterable):
        raise LocalRunError("wrapperStream returned no generator: yield Responses")
    count = 0
    for response in results:
        count += 1
        if not isinstance(response, dto.Response):
            kind = type(response).__name__
            raise LocalRunError(f"wrapperStream yielded a {kind}, expected a Response")
        if code := response.error_code:
            log.error("wrapperStream ends with error %s: %r", code, wrapper.wrapperError(code))
            return False
        if not response.list:
            raise LocalRunError("wrapperStream yielded a Response with an empty list")
        for item in response.list:
            print(f"{item.key}: {_shown(item)}", flush=True)
        if any(item.status == DataEnd for item in response.list):
            break
    if not count:
        raise LocalRunError("wrapperStream ended without a result")
    log.info("wrapperStream works: it gave %d results", count)
    return True


def _shown(item: dto.ResponseData) -> str:
    if isinstance(item.data, str):
        return repr(item.data)
    if item.type == DataText:
        return repr(bytes(item.data).decode("utf-8", "replace"))
    return f"{len(item.data)} bytes"


def _await_end(wrapper: "WrapperBase") -> bool:
    # Looked up only now: wrapperInit may have made a queue of its own.
    results = dto.result_Queue or dto.init_rq()
    while True:
        try:
            response = results.get(timeout=REMINDER_S)
        except queue.Empty:
            log.info("still waiting for a result whose status is %d (DataEnd)", DataEnd)
            continue
        if response.error_code:
            text = wrapper.wrapperError(response.error_code)
            log.error("the session ends with error %s: %r", response.error_code, text)
            return False
        if any(item.status in (DataEnd, Once) for item in response.list):
            log.info("the session is complete")
            return True


def _failed(wrapper: "WrapperBase", error: Exception) -> bool:
    if isinstance(error, LocalRunError):
        log.error("%s", error)
    else:
        log.error("the wrapper raised:", exc_info=error)
    try:
        if text := wrapper.wrapperError(-1):
            log.error("wrapperError(-1) says: %s", text)
    except Exception:
        log.exception("wrapperError(-1) raised:")
    return False
