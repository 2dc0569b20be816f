"""What a wrapper is made of: `WrapperBase` and the fields that declare a request and a reply."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from aiges._runtime import local_run, response_check, schema, schema_legacy
from aiges._runtime.declaration import (
    CALL,
    CALL_TYPE,
    HOSTS,
    SUB,
    data_types,
    declare,
)
from aiges._runtime.fields import (
    AudioBodyField,
    BooleanParamField,
    Field,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    ParamField,
    PayloadField,
    StringBodyField,
    StringParamField,
)
from aiges._runtime.schema_legacy import ROUTEKEY
from aiges.core.types import (
    AUDIO,
    IMAGE,
    PROCESS_MODE,
    STRING,
    THREAD_MODE,
    VIDEO,
    DataAudio,
    DataBegin,
    DataContinue,
    DataEnd,
    DataImage,
    DataOnce,
    DataText,
    DataVideo,
    Once,
    Status,
    Types,
)
from aiges.dto import DataListCls, Response, SessionCreateResponse
from aiges.running import RunningCall, current_call
from aiges.stream import SessionManager, StreamHandleThread, WorkerThread
from aiges.utils.log import log

__all__ = [
    "AUDIO",
    "CALL",
    "CALL_TYPE",
    "HOSTS",
    "IMAGE",
    "PROCESS_MODE",
    "ROUTEKEY",
    "STRING",
    "SUB",
    "THREAD_MODE",
    "VIDEO",
    "AudioBodyField",
    "BooleanParamField",
    "DataAudio",
    "DataBegin",
    "DataContinue",
    "DataEnd",
    "DataImage",
    "DataOnce",
    "DataText",
    "DataVideo",
    "Field",
    "ImageBodyField",
    "IntegerParamField",
    "JsonBodyField",
    "Metaclass",
    "NumberParamField",
    "Once",
    "ParamField",
    "PayloadField",
    "RunningCall",
    "SessionManager",
    "Status",
    "StreamHandleThread",
    "StringBodyField",
    "StringParamField",
    "Types",
    "WorkerThread",
    "WrapperBase",
    "current_call",
    "log",
    "type_map",
]

T = TypeVar("T")

Metaclass = type
"""Wrappers need no metaclass of their own: declarations are read when they are asked for."""

type_map = Types


def overridable(method: Callable[..., T]) -> Callable[..., T]:
    """Let type checkers accept any parameters in an override: wrappers have them in many forms."""
    return method


class WrapperBase:
    """Base of every wrapper: set the class attributes, override the `wrapper...` methods.

    Attributes:
        serviceId: Names the service.
        version: Part of its route.
        requestCls: An instance of the class that declares parameters and inputs, or the class.
        responseCls: Likewise for outputs.
        config: What `wrapperInit` gets in a local run.
        model: For the wrapper's own use.
        call_type: For the gateway, as are `call` and `sub`.
        route: Path of the service, instead of /<version>/private/<serviceId>.
        session: The sessions of a streaming wrapper.
        inputs_test_values: Test data by input key, filled by `_parse_inputs`.
        params_test_values: Test values by parameter key, filled by `_parse_params`.
    """

    serviceId: str = ""
    version: str = ""
    requestCls: Any = None
    responseCls: Any = None
    config: dict[str, Any] = {}  # noqa: RUF012 - wrappers replace it; a local run gets a copy
    model: Any = None
    call: str = CALL
    sub: str = SUB
    call_type: int = CALL_TYPE
    route: str | list[str] = ""

    # A wrapper that does not call our constructor can still be described.
    legacy: bool = True
    is_aipaas: bool = True
    keep_schema_default_value: bool = True

    def __init__(
        self,
        legacy: bool = True,
        is_aipaas: bool = True,
        keep_schema_default_value: bool = True,
    ) -> None:
        """Prepare sessions and local runs.

        Args:
            legacy: Whether `schema` writes the older form.
            is_aipaas: See `schema_v2`.
            keep_schema_default_value: See `schema_v2`.
        """
        self.inputs_test_values: dict[str, Any] = {}
        self.params_test_values: dict[str, Any] = {}
        self.respData: list[Any] = []
        self.session = SessionManager()
        self.legacy = legacy
        self.is_aipaas = is_aipaas
        self.keep_schema_default_value = keep_schema_default_value

    # What the author overrides:

    @overridable
    def wrapperInit(self, config: dict[str, str]) -> int:
        """Load the model; return 0 when ready, anything else to refuse to start."""
        raise NotImplementedError("define wrapperInit(self, config) and return 0 from it")

    @overridable
    def wrapperFini(self) -> int:
        """Release what wrapperInit took; return 0."""
        raise NotImplementedError("define wrapperFini(self) and return 0 from it")

    @overridable
    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Any:  # noqa: ANN401 - a Response, but None where only wrapperOnceExecAsync answers
        """Answer one request with a Response."""
        raise NotImplementedError("define wrapperOnceExec(self, params, reqData)")

    @overridable
    def wrapperOnceExecAsync(
        self, params: dict[str, str], reqData: DataListCls, sid: str, persId: int = 0
    ) -> int:
        """Take one request, to be answered later by `callback`; return 0 if it is taken."""
        raise NotImplementedError("define wrapperOnceExecAsync(self, params, reqData, sid)")

    @overridable
    def wrapperBatchExec(
        self, batch: Sequence[tuple[dict[str, str], DataListCls]]
    ) -> Sequence[Response]:
        """Answer several requests at once, as many as `[batch] maxSize` allows.

        Args:
            batch: What wrapperOnceExec would get, params and reqData, of each.

        Returns:
            A Response for each, in the same order; one with an error_code fails its own request
            only. If this raises, it is asked again for each request alone.
        """
        raise NotImplementedError("define wrapperBatchExec(self, batch)")

    @overridable
    def wrapperLoadRes(self, reqData: DataListCls, resId: str) -> int:
        """Load a resource, such as an adapter of the model; return 0."""
        return 0

    @overridable
    def wrapperUnloadRes(self, resId: str) -> int:
        """Forget a resource; return 0."""
        return 0

    @overridable
    def wrapperCreate(
        self, params: dict[str, str], sid: str, persId: int = 0, usrTag: str = ""
    ) -> SessionCreateResponse | str | int | None:
        """Open a session; return a SessionCreateResponse with its handle."""
        log.info("wrapperCreate is not defined: params=%s sid=%s", params, sid)
        return None

    @overridable
    def wrapperWrite(self, handle: str, datas: DataListCls, *more: object) -> int:
        """Give a session its next inputs; return 0."""
        return 0

    @overridable
    def wrapperRead(self, handle: str, *more: object) -> Any:  # noqa: ANN401 - a Response, or nothing
        """Return a session's results; for sessions that do not use `callback`."""
        return []

    @overridable
    def wrapperDestroy(self, handle: str) -> int:
        """Close a session; return 0."""
        return 0

    @overridable
    def wrapperStream(self, params: dict[str, str], inputs: Iterator[DataListCls]) -> Any:  # noqa: ANN401
        """Serve one session as a generator, instead of the four methods above.

        Args:
            params: The session's parameters.
            inputs: Gives the next inputs when it is asked, and ends when the client has sent its
                last, or has gone; `current_call()` tells which.

        Yields:
            A Response for each result. The runtime sets the status of items that are left at
            Once, and sends an empty last item behind the last result; an item with status DataEnd
            ends the session earlier.
        """
        raise NotImplementedError("define wrapperStream(self, params, inputs)")

    @overridable
    def wrapperError(self, ret: int) -> str:
        """Return the text that goes to the client with the error code `ret`, "" for none."""
        return "no result" if ret == 100 else ""  # noqa: PLR2004 - the samples' own code

    @overridable
    def wrapperTestFunc(self, data: list[Any], respData: list[Any]) -> None:
        """Do nothing: one host looks whether this exists and never calls it."""

    # What the author, and the host, may call:

    def schema(self) -> str:
        """Describe the wrapper as JSON: `schema_legacy` or `schema_v2`, as constructed."""
        return self.schema_legacy() if self.legacy else self.schema_v2()

    def schema_v2(self) -> str:
        """Describe the wrapper as hosts want it.

        With `is_aipaas` there are no titles, and defaults are called `defaultVal`, or are left
        out without `keep_schema_default_value`.
        """
        return schema.v2(
            declare(self),
            is_aipaas=self.is_aipaas,
            keep_default=self.keep_schema_default_value,
        )

    def schema_legacy(self) -> str:
        """Describe the wrapper in the older form."""
        return schema_legacy.legacy(declare(self))

    def check_resp(self, resp: Response) -> bool:
        """Say whether a reply is as it should be, and log what is not."""
        found = response_check.problems(resp, declare(self).outputs)
        for problem in found:
            log.error("%s", problem)
        return not found

    def run(self, stream: bool = False) -> None:
        """Try the wrapper with its test values, as `python wrapper.py` does.

        Args:
            stream: Try a session; a wrapper that has nothing but wrapperStream needs no asking.

        Raises:
            SystemExit: With status 1, if something is wrong; the log says what.
        """
        streams = stream or local_run.only_streams(self)
        passed = self.run_stream() if streams else self.run_once()
        if not passed:
            raise SystemExit(1)

    def run_once(self) -> bool:
        """Try one complete request; return whether it is answered as it should be."""
        return local_run.run_once(self)

    def run_stream(self) -> bool:
        """Try one session; return whether it ends as it should."""
        return local_run.run_stream(self)

    def gradio(self) -> None:
        """Raise NotImplementedError: there is no such page here."""
        raise NotImplementedError(
            "there is no Gradio page; run `aiges-loader` and open its Swagger page, /swagger/"
        )

    def _parse_inputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Fill `inputs_test_values`; return {key: {"dataType": kind}} and {key: JSON schema}."""
        fields = declare(self).inputs
        self.inputs_test_values = {key: field.test_value for key, field in fields.items()}
        return data_types(fields), schema_legacy.payload(fields)

    def _parse_params(self) -> tuple[dict[str, Any], list[str]]:
        """Fill `params_test_values`; return {key: JSON schema} and the keys that are required."""
        declaration = declare(self)
        fields = declaration.params
        self.params_test_values = {key: field.test_value for key, field in fields.items()}
        return schema_legacy.parameters(fields), declaration.required
