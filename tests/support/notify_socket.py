"""systemd's end of sd_notify: a datagram socket, read by the test."""

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT_S = 20.0


class NotifySocket:
    """Receives what a service tells its manager.

    Attributes:
        address: For NOTIFY_SOCKET.
        heard: Every message so far, as its fields.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        return cls(str(folder / "notify"))

    def next(self, limit_s: float = LIMIT_S) -> dict[str, str] | None:
        """Return the next message; None if none comes within the limit."""
        self._socket.settimeout(limit_s)
        try:
            message = self._socket.recv(65536).decode()
        except TimeoutError:
            return None
        self.heard.append(dict(line.split("=", 1) for line in message.split("\n")))
        return self.heard[-1]

    def until(self, **fields: str) -> dict[str, str]:
        """Return the next message that has these fields with these values."""
        deadline = time.monotonic() + LIMIT_S
        while (message := self.next(max(0.001, deadline - time.monotonic()))) is not None:
            if fields.items() <= message.items():
                return message
        raise AssertionError(f"not told {fields} in time, but {self.heard}")

    def drop_waiting(self) -> None:
        """Forget the messages that have come and that nobody has looked at."""
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.recv(65536)
            except BlockingIOError:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
