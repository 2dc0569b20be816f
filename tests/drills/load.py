"""Clients that call all the time and remember what became of each call."""

import http.client
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from support.service import Service, once_body

LIMIT_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """One call: when it began and ended, by the monotonic clock, and its code; None: no answer."""

    began: float
    ended: float
    code: int | None

    @property
    def took_s(self) -> float:
        return self.ended - self.began


@dataclass
class Load:
    """`clients` threads that call a service one request after the other, each on one connection.

    With `do`, every call asks the wrapper for that.
    """

    service: Service
    clients: int
    do: str = ""
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
        body = once_body(**({"do": self.do} if self.do else {}))
        client: http.client.HTTPConnection | None = None
        while not self._over.is_set():
            began = time.monotonic()
            fresh = client is None
            if client is None:
                port = self.service.http_port
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
            try:
                client.request("POST", "/v1/svcName", body)
                answer = client.getresponse()
                code = code_of(answer.read())
                closes = answer.will_close
            except ConnectionRefusedError:
                return  # the door is closed: nothing was accepted, so nothing is lost
            except (OSError, http.client.HTTPException):
                # A kept connection may be closed before our request reaches it; a new one not.
                code, closes = (None, True) if fresh else (-1, True)
            if code != -1:
                self.outcomes.append(Outcome(began, time.monotonic(), code))
            if closes:
                client.close()
                client = None
        if client is not None:
            client.close()


def code_of(body: bytes) -> int:
    """Read `header.code` of an answer."""
    import json  # noqa: PLC0415

    return int(json.loads(body)["header"]["code"])
