"""Another configuration for a running service: checked first, then taken over."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from aiges_loader.config import ConfigError, LoaderConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload went.

    Attributes:
        done: The service lives by the new configuration.
        problems: Why not; or what of it needs a new start.
    """

    done: bool
    problems: tuple[str, ...]


class Reloads:
    """Wishes to reload, taken one after the other by one owner.

    A wish that comes while another is waiting is the same wish.
    """

    def __init__(self, read: Callable[[], LoaderConfig]) -> None:
        """Make it; `read` reads the configuration again and raises `ConfigError`."""
        self.read = read
        self._waiting: list[asyncio.Future[Reloaded]] = []
        self._asked = asyncio.Event()

    def ask(self) -> "asyncio.Future[Reloaded]":
        """Ask for a reload; the future says how it went."""
        outcome: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        self._waiting.append(outcome)
        self._asked.set()
        return outcome

    async def next(self) -> "list[asyncio.Future[Reloaded]]":
        """Wait for a wish; return everybody who has it."""
        await self._asked.wait()
        self._asked.clear()
        waiting, self._waiting = self._waiting, []
        return waiting

    def checked(self) -> LoaderConfig | Reloaded:
        """Read the configuration; a bad one costs nothing but a line in the log for each fault."""
        try:
            return self.read()
        except ConfigError as error:
            problems = tuple(str(finding) for finding in error.findings)
            for problem in problems:
                log.error("not reloaded: %s", problem)  # noqa: TRY400 - it says all
            return Reloaded(done=False, problems=problems)


def needs_start(old: LoaderConfig, new: LoaderConfig) -> tuple[str, ...]:
    """Name what differs and takes effect only when the program is started again."""
    changes = {
        "[wrapper] http_listen": old.http.listen != new.http.listen,
        "[http] processes": old.http.processes != new.http.processes,
        f"[{old.service.name}]": old.service != new.service,
        "[admin]": old.admin != new.admin,
        "[log]": old.log != new.log,
        "AIGES_PLUGIN_MODE": old.process.plugin_mode != new.process.plugin_mode,
    }
    changed = [what for what, is_so in changes.items() if is_so]
    return tuple(f"{what}: takes effect at the next start" for what in changed)
