"""`python wrapper.py`: one request made of the declared test values, without a server."""

import logging
import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
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
    try:
        initialise(wrapper)
        method, response = answer(wrapper)
        passed = wrapper.check_resp(response)
        if passed and response.error_code:
            text = text_of(wrapper, response)
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
    try:
        initialise(wrapper)
        with closing(results(wrapper)) as responses:
            return _ends_well(wrapper, responses)
    except Exception as error:  # whatever user code raises
        return _failed(wrapper, error)


def only_streams(wrapper: "WrapperBase") -> bool:
    """Say whether the wrapper answers by wrapperStream and no other way."""
    others = ("wrapperOnceExec", "wrapperOnceExecAsync", "wrapperBatchExec", "wrapperCreate")
    return defines(wrapper, "wrapperStream") and not any(defines(wrapper, n) for n in others)


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


def initialise(wrapper: "WrapperBase") -> None:
    """Run wrapperInit, with a queue for what it may push later; raise `LocalRunError` if not 0."""
    dto.init_rq()
    returned = wrapper.wrapperInit(dict(wrapper.config))
    if returned != 0:
        raise LocalRunError(f"wrapperInit returned {returned!r}; 0 says all is well")


def defines(wrapper: "WrapperBase", name: str) -> bool:
    """Say whether the wrapper has its own method of that name."""
    from aiges.sdk import WrapperBase  # noqa: PLC0415 - imports us

    return getattr(type(wrapper), name) is not getattr(WrapperBase, name)


def answer(wrapper: "WrapperBase") -> tuple[str, Any]:
    """Have one request answered, by the methods that a host would call; name the last of them.

    Raises:
        LocalRunError: It is not answered as it must be.
        Exception: Whatever the wrapper raises.
    """
    request = (_parameters(wrapper), inputs(wrapper))
    once, later, batch = (
        defines(wrapper, name)
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


def results(wrapper: "WrapperBase") -> Generator[dto.Response]:
    """Have a session of one request; yield its results up to the last one, or to an error.

    Raises:
        LocalRunError: It does not go as it must.
        Exception: Whatever the wrapper raises.
    """
    return (_yielded if defines(wrapper, "wrapperStream") else _conversed)(wrapper)


def _conversed(wrapper: "WrapperBase") -> Generator[dto.Response]:
    """Have a session by its methods, one after the other, and close it."""
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
    responses = _read(wrapper, given) if defines(wrapper, "wrapperRead") else _pushed()
    try:
        for response in responses:
            yield response
            if response.error_code or any(i.status in (DataEnd, Once) for i in response.list):
                return
    finally:
        try:
            _call(wrapper.wrapperDestroy, binding.DESTROY_ORDER, given)
        except Exception:  # a host goes on, too
            log.exception("wrapperDestroy raised:")


def _yielded(wrapper: "WrapperBase") -> Generator[dto.Response]:
    """Give wrapperStream one request; yield what it does, until it ends."""
    given = {binding.PARAMS: _parameters(wrapper), binding.INPUTS: iter([inputs(wrapper)])}
    responses = _call(wrapper.wrapperStream, binding.STREAM_ORDER, given)
    if not isinstance(responses, Iterable):
        raise LocalRunError("wrapperStream returned no generator: yield Responses")
    has_answered = False
    for response in responses:
        has_answered = True
        if not isinstance(response, dto.Response):
            kind = type(response).__name__
            raise LocalRunError(f"wrapperStream yielded a {kind}, expected a Response")
        if not response.error_code and not response.list:
            raise LocalRunError("wrapperStream yielded a Response with an empty list")
        yield response
        if response.error_code or any(item.status == DataEnd for item in response.list):
            return
    if not has_answered:
        raise LocalRunError("wrapperStream ended without a result")


def _ends_well(wrapper: "WrapperBase", responses: Iterator[dto.Response]) -> bool:
    """Take a session's results to the last; say whether that is none of an error."""
    yields = defines(wrapper, "wrapperStream")
    count = 0
    for response in responses:
        count += 1
        if code := response.error_code:
            what = "wrapperStream" if yields else "the session"
            log.error("%s ends with error %s: %r", what, code, text_of(wrapper, response))
            return False
        if yields:  # what is pushed is printed by `callback`
            for item in response.list:
                print(f"{item.key}: {_shown(item)}", flush=True)
    if yields:
        log.info("wrapperStream works: it gave %d results", count)
    else:
        log.info("the session is complete")
    return True


def _shown(item: dto.ResponseData) -> str:
    if isinstance(item.data, str):
        return repr(item.data)
    if item.type == DataText:
        return repr(bytes(item.data).decode("utf-8", "replace"))
    return f"{len(item.data)} bytes"


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


def text_of(wrapper: "WrapperBase", response: dto.Response) -> str:
    """Return the words for a reply that carries an error code."""
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
