"""The configuration as the parts of the supervisor see it: frozen, checked, in one unit each.

Durations are seconds (`_s`), sizes bytes, whatever the file counts in. `None` for a duration means
that it is switched off. Every part gets its own slice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from aiges_loader.config.findings import Finding


class PluginMode(StrEnum):
    """What a worker hosts: a C library (libwrapper.so) or a Python class (wrapper.py)."""

    C = "c"
    PYTHON = "python"


class GiveUp(StrEnum):
    """What the supervisor does once every worker has failed."""

    EXIT = "exit"
    STAY = "stay"  # and keep trying
    WAIT = "wait"  # until somebody asks for a restart; a start that fails is not tried again


class LogLevel(StrEnum):
    """The least important line that is logged; `NONE` logs nothing."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen.

    Attributes:
        host: Name or address without brackets; "" is every interface.
        port: 0 is a free one.
    """

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """`[<service>]`: the gRPC listener.

    Attributes:
        name: What `-s` said; also the name of the section.
        host: Host name or IPv4 address; "" is the IPv4 address of `netcard`, else of this machine.
        netcard: Name of a network interface, or "".
        port: 0 is a free one.
        reuse_port: Share the port with other processes.
        max_receive_bytes: Largest gRPC message accepted.
        max_send_bytes: Largest gRPC message sent.
        token_interval_s: Time that one token of the rate limit takes to come back.
        token_burst: Size of its bucket; no rate limit if the time is 0.
    """

    name: str
    host: str
    netcard: str
    port: int
    reuse_port: bool
    max_receive_bytes: int
    max_send_bytes: int
    token_interval_s: float
    token_burst: int


@dataclass(frozen=True, slots=True)
class AigesConfig:
    """`[aiges]`: how the wrapper is started and fed.

    Attributes:
        python_plugin_cmd: Run by `bash -c` for each worker in Python mode.
        results_by_callback: A C plugin answers by callback; else its functions return the results.
        schema: Describes a C plugin; None: wrapper.schema.json beside the library, if any.
        header_pass: Request header fields that become params, sorted; always has "sid".
        http_attempts: How often the download of an input is tried, at least once.
        real_time_result: Hand results on as they come; else only once the input is complete.
    """

    python_plugin_cmd: str
    results_by_callback: bool
    schema: Path | None
    header_pass: tuple[str, ...]
    http_attempts: int
    real_time_result: bool


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """`[fc]`: how much may be going on at once.

    Attributes:
        max_licences: Once calls and sessions together; 0 refuses all until a client raises it.
        session_ttl_s: A session ends after this long without a request.
        session_sweep_s: How often idle sessions are looked for.
    """

    max_licences: int
    session_ttl_s: float
    session_sweep_s: float


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """What the workers get of the machine.

    Attributes:
        gpus: Values for CUDA_VISIBLE_DEVICES, dealt out to the workers in turn; empty: as it is.
        cpus: Sets of CPUs, dealt out in turn; empty: those of this process.
        nice: Added to this process's niceness.
        environ: Variables that are set for every worker.
        limits: Number of a resource -> soft and hard limit, -1: none.
    """

    gpus: tuple[str, ...]
    cpus: tuple[frozenset[int], ...]
    nice: int
    environ: Mapping[str, str]
    limits: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """`[pool]`: the worker processes and how they are kept alive.

    Attributes:
        workers: Processes of this service.
        concurrency: Calls in one worker at once, at least 1; the file's 0 is resolved.
        queue: Calls that may wait for a licence.
        queue_timeout_s: Longest such wait; None: up to the call's deadline.
        restart_wait_s: Longest wait of a call for a worker that is starting.
        start_timeout_s: From the start of the process to its handshake.
        init_timeout_s: Longest wrapperInit; None: no limit.
        resource_timeout_s: Longest wrapperLoadRes and wrapperUnloadRes.
        drain_timeout_s: What calls get to finish when the supervisor stops.
        max_restarts: More than this many in `restart_period_s`: the worker has failed.
        restart_period_s: See above.
        backoff_min_s: First pause before a restart; later ones double.
        backoff_max_s: Longest pause.
        stable_after_s: A worker ready for this long starts over with the pauses.
        give_up: Once every worker has failed.
        auto_mtls: Speak TLS with workers, by certificates made for each start.
        newest_protocol: Of the versions that workers may choose from.
        heartbeat_s: How often a worker is asked for a sign of life.
        hang_timeout_s: Without one, or in one call, for this long: it hangs. None: never.
        min_ready: So many workers must be ready for the service to be.
        max_requests: After so many calls a worker is replaced. None: never.
        max_rss_bytes: If it uses more memory. None: never.
        max_resources_bytes: How large all loaded resources may be together.
        max_age_s: After so long. None: never.
        retry_on_crash: Try a call whose worker died once more.
        placement: What the workers get of the machine.
    """

    workers: int
    concurrency: int
    queue: int
    queue_timeout_s: float | None
    restart_wait_s: float
    start_timeout_s: float
    init_timeout_s: float | None
    resource_timeout_s: float
    drain_timeout_s: float
    max_restarts: int
    restart_period_s: float
    backoff_min_s: float
    backoff_max_s: float
    stable_after_s: float
    give_up: GiveUp
    auto_mtls: bool
    newest_protocol: int
    heartbeat_s: float
    hang_timeout_s: float | None
    min_ready: int
    max_requests: int | None
    max_rss_bytes: int | None
    max_resources_bytes: int
    max_age_s: float | None
    retry_on_crash: bool
    placement: PlacementConfig


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """`[batch]`: which calls go to a worker together.

    Attributes:
        max_size: Calls in one batch; 1: none are put together.
        max_delay_s: How long a call may wait for others.
        max_bytes: Of the inputs of one batch; 0: no limit.
        group_by: Only calls with the same value of this param go together; "": all do.
        adaptive: Wait only as long as it pays.
    """

    max_size: int
    max_delay_s: float
    max_bytes: int
    group_by: str
    adaptive: bool


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """`[http]`, and where to listen, which is `[wrapper] http_listen`.

    Attributes:
        listen: Where HTTP and WebSocket clients connect.
        timeout_s: Deadline of a once call.
        header_timeout_s: For a client to send its request's head; None: no limit.
        idle_timeout_s: Between two requests on a connection; None: no limit.
        max_body_bytes: Longest request body; 413 above.
        legacy_status: Answer 500 for every error, as AIservice does.
        processes: How many processes serve HTTP; 1: the supervisor does it itself.
        validate: Check requests against the wrapper's schema.
    """

    listen: ListenAddress
    timeout_s: float
    header_timeout_s: float | None
    idle_timeout_s: float | None
    max_body_bytes: int
    legacy_status: bool
    processes: int
    validate: bool


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """`[admin]`: the listener for operators.

    Attributes:
        listen: Where it listens; None: it is switched off.
        is_asked_for: `listen` was given, so doing without is no choice of ours.
        token: What callers must show; "": nothing. Never empty beyond the loopback interface.
    """

    listen: ListenAddress | None
    is_asked_for: bool
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    """`[ws]`.

    Attributes:
        read_timeout_s: Longest silence of a client.
        session_timeout_s: Longest life of a connection; judged when a frame arrives.
    """

    read_timeout_s: float
    session_timeout_s: float


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`[log]`.

    Attributes:
        file: Relative to the working directory.
        max_file_bytes: A longer file is rotated; 0: never.
        max_files: Rotated files kept; 0: all.
        max_age_s: Rotated files older than this go; 0: never.
    """

    level: LogLevel
    file: Path
    max_file_bytes: int
    max_files: int
    max_age_s: float


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """What the environment says about this process.

    Attributes:
        plugin_mode: AIGES_PLUGIN_MODE, or what was found if it is not set.
        version: AIGES_WRAPPER_VERSION, or "".
        numa_cpus: CPUs of the node AIGES_ENV_NUMA names: run on these only. None: not asked for.
    """

    plugin_mode: PluginMode
    version: str
    numa_cpus: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """Everything the supervisor was told.

    Attributes:
        path: The main file.
        wrapper: What wrapperInit gets, as text: `[wrapper]`, or the file `[aiges] usrCfg` names.
        warnings: To be shown at every start: something does not do what the reader may think.
        notes: To be shown on request: settings that may stand where they are, without effect.
    """

    path: Path
    service: ServiceConfig
    aiges: AigesConfig
    wrapper: Mapping[str, str]
    limits: LimitsConfig
    pool: PoolConfig
    batch: BatchConfig
    http: HttpConfig
    admin: AdminConfig
    websocket: WebSocketConfig
    log: LogConfig
    process: ProcessConfig
    warnings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
