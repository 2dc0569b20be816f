"""What the service and its workers are doing at one moment, as values. No I/O, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.worker_spec import Cause


class ServiceState(StrEnum):
    """What callers may expect of the service."""

    STARTING = "starting"  # not ready, and nothing has gone wrong yet
    READY = "ready"  # with all its workers
    DEGRADED = "degraded"  # ready, with fewer workers than planned
    NOT_READY = "not ready"
    DRAINING = "draining"  # on its way out


@dataclass(frozen=True, slots=True)
class ExitReport:
    """How a worker's process ended.

    Attributes:
        cause: What kind of end it was.
        reason: One line that says what happened.
        exit_status: What the process ended with, None if a signal ended it.
        signal: Name of the signal that ended it.
        at: When.
        was_ready: It had taken calls.
        calls: Names (sids) of the calls that it had.
        error: The last error that it wrote, a traceback whole; "" if it wrote none.
        tail: The last lines that it wrote.
    """

    cause: Cause
    reason: str
    exit_status: int | None
    signal: str | None
    at: datetime
    was_ready: bool
    calls: Sequence[str]
    error: str
    tail: Sequence[str]


@dataclass(frozen=True, slots=True)
class CrashReport:
    """One of the last deaths of all workers.

    Attributes:
        number: From 1, in order.
        worker: Number of the worker.
        exit: How its process ended.
    """

    number: int
    worker: int
    exit: ExitReport


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker; while one replaces another, both are listed under their common number.

    Attributes:
        number: From 1.
        pid: Of the process that runs user code, None while there is none.
        state: Of the worker.
        since: When it came into that state.
        since_seconds: How long ago that was.
        restarts: How often its process was started again after it died.
        in_flight: Calls that it has.
        concurrency: How many it takes at once.
        sessions: Sessions that it has; no calls.
        served: Calls and sessions that it has been done with; a successor counts on.
        gpus: The GPUs dealt to it, as CUDA_VISIBLE_DEVICES has them; None if none are dealt.
        cpus: The CPUs that it is bound to; none named: it is not.
        time_to_ready_seconds: What its last start took, None before it was ready.
        rss_bytes: Resident memory, that of its children included; 0 while there is no process.
        cpu_seconds: Processor time of the same processes.
        last_exit: How the last process of that number ended, None if none has.
    """

    number: int
    pid: int | None
    state: State
    since: datetime
    since_seconds: float
    restarts: int
    in_flight: int
    concurrency: int
    sessions: int
    served: int
    gpus: str | None
    cpus: Sequence[int]
    time_to_ready_seconds: float | None
    rss_bytes: int
    cpu_seconds: float
    last_exit: ExitReport | None


@dataclass(frozen=True, slots=True)
class FrontStatus:
    """One of several processes that serve HTTP.

    Attributes:
        number: From 1.
        pid: None while there is none.
        serves: It accepts connections.
        connections: That it has; those that it handed over to the supervisor are not counted.
        in_flight: Requests for inference that have begun there and not ended.
        restarts: How often its process was replaced after it died.
        rss_bytes: Resident memory; 0 while there is no process.
    """

    number: int
    pid: int | None
    serves: bool
    connections: int
    in_flight: int
    restarts: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests for inference since the start.

    Attributes:
        in_flight: That have begun and not ended.
        by_code: How many ended with each code.
        duration_bounds: Upper ends of the classes of durations, in seconds.
        by_duration: How many fell into each class, and, last, above all of them.
        seconds: Sum of their durations.
    """

    in_flight: int
    by_code: Mapping[str, int]
    duration_bounds: Sequence[float]
    by_duration: Sequence[int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """How much of something limited is in use."""

    taken: int
    limit: int


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """A resource that every worker has which takes any.

    Attributes:
        id: Its name.
        key: Of the payload that brought it.
        size_bytes: Of its content.
    """

    id: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service.

    Attributes:
        service: Its name.
        version: Of this program.
        pid: Of the supervisor.
        state: See `service_state`.
        started: When the supervisor started.
        uptime_seconds: How long ago that was.
        workers_ready: Workers that take calls.
        workers_planned: Workers that there should be.
        licences: Calls in the house.
        queue: Calls that wait for a licence.
        waiting_for_worker: Calls that have a licence and wait for a worker.
        replaced: How often workers were replaced, by cause.
        workers: By number; of two with the same one the older first.
        fronts: Processes that serve HTTP beside the supervisor, by number.
        used: What user code says that it used, by key.
        measured: The newest of what it measured, by key.
        resources: Loaded resources, in the order in which workers load them.
        addresses: Protocol -> host:port that clients' requests are taken at.
        requests: Those for inference; None where nobody has counted them.
    """

    service: str
    version: str
    pid: int
    state: ServiceState
    started: datetime
    uptime_seconds: float
    workers_ready: int
    workers_planned: int
    licences: Taken
    queue: Taken
    waiting_for_worker: int
    replaced: Mapping[str, int]
    workers: Sequence[WorkerStatus]
    fronts: Sequence[FrontStatus] = ()
    used: Mapping[str, int] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    resources: Sequence[ResourceStatus] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    requests: RequestCounts | None = None


@dataclass(frozen=True, slots=True)
class WorkerUsage:
    """What one worker uses, at one moment of several that are kept.

    Attributes:
        number: From 1.
        pid: None while there is no process.
        rss_bytes: Resident memory.
        cpu_seconds: Processor time so far.
    """

    number: int
    pid: int | None
    rss_bytes: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What charts are made of, at one moment: members of a status, under the same names."""

    uptime_seconds: float
    requests: RequestCounts | None
    workers: Sequence[WorkerUsage]


def sample_of(status: ServiceStatus) -> Sample:
    """Return the part of a status that is worth keeping."""
    workers = tuple(
        WorkerUsage(worker.number, worker.pid, worker.rss_bytes, worker.cpu_seconds)
        for worker in status.workers
    )
    return Sample(status.uptime_seconds, status.requests, workers)


def service_state(
    *, draining: bool, is_ready: bool, ready: int, planned: int, has_died: bool
) -> ServiceState:
    """Sum up.

    Args:
        draining: The service was told to end.
        is_ready: Calls are taken by as many workers as the service wants at least.
        ready: Workers that take calls.
        planned: Workers that there should be.
        has_died: Some worker's process has died since the start.
    """
    if draining:
        return ServiceState.DRAINING
    if is_ready:
        return ServiceState.READY if ready >= planned else ServiceState.DEGRADED
    return ServiceState.NOT_READY if has_died else ServiceState.STARTING
