"""`python wrapper.py`: one request made of the declared test values, without a server."""

import logging
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiges import dto
from aiges._runtime import binding
from aiges._runtime.declaration import declare
from aiges.core.types import DataEnd, DataText, Once

if TYPE_CHECKING:
    from aiges.sdk import WrapperBase

log = logging.getLogger("aiges.sdk")

SID: Final = "test-111111"
_ALIKE: Final[Mapping[str, object]] = {
    binding.TAG: SID,
    binding.SID: SID,
    binding.PERSONAL_ID: 0,
    binding.ERROR_NUMBER: 0,
}
"""What every method gets, if it asks for it."""

READ_PAUSE_S: Final = 0.01
"""Between two wrapperRead while there is nothing to read."""

REMINDER_S: Final = 10.0
"""How often a streaming run says what it still waits for."""


class LocalRunError(Exception):
    """The wrapper answered, but not as it must; the message says what it did."""


def run_once(wrapper: "WrapperBase") -> bool:
    """Initialise the wrapper and give it one request; return whether its answer is as it should be.

    Problems are logged. After an exception `wrapperError(-1)` is called, as hosts may do.
    """
    dto.init_rq()
    try:
        _initialise(wrapper)
        method, response = _answer(wrapper)
        passed = wrapper.check_resp(response)
        if passed and response.error_code:
            text = _text_of(wrapper, response)
            log.info("the wrapper answers with error %s: %r", response.error_code, text)
    except Exception as error:  # whatever user code raises
        return _failed(wrapper, error)
    if passed:
        log.info("%s works", method)
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
        return _converse(wrapper)
    except Exception as error:  # whatever user code raises
        return _failed(wrapper, error)


def only_streams(wrapper: "WrapperBase") -> bool:
    """Say whether the wrapper answers by wrapperStream and no other way."""
    others = ("wrapperOnceExec", "wrapperOnceExecAsync", "wrapperBatchExec", "wrapperCreate")
    return _defines(wrapper, "wrapperStream") and not any(_defines(wrapper, n) for n in others)


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


def _defines(wrapper: "WrapperBase", name: str) -> bool:
    """Say whether the wrapper has its own method of that name."""
    from aiges.sdk import WrapperBase  # noqa: PLC0415 - imports us

    return getattr(type(wrapper), name) is not getattr(WrapperBase, name)


def _answer(wrapper: "WrapperBase") -> tuple[str, Any]:
    """Have one request answered, by the methods that a host would call; name the last of them."""
    request = (_parameters(wrapper), inputs(wrapper))
    once, later, batch = (
        _defines(wrapper, name)
        for name in ("wrapperOnceExec", "wrapperOnceExecAsync", "wrapperBatchExec")
    )
    given = dict(zip((binding.PARAMS, binding.INPUTS), request, strict=True))
    if batch and not once and not later:
        responses = wrapper.wrapperBatchExec([request])
        if not isinstance(responses, list | tuple) or len(responses) != 1:
            raise LocalRunError(
                f"wrapperBatchExec gave {responses!r} for one request, not a list of one"
            )
        return "wrapperBatchExec", responses[0]
    if once or not later:
        response = _call(wrapper.wrapperOnceExec, binding.ONCE_ORDER, given)
        if response is not None or not later:
            return "wrapperOnceExec", response
    code = _call(wrapper.wrapperOnceExecAsync, binding.ONCE_ORDER, given)
    if code != 0:
        raise LocalRunError(f"wrapperOnceExecAsync returned {code!r}; 0 says that it will answer")
    return "wrapperOnceExecAsync", next(_pushed())


def _call(
    method: Callable[..., object], order: tuple[str, ...], given: Mapping[str, object]
) -> object:
    """Call a method as hosts do, by the names of its parameters."""
    return binding.bind(method, order).call(method, {**_ALIKE, **given})


def _converse(wrapper: "WrapperBase") -> bool:
    """Have a session of one request, show how it ends, and close it."""
    given: dict[str, object] = {binding.PARAMS: _parameters(wrapper)}
    created = _call(wrapper.wrapperCreate, binding.CREATE_ORDER, given)
    handle = getattr(created, "handle", created)
    code = getattr(created, "error_code", 0)
    if code or not isinstance(handle, str) or not handle:
        raise LocalRunError(f"wrapperCreate gave handle {handle!r}, error code {code}")
    given |= {binding.HANDLE: handle, binding.INPUTS: inputs(wrapper)}
    written = _call(wrapper.wrapperWrite, binding.WRITE_ORDER, given)
    if written != 0:
        raise LocalRunError(f"wrapperWrite returned {written!r}; 0 says all is well")
    results = _read(wrapper, given) if _defines(wrapper, "wrapperRead") else _pushed()
    passed = _ends_well(wrapper, results)
    try:
        _call(wrapper.wrapperDestroy, binding.DESTROY_ORDER, given)
    except Exception:  # a host goes on, too
        log.exception("wrapperDestroy raised:")
    return passed


def _show_all(wrapper: "WrapperBase") -> bool:
    """Give wrapperStream one request and print what it yields, until it ends."""
    given = {binding.PARAMS: _parameters(wrapper), binding.INPUTS: iter([inputs(wrapper)])}
    results = _call(wrapper.wrapperStream, binding.STREAM_ORDER, given)
    if not isinstance(results, Iterable):
        raise LocalRunError("wrapperStream returned no generator: yield Responses")
    count = 0
    for response in results:
        count += 1
        if not isinstance(response, dto.Response):
            kind = type(response).__name__
            raise LocalRunError(f"wrapperStream yielded a {kind}, expected a Response")
        if code := response.error_code:
            log.error("wrapperStream ends with error %s: %r", code, _text_of(wrapper, response))
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


def _ends_well(wrapper: "WrapperBase", results: Iterator[dto.Response]) -> bool:
    """Take a session's results to the last; say whether that is none of an error."""
    for response in results:
        if response.error_code:
            text = _text_of(wrapper, response)
            log.error("the session ends with error %s: %r", response.error_code, text)
            return False
        if any(item.status in (DataEnd, Once) for item in response.list):
            break
    log.info("the session is complete")
    return True


def _pushed() -> Iterator[dto.Response]:
    """Yield what the wrapper pushes by `callback`, for ever."""
    # Looked up only now: wrapperInit may have made a queue of its own.
    results = dto.result_Queue or dto.init_rq()
    while True:
        try:
            yield results.get(timeout=REMINDER_S)
        except queue.Empty:
            log.info("still waiting for a result whose status is %d (DataEnd)", DataEnd)


def _read(wrapper: "WrapperBase", given: Mapping[str, object]) -> Iterator[dto.Response]:
    """Yield what wrapperRead gives, for ever."""
    from aiges._runtime.session_methods import has_something  # noqa: PLC0415 - needs the wire

    while True:
        response = _call(wrapper.wrapperRead, binding.READ_ORDER, given)
        if not has_something(response):
            time.sleep(READ_PAUSE_S)
        elif not isinstance(response, dto.Response):
            kind = type(response).__name__
            raise LocalRunError(f"wrapperRead returned a {kind}, expected a Response")
        else:
            yield response


def _text_of(wrapper: "WrapperBase", response: dto.Response) -> str:
    return response.error_text or wrapper.wrapperError(response.error_code)


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
