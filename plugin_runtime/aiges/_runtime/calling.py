"""The edge to user code: load it, call it in bounded threads, turn what it does into an answer."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiges._runtime import binding, convert, hclog
from aiges._runtime.describing import describe
from aiges._runtime.loading import NoWrapperError
from aiges._runtime.replies import Failure, Input, Reply
from aiges._runtime.resource_ids import number_of
from aiges._runtime.schema import bare_schema
from aiges._runtime.session_methods import SessionMethods, session_methods
from aiges.dto import DataListCls
from aiges.sdk import WrapperBase
from aiges_wire.codes import RESOURCE_PARAM, Code

log = logging.getLogger("aiges.worker")

T = TypeVar("T")

NO_PERSONAL_ID: Final = 0
"""What a method gets as persId whose request names no resource."""


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of the wrapper and how it wants to be called."""

    function: Callable[..., object]
    binding: binding.Binding

    def __call__(
        self, tag: str, params: dict[str, str], inputs: object, personal_id: int
    ) -> object:
        """Call it for one request."""
        values = {
            binding.PARAMS: params,
            binding.INPUTS: inputs,
            # One string for both: whichever a wrapper keeps for its callbacks, the answer arrives.
            binding.TAG: tag,
            binding.SID: tag,
            binding.PERSONAL_ID: personal_id,
        }
        return self.binding.call(self.function, values)


