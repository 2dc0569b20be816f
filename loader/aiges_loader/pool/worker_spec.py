"""What a worker is, and how one ended, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from aiges_loader.pool.hang import HangPolicy
from aiges_loader.pool.placement import Placements
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_log import last_error
from aiges_wire import handshake, worker_env

MIN_PORT: Final = 10_000
MAX_PORT: Final = 25_000
"""The range in which a worker that listens on TCP chooses its port; go-plugin's own."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Everything about a worker that does not change from one start to the next.

    Attributes:
        command: Program and arguments.
        environ: The whole environment, without what the handshake adds.
        socket_dir: Where the worker puts its socket; ours, private, removed by us.
        service: Its name, for wrappers that do not name themselves.
        wrapper_config: For wrapperInit.
        concurrency: Calls at once.
        start_timeout_s: From the start of the process to the answer of its first health check.
        init_timeout_s: For wrapperInit; None is no limit.
        resource_timeout_s: For each wrapperLoadRes and wrapperUnloadRes.
        drain_timeout_s: For the calls it has, when it is asked to stop.
        hang: When it counts as hung.
        wear: When it is replaced by a fresh one.
        auto_mtls: The connection is by TLS, with certificates made for each start.
        batching: Calls are put together, if it takes batches.
        newest_version: Of the application protocol, that may be spoken.
        placements: What each worker gets of the machine.
    """

    command: tuple[str, ...]
    environ: Mapping[str, str]
    socket_dir: Path
    service: str
    wrapper_config: Mapping[str, str]
    concurrency: int
    start_timeout_s: float
    init_timeout_s: float | None
    drain_timeout_s: float
    hang: HangPolicy
    wear: WearPolicy
    auto_mtls: bool = False
    batching: bool = False
    newest_version: int = 2
    resource_timeout_s: float = 60.0
    placements: Placements = field(default_factory=Placements)

    @property
    def versions(self) -> tuple[int, ...]:
        """The application protocol versions that we offer; plain lanes are no TLS."""
        return (1,) if self.auto_mtls else (1, 2)[: self.newest_version]

    def handshake_environ(self, number: int, *, stop_grace_s: float) -> dict[str, str]:
        """Return the environment of a new process, with our side of the handshake in it.

        Args:
            number: Of the worker, from 1.
            stop_grace_s: How long wrapperFini may take.
        """
        gpus = self.placements.of(number).gpus
        return {
            **{n: v for n, v in self.environ.items() if not n.startswith(handshake.ENV_PREFIX)},
            handshake.COOKIE_KEY: handshake.COOKIE_VALUE,
            handshake.ENV_MIN_PORT: str(MIN_PORT),
            handshake.ENV_MAX_PORT: str(MAX_PORT),
            handshake.ENV_VERSIONS: ",".join(str(version) for version in self.versions),
            handshake.ENV_SOCKET_DIR: str(self.socket_dir),
            **({} if gpus is None else {worker_env.GPUS: gpus}),
            worker_env.NUMBER: str(number),
            worker_env.CONCURRENCY: str(self.concurrency),
            worker_env.STOP_GRACE: str(stop_grace_s),
            worker_env.DRAINED_STDOUT: "1",
        }


class Cause(StrEnum):
    """Why a worker's process is replaced; the last three are no deaths."""

    CRASH = "crash"  # it took calls, and ended by itself or hung up
    HANG = "hang"
    START = "start"  # it did not become ready
    RECYCLE = "recycle"
    RELOAD = "reload"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Death:
    """How the last process of a slot ended, for reports.

    Attributes:
        cause: What kind of end it was.
        reason: One line: what happened.
        status: What the process ended with, negative for a signal; None if nothing is known.
        at: When, in seconds since the epoch.
        by_signal: A signal ended it before it was ready: nothing its next start would repeat.
        was_ready: It had taken calls.
        calls: Names of the calls that it had.
        tail: The last lines that it wrote.
    """

    cause: Cause
    reason: str
    status: int | None
    at: float
    by_signal: bool
    was_ready: bool
    calls: tuple[str, ...]
    tail: tuple[str, ...] = field(repr=False)

    @property
    def error(self) -> str:
        """The last error that it wrote, a traceback whole; "" if there is none."""
        return last_error(self.tail)

    @property
    def summary(self) -> str:
        """One line for the author of the wrapper: what it wrote last as an error, else `reason`."""
        return self.error.rpartition("\n")[2] or self.reason
