"""What systemd hears of the service, in the datagrams of sd_notify(3); without systemd, nothing."""

import asyncio
import logging
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Final

RETRY_S: Final = 0.1
"""After so long a message is offered again to a systemd that had no room for it."""

log = logging.getLogger(__name__)


class Systemd:
    """Tells the service manager that started us how the service is.

    Attributes:
        watchdog_s: How long systemd waits for a sign of life before it kills us; None is for ever.
    """

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        """Make it; nothing is sent yet.

        Args:
            address: A path, "@" and an abstract name, or None: then nothing is ever sent.
            watchdog_s: As the attribute.
        """
        self.watchdog_s = watchdog_s
        self._address = address
        self._is_started = False
        self._unsent: deque[bytes] = deque()

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "Systemd":
        """Read what systemd has put into the environment, and take it out: it is not for workers.

        What does not make sense is logged and does without.
        """
        address = environ.pop("NOTIFY_SOCKET", None)
        microseconds = environ.pop("WATCHDOG_USEC", None)
        whose = environ.pop("WATCHDOG_PID", str(os.getpid()))
        if address is not None and not (address[:1] in ("/", "@") and address[1:]):
            log.warning("NOTIFY_SOCKET: expected a path or @name, got %r: not used", address)
            address = None
        if address is None or microseconds is None or whose != str(os.getpid()):
            return cls(address, None)
        if not microseconds.isdecimal() or int(microseconds) == 0:
            log.warning("WATCHDOG_USEC: expected a whole number over 0, got %r", microseconds)
            return cls(address, None)
        return cls(address, int(microseconds) / 1e6)

    def report(self, *, is_ready: bool, status: str) -> None:
        """Say how the service is; the first time that it is ready, its start is over."""
        is_first = is_ready and not self._is_started
        self._is_started = self._is_started or is_ready
        self._tell(*(["READY=1"] if is_first else []), f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a reload begins; `reloaded` must follow."""
        if self._is_started:  # otherwise the READY=1 at the end of the reload would be a lie
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._tell("RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=reloading")

    def reloaded(self, status: str) -> None:
        """Say that a reload is over, also one that changed nothing."""
        if self._is_started:
            self._tell("READY=1", f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """Say that the service is about to end."""
        self._tell("STOPPING=1", f"STATUS={status}")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Give signs of life for as long as the event loop turns, twice in each `watchdog_s`."""
        beating = asyncio.ensure_future(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _beat(self) -> None:
        while self.watchdog_s is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def _tell(self, *lines: str) -> None:
        if self._address is not None:
            message = "\n".join(" ".join(line.splitlines()) for line in lines)
            self._unsent.append(message.encode())
            self._send()

    def _send(self) -> None:
        """Send what waits, in order, without ever blocking the loop."""
        assert self._address is not None
        where = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            while self._unsent:
                try:
                    sender.sendto(self._unsent[0], where)
                except BlockingIOError:
                    asyncio.get_running_loop().call_later(RETRY_S, self._send)
                    return
                except OSError as error:
                    log.warning("systemd was not told %r: %s", self._unsent[0].decode(), error)
                self._unsent.popleft()