class WrapperHost:
    """The user's wrapper and the threads its methods run in.

    The coroutines may be awaited from the event loop; user code itself never runs there.

    Attributes:
        waiting_calls: Calls made by `once` that are in user code, or wait for a thread.
        session_methods: What the wrapper has for sessions, known after `init`; None if nothing.
    """

    def __init__(self, concurrency: int, load: Callable[[], Any]) -> None:
        """Make the threads.

        Args:
            concurrency: So many calls run at once, further ones wait their turn.
            load: Makes the wrapper.
        """
        self._load = load
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="wrapper")
        self._wrapper: Any = None
        self._ready = False
        self._call_step = 0  # what a failed call is told to be, apart from a failed callback
        self.waiting_calls = 0
        self._exec: _Method | None = None
        self._exec_async: _Method | None = None
        self._exec_batch: Callable[[list[tuple[dict[str, str], DataListCls]]], object] | None = None
        self.session_methods: SessionMethods | None = None
        self._resource_numbers: dict[str, int] = {}  # of the resources that are loaded, by id

    @property
    def takes_resources(self) -> bool:
        """Say whether the wrapper loads resources; known after `init`."""
        return self.defines("wrapperLoadRes")

    @property
    def batches(self) -> bool:
        """Say whether the wrapper takes several calls at once; known after `init`."""
        return self._exec_batch is not None

    async def init(self, config: Mapping[str, str]) -> int:
        """Load the wrapper and run its wrapperInit; return 0 or the code to report."""
        return await self.in_thread(self._init, dict(config))

    async def once(self, tag: str, params: dict[str, str], inputs: list[Input]) -> Reply | None:
        """Run one call in one of our threads; see `run_once`."""
        self.waiting_calls += 1
        try:
            return await self.in_thread(self.run_once, tag, params, inputs)
        finally:
            self.waiting_calls -= 1

    async def load_resource(self, name: str, node: Input) -> tuple[int, str]:
        """Run wrapperLoadRes; return 0, or a code and its text."""
        code, text = await self.in_thread(self._resource, "wrapperLoadRes", [node], name)
        if code == Code.OK and (number := number_of(name)):
            self._resource_numbers[name] = number
        return code, text

    async def unload_resource(self, name: str) -> tuple[int, str]:
        """Run wrapperUnloadRes; return 0, or a code and its text."""
        number = self._resource_numbers.pop(name, None)  # requests from now on do without it
        code, text = await self.in_thread(self._resource, "wrapperUnloadRes", None, name)
        if code != Code.OK and number is not None:
            self._resource_numbers[name] = number
        return code, text

    def personal_id(self, params: Mapping[str, str]) -> int:
        """Return the number of the resource that a request names by its param `patch_id`.

        `NO_PERSONAL_ID` if it names none, or none that is loaded, or one whose id is no number.
        """
        return self._resource_numbers.get(params.get(RESOURCE_PARAM, ""), NO_PERSONAL_ID)

    async def schema(self, service: str) -> str:
        """Return the wrapper's description as JSON; `service` names it if it has no name."""
        return await self.in_thread(self._schema, service)

    async def fini(self, grace_s: float) -> None:
        """Run wrapperFini if wrapperInit succeeded; leave without it after `grace_s` seconds."""
        if not self._ready or not self.defines("wrapperFini"):
            return
        # A thread of its own: the bounded ones may all be stuck in calls.
        thread = ThreadPoolExecutor(1, thread_name_prefix="wrapperFini")
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.get_running_loop().run_in_executor(thread, self._fini)
        except TimeoutError:
            log.warning("wrapperFini still runs after %.1f s; leaving without it", grace_s)

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` in one of our threads, as user code has to."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    # In a thread, where user code runs and may do anything:

    def _init(self, config: dict[str, str]) -> int:
        if self._wrapper is not None:
            log.error("wrapperInit was asked for twice")
            return Code.INIT_FAILED
        try:
            self._wrapper = self._load()
            if getattr(self._wrapper, "tells_steps", False):
                self._call_step = int(Code.CALL_FAILED)
            self._exec = self._method("wrapperOnceExec")
            self._exec_async = self._method("wrapperOnceExecAsync")
            if self.defines("wrapperBatchExec"):
                self._exec_batch = self._wrapper.wrapperBatchExec
            self.session_methods = session_methods(self._wrapper, self.defines)
            returned = self._wrapper.wrapperInit(config)
        except (NoWrapperError, binding.BadSignatureError) as error:
            log.error("cannot load the wrapper: %s", error)  # noqa: TRY400 - no traceback of ours
            return Code.INIT_FAILED
        except BaseException as error:  # sys.exit() in user code included
            log.error("the wrapper failed to start:\n%s", hclog.user_traceback(error))  # noqa: TRY400
            return Code.INIT_FAILED
        if convert.status_of(returned) != 0:
            log.error("wrapperInit returned %r; it must return 0 to say that all is well", returned)
            return Code.INIT_REFUSED
        self._ready = True
        return Code.OK

    def _method(self, name: str) -> _Method | None:
        """Bind a method that the wrapper defines itself; WrapperBase's own do nothing."""
        if not self.defines(name):
            return None
        function = getattr(self._wrapper, name)
        return _Method(function, binding.bind(function, binding.ONCE_ORDER))

    def defines(self, name: str) -> bool:
        """Say whether the wrapper has its own method of that name."""
        own = getattr(type(self._wrapper), name, None)
        return own is not None and own is not getattr(WrapperBase, name)

    def run_once(self, tag: str, params: dict[str, str], items: list[Input]) -> Reply | None:
        """Run one call in this thread and return its reply.

        None means that the wrapper took the call and answers later, through `callback`.
        """
        if not self._ready:
            return Failure(Code.EXEC_FAILED, "the wrapper is not initialised")
        name = "wrapperOnceExec"
        try:
            inputs = convert.inputs_from(items)
            resource = self.personal_id(params) if self._resource_numbers else NO_PERSONAL_ID
            returned = self._exec(tag, params, inputs, resource) if self._exec else None
            # Wrappers that only answer by callback leave the other method empty.
            if returned is None and self._exec_async:
                name = "wrapperOnceExecAsync"
                status = convert.taken(self._exec_async(tag, params, inputs, resource))
                return self.failure(status, step=self._call_step) if status else None
            if not self._exec and self._exec_batch:
                return self.run_batch([(params, items)])[0]
            if not self._exec:
                raise convert.NoAnswerError("is not defined")  # noqa: TRY301
            reply = self.reply_of(returned)
            return reply._replace(step=self._call_step) if isinstance(reply, Failure) else reply
        except convert.NoAnswerError as error:
            log.error("%s %s", name, error)  # noqa: TRY400 - it says all there is to say
            return Failure(Code.EXEC_FAILED, f"{name} {error}", self._call_step)
        except BaseException as error:  # sys.exit() in user code included
            log.error("%s raised:\n%s", name, hclog.user_traceback(error))  # noqa: TRY400
            return Failure(Code.EXEC_FAILED, _summary(name, error))

    def forget_call(self, tag: str) -> None:
        """Take in that nobody waits any more for the callback to a call that was taken."""
        forget = getattr(self._wrapper, "forget_call", None)
        if forget is not None:
            forget(tag)

    def run_batch(self, batch: Sequence[tuple[dict[str, str], list[Input]]]) -> list[Reply]:
        """Run several calls together in this thread and return their replies, in their order.

        If that raises, whose fault it is can be seen only by trying each call alone, once.
        """
        name = "wrapperBatchExec"
        if not self._ready or self._exec_batch is None:
            return [Failure(Code.EXEC_FAILED, "the wrapper takes no batches")] * len(batch)
        try:
            # Copies: a second try must not see what the first one did to them.
            given = [(dict(params), convert.inputs_from(items)) for params, items in batch]
            responses = convert.responses(self._exec_batch(given), len(batch))
        except convert.NoAnswerError as error:
            log.error("%s %s", name, error)  # noqa: TRY400 - it says all there is to say
            return [Failure(Code.EXEC_FAILED, f"{name} {error}")] * len(batch)
        except BaseException as error:  # sys.exit() in user code included
            log.error("%s raised:\n%s", name, hclog.user_traceback(error))  # noqa: TRY400
            if len(batch) == 1:
                return [Failure(Code.EXEC_FAILED, _summary(name, error))]
            log.warning("the %d calls of that batch are tried one by one", len(batch))
            return [self.run_batch([single])[0] for single in batch]
        return [self._reply_in_batch(response) for response in responses]

    def _reply_in_batch(self, response: object) -> Reply:
        try:
            return self.reply_of(response)
        except convert.NoAnswerError as error:
            log.error("wrapperBatchExec %s", error)  # noqa: TRY400 - it says all there is to say
            return Failure(Code.EXEC_FAILED, f"wrapperBatchExec {error}")
        except Exception as error:  # whatever it is made of: the client waits for an answer
            log.exception("wrapperBatchExec: an answer cannot be sent")
            text = f"wrapperBatchExec: {type(error).__name__}: {error}"
            return Failure(Code.EXEC_FAILED, text)

    def guarded(self, name: str, work: Callable[[], T]) -> T | Failure:
        """Do `work`, which calls the wrapper's method `name`; whatever it raises is a Failure."""
        try:
            return work()
        except convert.NoAnswerError as error:
            log.error("%s %s", name, error)  # noqa: TRY400 - it says all there is to say
            return Failure(Code.EXEC_FAILED, f"{name} {error}")
        except BaseException as error:  # sys.exit() in user code included
            log.error("%s raised:\n%s", name, hclog.user_traceback(error))  # noqa: TRY400
            return Failure(Code.EXEC_FAILED, _summary(name, error))

    def failure(self, code: int, text: str = "", *, step: int = 0) -> Failure:
        """Answer with the wrapper's own code, and the text that it gives or has for it."""
        return Failure(code, text or self._error_text(code), step)

    def _error_text(self, code: int) -> str:
        try:
            text = self._wrapper.wrapperError(code)
        except BaseException as error:  # a wrapper without texts still has its code
            log.warning("wrapperError(%d) raised: %s", code, _summary("wrapperError", error))
            text = ""
        return str(text) if text else f"wrapper error {code}"

    def reply_of(self, response: object) -> Reply:
        """Read a Response that was returned, pushed by `callback`, or is one of a batch.

        Raises:
            NoAnswerError: It is none, or it says itself why there is none.
        """
        if isinstance(response, convert.NoAnswerError):
            raise response
        code = convert.error_code(response)
        if code:
            return self.failure(code, convert.error_text(response))
        return convert.answer(response)

    def _resource(self, method: str, nodes: list[Input] | None, name: str) -> tuple[int, str]:
        if not self._ready:
            return Code.EXEC_FAILED, "the wrapper is not initialised"
        try:
            function = getattr(self._wrapper, method, None)
            if function is None and nodes is None:  # as in WrapperBase: there is nothing to do
                return Code.OK, ""
            if function is None:
                raise convert.NoAnswerError("is not defined")  # noqa: TRY301
            data = () if nodes is None else (convert.inputs_from(nodes),)
            code = convert.taken(function(*data, name))
        except convert.NoAnswerError as error:
            return Code.EXEC_FAILED, f"{method} {error}"
        except BaseException as error:  # sys.exit() in user code included
            log.error("%s raised:\n%s", method, hclog.user_traceback(error))  # noqa: TRY400
            return Code.EXEC_FAILED, _summary(method, error)
        return (code, self._error_text(code)) if code else (0, "")

    def _schema(self, service: str) -> str:
        try:
            return describe(self._wrapper, service)
        except BaseException as error:  # a nameless service still serves
            log.warning("the wrapper has no usable schema():\n%s", hclog.user_traceback(error))
            return bare_schema(service)

    def _fini(self) -> None:
        try:
            self._wrapper.wrapperFini()
        except BaseException as error:  # nothing may stop the stop
            log.warning("wrapperFini raised:\n%s", hclog.user_traceback(error))


def _summary(name: str, error: BaseException) -> str:
    """Say what and where in one line, for the client."""
    place = hclog.where(error)
    text = (
        f"{name} raised {type(error).__name__}: {error}"
        if str(error)
        else (f"{name} raised {type(error).__name__}")
    )
    return f"{text} ({place})" if place else text
