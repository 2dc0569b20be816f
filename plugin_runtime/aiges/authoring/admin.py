"""The admin API of the supervisor that `aiges dev` runs, on a port and with a token of its own."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiges.authoring.addresses import ADMIN_VARIABLE, LOOPBACK, free_port


class NoAnswerError(Exception):
    """The connection ended without an answer: the supervisor has gone."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Speaks to the admin API. Cancelling a request gives it up.

    Attributes:
        port: On loopback.
        token: What it wants to be shown.
    """

    port: int = field(default_factory=lambda: free_port(LOOPBACK, 0))
    token: str = field(default_factory=secrets.token_urlsafe, repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """Variables that make a supervisor listen there."""
        return {
            ADMIN_VARIABLE: f"{LOOPBACK}:{self.port}",
            "AIGES__ADMIN__TOKEN": self.token,
        }

    async def restart_workers(self) -> str:
        """Have every worker start anew, the old process first.

        Returns:
            Why one did not, "" if all are ready.

        Raises:
            OSError: There is no connection.
            NoAnswerError: It broke.
        """
        status = await self._ask("GET", "/status")
        for number in sorted({worker["number"] for worker in status["workers"]}):
            answer = await self._ask("POST", f"/workers/{number}/restart?order=stop-first")
            if "error" in answer:
                return await self._last_error() or str(answer["error"])
        return ""

    async def reload(self) -> str:
        """Have the configuration read again; return why it is not lived by, or "".

        Raises:
            OSError: There is no connection.
            NoAnswerError: It broke.
        """
        answer = await self._ask("POST", "/reload")
        if "error" not in answer:
            return ""
        return "\n".join([str(answer["error"]), *map(str, answer.get("problems", ()))])

    async def _last_error(self) -> str:
        """Return the last line of the last error that a worker wrote, "" if there is none."""
        workers = (await self._ask("GET", "/status"))["workers"]
        exits = [worker["last_exit"] for worker in workers if worker["last_exit"]]
        newest: Mapping[str, Any] = max(exits, key=lambda report: report["at"], default={})
        return str(newest.get("error", "")).rpartition("\n")[2]

    async def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        # No limit: the answer comes when the wrapper is loaded, which may take minutes. The
        # connection ends with the supervisor, and with whoever gives the request up.
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: {LOOPBACK}:{self.port}\r\n"
                f"Authorization: Bearer {self.token}\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not body:
            raise NoAnswerError(f"{LOOPBACK}:{self.port}")
        return json.loads(body)
