"""A wrapper whose one method is typed; it becomes one with the methods that hosts call."""

import inspect
import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from aiges import running
from aiges._runtime.binding import BadSignatureError
from aiges._runtime.payloads import BadValueError
from aiges._runtime.typed_plan import Plan
from aiges._runtime.typed_signature import METHOD, plan_of
from aiges.dto import DataListCls, Response
from aiges.errors import BAD_VALUE
from aiges.sdk import WrapperBase

if TYPE_CHECKING:
    from aiges._runtime.loop_thread import LoopThread

log = logging.getLogger("aiges.sdk")


class CodedError(Exception):
    """Raise it to answer a request with an error code and words of your own.

    Attributes:
        code: Any number but 0 that 32 bits hold.
        text: For the client; "" is what `wrapperError` says of the code.
    """

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else str(code))
        self.code = code
        self.text = text


class TypedWrapper(WrapperBase):
    """Base of a wrapper that says by types what it takes and gives.

    Define `infer(self, ...)`. Its parameters of type Text, Json, Image and Audio are inputs; those
    of type str, int, float, bool, Literal and Enum are parameters, required unless they have a
    default; the type of its result says what the outputs are. Schema and conversion follow from
    that, and a request that does not fit is answered with code 10107 before `infer` is called.
    An `infer` that returns an Iterator serves sessions. It may be `async def`.

    A signature that cannot be served is an error where the class is made.
    """

    _typed_plan: ClassVar[Plan | None] = None
    _typed_loop: "LoopThread | None" = None

    def __init_subclass__(cls, **keywords: Any) -> None:  # noqa: ANN401 - other bases' own
        super().__init_subclass__(**keywords)
        method = cls.__dict__.get(METHOD)
        if method is None:
            return
        where = f"{cls.__name__}.{METHOD}"
        if not inspect.isfunction(method):
            raise BadSignatureError(f"{where} must be a plain method")
        plan = plan_of(method, where)
        cls._typed_plan = plan
        cls.requestCls, cls.responseCls = plan.request, plan.reply
        streams = plan.streams
        # The other one is set as well: a parent's method may have been of the other style.
        cls.wrapperOnceExec = WrapperBase.wrapperOnceExec if streams else _once  # type: ignore[method-assign]
        cls.wrapperStream = _stream if streams else WrapperBase.wrapperStream  # type: ignore[method-assign]

    def load(self, config: Mapping[str, str]) -> Any:  # noqa: ANN401 - None; an author may forget
        """Prepare: load the model. What is raised here ends the start. May be `async def`.

        Nothing needs to be returned; a number that is not 0 ends the start as well.

        Args:
            config: The [wrapper] section of the service's configuration.
        """

    def unload(self) -> Any:  # noqa: ANN401
        """Release what `load` took. May be `async def`."""

    def wrapperInit(self, config: dict[str, str]) -> int:  # noqa: N802
        """Call `load`."""
        if self._typed_plan is None:
            raise BadSignatureError(f"{type(self).__name__} defines no method {METHOD}")
        methods = (self.load, self.unload)
        if self._typed_plan.is_async or any(map(inspect.iscoroutinefunction, methods)):
            from aiges._runtime.loop_thread import LoopThread  # noqa: PLC0415 - few need it

            self._typed_loop = LoopThread()
        returned = self._settled(self.load(config))
        return 0 if returned is None else returned  # whoever is used to it may refuse by a number

    def wrapperFini(self) -> int:  # noqa: N802
        """Call `unload`, and end the event loop if there is one."""
        try:
            self._settled(self.unload())
        finally:
            loop, self._loop = self._typed_loop, None
            if loop is not None and not loop.close():
                log.warning("the wrapper's event loop does not end; leaving without it")
        return 0

    def _settled(self, result: Any) -> Any:  # noqa: ANN401
        """Return a method's result; if it is yet to be awaited, that happens in the event loop."""
        loop = self._typed_loop
        return loop.run(result) if loop is not None and inspect.isawaitable(result) else result

    def _results(self, results: Any) -> Generator[object]:  # noqa: ANN401 - of whichever kind
        """Yield what a streaming `infer` yields; whoever closes this closes that."""
        if not hasattr(results, "__anext__"):
            yield from results
            return
        try:
            while True:
                yield self._settled(anext(results))
        except StopAsyncIteration:
            return
        finally:
            self._settled(results.aclose())


def _once(self: TypedWrapper, params: Mapping[str, object], reqData: DataListCls) -> Response:  # noqa: N803
    """Be the wrapperOnceExec of a wrapper whose `infer` has one result."""
    plan = self._typed_plan
    assert plan is not None
    try:
        arguments = plan.once_arguments(params, reqData)
        return plan.response(self._settled(getattr(self, METHOD)(**arguments)))
    except BadValueError as error:
        return Response().response_err(BAD_VALUE, str(error))
    except CodedError as error:
        return Response().response_err(error.code, error.text)


def _stream(
    self: TypedWrapper, params: Mapping[str, object], inputs: Iterator[DataListCls]
) -> Iterator[Response]:
    """Be the wrapperStream of a wrapper whose `infer` has a stream of results."""
    plan = self._typed_plan
    assert plan is not None
    try:
        arguments = plan.stream_arguments(params, inputs)
        call = running.current_call()
        if call is not None and call.is_cancelled:  # the input will never be complete
            return
        with closing(self._results(getattr(self, METHOD)(**arguments))) as results:
            for result in results:
                yield plan.response(result)
    except BadValueError as error:
        yield Response().response_err(BAD_VALUE, str(error))
    except CodedError as error:
        yield Response().response_err(error.code, error.text)
