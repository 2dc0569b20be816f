"""`aiges test`: a wrapper tried in this process with its declared test values."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from aiges._runtime import hclog, local_run, response_check
from aiges._runtime.declaration import declare
from aiges._runtime.fields import Field
from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say
from aiges.core.types import DataText, Types
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

ONCE: Final = ("wrapperOnceExec", "wrapperOnceExecAsync", "wrapperBatchExec")
SESSION: Final = ("wrapperStream", "wrapperCreate")

SHOWN_CHARS: Final = 200
"""Of a text output; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of an answer, or of all results of a session together.

    Attributes:
        key: Its name.
        kind: text, audio, image or video.
        bytes: Its size.
        pieces: In how many results it came.
        text: What it says, if it is text, shortened.
    """

    key: str
    kind: str
    bytes: int
    pieces: int
    text: str | None


@dataclass(slots=True)
class Trial:
    """One method that was tried.

    Attributes:
        method: Its name.
        seconds: How long it took.
        outputs: What it answered.
        error_code: The wrapper's own code, 0 for none.
        error_text: Its words for it.
        problems: What is wrong; a traceback is one of them.
    """

    method: str
    seconds: float = 0.0
    outputs: list[Output] = field(default_factory=list)
    error_code: int = 0
    error_text: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as it should be; an error code of its own is an answer, too."""
        return not self.problems


def try_out(wrapper: Any, *, once: bool, stream: bool) -> Iterator[Trial]:  # noqa: ANN401
    """Initialise the wrapper, have it answer, end it; yield each trial when it is over.

    Args:
        wrapper: As loaded.
        once: Try a single call.
        stream: Try a session. Neither asked for: whatever the wrapper defines.

    Raises:
        AuthoringError: It does not define what is to be tried.
    """
    if not isinstance(wrapper, WrapperBase):
        raise AuthoringError(say("test.no_base", name=type(wrapper).__name__))
    answers, converses = (
        any(local_run.defines(wrapper, name) for name in names) for names in (ONCE, SESSION)
    )
    if not answers and (once or not converses):
        raise AuthoringError(say("test.not_defined", names=", ".join(ONCE)))
    if not converses and stream:
        raise AuthoringError(say("test.not_defined", names=", ".join(SESSION)))
    started = _tried("wrapperInit", lambda _: local_run.initialise(wrapper))
    yield started
    if not started.passed:
        return
    if once or (answers and not stream):
        yield _tried(ONCE[0], lambda trial: _once(trial, wrapper))
    if stream or (converses and not once):
        yield _tried(SESSION[0], lambda trial: _session(trial, wrapper))
    if local_run.defines(wrapper, "wrapperFini"):
        yield _tried("wrapperFini", lambda _: wrapper.wrapperFini())


def _tried(method: str, work: Callable[[Trial], object]) -> Trial:
    trial = Trial(method)
    began = time.perf_counter()
    try:
        work(trial)
    except local_run.LocalRunError as error:
        trial.problems.append(str(error))
    except Exception as error:  # whatever user code raises
        trial.problems.append(hclog.user_traceback(error))
    trial.seconds = time.perf_counter() - began
    return trial


def _once(trial: Trial, wrapper: WrapperBase) -> None:
    trial.method, response = local_run.answer(wrapper)
    trial.problems += response_check.problems(response, _declared(wrapper))
    if not isinstance(response, Response):
        return
    if response.error_code:
        _note_error(trial, wrapper, response)
    else:
        trial.outputs += _together(response.list)


def _session(trial: Trial, wrapper: WrapperBase) -> None:
    if not local_run.defines(wrapper, SESSION[0]):
        trial.method = SESSION[1]
    items: list[ResponseData] = []
    with closing(local_run.results(wrapper)) as results:
        for response in results:
            trial.problems += response_check.problems_of_result(response, _declared(wrapper))
            if response.error_code:
                _note_error(trial, wrapper, response)
                trial.problems.append(say("test.session_error", code=response.error_code))
            else:
                items += response.list
    trial.outputs += _together(items)


def _note_error(trial: Trial, wrapper: WrapperBase, response: Response) -> None:
    trial.error_code = response.error_code
    trial.error_text = local_run.text_of(wrapper, response)


def _declared(wrapper: WrapperBase) -> Mapping[str, Field]:
    return declare(wrapper).outputs


def _together(items: Sequence[ResponseData]) -> list[Output]:
    """Put the pieces of each output together, in the order of their first ones."""
    pieces: dict[tuple[str, int], list[bytes]] = {}
    for item in items:
        data = item.data.encode() if isinstance(item.data, str) else bytes(item.data)
        if item.key or data:
            pieces.setdefault((item.key, item.type), []).append(data)
    return [_output(key, kind, found) for (key, kind), found in pieces.items()]


def _output(key: str, kind: int, pieces: list[bytes]) -> Output:
    data = b"".join(pieces)
    text = data.decode("utf-8", "replace") if kind == DataText else None
    if text is not None and len(text) > SHOWN_CHARS:
        text = f"{text[:SHOWN_CHARS]}..."
    return Output(key, str(Types.get(kind, kind)), len(data), len(pieces), text)
