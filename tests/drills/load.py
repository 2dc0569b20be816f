"""Clients that call all the time and remember what became of each call."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from support.service import Service, once_body

LIMIT_S = 60.0


@dataclass(frozen=True)
class Target:
    """A server and how it is asked.

    Attributes:
        port: Of 127.0.0.1.
        path: Of calls.
        body: Makes the body of a call that asks for something to be done, "" for nothing.
        code_of: Reads the code of an answer, its status and body; 0 is success.
    """

    port: int
    path: str
    body: Callable[[str], bytes]
    code_of: Callable[[int, bytes], int]


def our_body(do: str) -> bytes:
    return once_body(**({"do": do} if do else {}))


def our_code(status: int, body: bytes) -> int:
    del status
    return int(json.loads(body)["header"]["code"])


def target_of(service: Service) -> Target:
    return Target(service.http_port, "/v1/svcName", our_body, our_code)


@dataclass(frozen=True)
class Outcome:
    """One call: when it began and ended, by the monotonic clock, and its code; None: no answer."""

    began: float
    ended: float
    code: int | None
    body: bytes = field(default=b"", repr=False)

    @property
    def took_s(self) -> float:
        return self.ended - self.began


def ask_once(target: Target, do: str = "", limit_s: float = LIMIT_S) -> Outcome:
    """Make one call on a connection of its own; a port that is closed is no answer, too."""
    began = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", target.port, timeout=limit_s)
    try:
        client.request("POST", target.path, target.body(do))
        answer = client.getresponse()
        body = answer.read()
        code = target.code_of(answer.status, body)
    except (OSError, http.client.HTTPException):
        return Outcome(began, time.monotonic(), None)
    finally:
        client.close()
    return Outcome(began, time.monotonic(), code, body)


@dataclass
class Load:
    """`clients` threads that call a server one request after the other, each on one connection.

    With `do`, every call asks user code for that. Threads end when nobody listens any more, or when
    an answer has not come after `limit_s`: such a call has no code. A server that ends may hang up
    on a kept connection before a request reaches it: with `may_hang_up` that is no failure.
    """

    target: Target
    clients: int
    do: str = ""
    limit_s: float = LIMIT_S
    may_hang_up: bool = False
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(self.clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def wait_for(self, count: int) -> None:
        """Wait until `count` more calls have ended."""
        wanted = len(self.outcomes) + count
        until = time.monotonic() + LIMIT_S
        while len(self.outcomes) < wanted:
            assert time.monotonic() < until, "the service answers no more"
            time.sleep(0.005)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.code != 0]

    def _call(self) -> None:
        target = self.target
        body = target.body(self.do)
        client: http.client.HTTPConnection | None = None
        try:
            while not self._over.is_set():
                began = time.monotonic()
                fresh = client is None
                if client is None:
                    client = http.client.HTTPConnection(
                        "127.0.0.1", target.port, timeout=self.limit_s
                    )
                answered = b""
                try:
                    client.request("POST", target.path, body)
                    answer = client.getresponse()
                    answered = answer.read()
                    code = target.code_of(answer.status, answered)
                    closes = answer.will_close
                except ConnectionRefusedError:
                    return  # the door is closed: nothing was accepted, so nothing is lost
                except TimeoutError:
                    self.outcomes.append(Outcome(began, time.monotonic(), None))
                    return
                except (OSError, http.client.HTTPException):
                    code, closes = None if fresh or not self.may_hang_up else -1, True
                if code != -1:
                    self.outcomes.append(Outcome(began, time.monotonic(), code, answered))
                if closes:
                    client.close()
                    client = None
        finally:
            if client is not None:
                client.close()
