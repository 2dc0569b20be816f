"""Read everything the supervisor is told, once, into frozen values."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from aiges_loader.config.addresses import is_ipv6, is_loopback, listen_address
from aiges_loader.config.document import parse_document
from aiges_loader.config.environment import process_config
from aiges_loader.config.files import DEFAULT_NAME, locate, read_text
from aiges_loader.config.findings import ConfigError, Finding
from aiges_loader.config.keys import DEFAULT_COMMAND, KEYS, SERVICE
from aiges_loader.config.machine import usable_cpus
from aiges_loader.config.overrides import apply_overrides
from aiges_loader.config.placement import placement
from aiges_loader.config.plugin_settings import from_user_file, from_wrapper_section
from aiges_loader.config.settings import Settings, shown
from aiges_loader.config.survey import survey
from aiges_loader.config.values import (
    AdminConfig,
    AigesConfig,
    BatchConfig,
    GiveUp,
    HttpConfig,
    LimitsConfig,
    ListenAddress,
    LoaderConfig,
    LogConfig,
    LogLevel,
    PluginMode,
    PoolConfig,
    ServiceConfig,
    WebSocketConfig,
)

HEADER_FILE = "headerPass.wrapper"
_MIB = 1024 * 1024
_DAY_S = 86_400.0


def load(
    path: Path,
    *,
    service: str,
    environ: Mapping[str, str],
    inline_defaults: str = "",
    working_directory: Path = Path(),
) -> LoaderConfig:
    """Read and check the whole configuration before anything starts.

    Args:
        path: The main file.
        service: What `-s` says.
        environ: Variables that override keys or describe this process.
        inline_defaults: What `-dc` says: TOML for the keys that the file does not have.
        working_directory: Where usrCfg, headerPass.wrapper and a C library are sought.

    Raises:
        ConfigError: With everything that is wrong, or with the first fault that hides the rest.
    """
    main = parse_document(str(path), read_text(path))
    defaults = parse_document("-dc", inline_defaults) if inline_defaults else None
    settings = Settings(service, main, defaults=defaults)
    apply_overrides(environ, settings)
    process = process_config(
        environ, working_directory=working_directory, warnings=settings.warnings
    )
    config = LoaderConfig(
        path=path,
        service=_service(settings),
        aiges=_aiges(settings, working_directory),
        wrapper=_wrapper(settings, working_directory),
        limits=_limits(settings),
        pool=_pool(settings, within=process.numa_cpus),
        batch=_batch(settings),
        http=_http(settings, within=process.numa_cpus),
        admin=_admin(settings),
        websocket=_websocket(settings),
        log=_log(settings),
        process=process,
        warnings=(),
        notes=(),
    )
    _check_together(config, settings)
    _refuse_tls(settings)
    if process.plugin_mode is PluginMode.PYTHON:
        _note_settings_for_c(settings)
    survey(settings)
    warnings = _in_order(settings.warnings)
    if settings.errors:
        raise ConfigError(_in_order(settings.errors), warnings)
    return replace(config, warnings=warnings, notes=_in_order(settings.notes))


def load_given(
    name: str | None,
    *,
    program: Path,
    service: str,
    environ: Mapping[str, str],
    inline_defaults: str = "",
) -> LoaderConfig:
    """Find the file that `-c` names, None for the default one, and read it; see `load`.

    Raises:
        ConfigError: There is no such file, or as `load`.
    """
    path = Path(DEFAULT_NAME) if name is None else locate(name, program=program)
    return load(path, service=service, environ=environ, inline_defaults=inline_defaults)


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort by place, so that the reader goes through the file once."""

    def place(finding: Finding) -> tuple[str, int]:
        return (finding.place.source, finding.place.line) if finding.place else ("", 0)

    return tuple(sorted(findings, key=place))


def _service(settings: Settings) -> ServiceConfig:
    host = settings.text(SERVICE, "host")
    if is_ipv6(host):
        text = f"expected a host name or an IPv4 address, got {shown(host)}"
        settings.errors.append(settings.finding(SERVICE, "host", text))
    rate, burst = settings.integer(SERVICE, "rate"), settings.integer(SERVICE, "burst")
    if rate and not burst:
        text = "without burst, which is 0, every gRPC call is refused"
        settings.warnings.append(settings.finding(SERVICE, "rate", text))
    if burst and not rate:
        text = "has no effect without rate, which is 0: there is no limit"
        settings.warnings.append(settings.finding(SERVICE, "burst", text))
    return ServiceConfig(
        name=settings.service,
        host=host,
        netcard=settings.text(SERVICE, "netcard"),
        port=settings.integer(SERVICE, "port"),
        reuse_port=settings.integer(SERVICE, "reuseport") != 0,
        max_receive_bytes=settings.integer(SERVICE, "maxreceive") * _MIB,
        max_send_bytes=settings.integer(SERVICE, "maxsend") * _MIB,
        token_interval_s=rate / 1000,
        token_burst=burst,
    )


def _aiges(settings: Settings, working_directory: Path) -> AigesConfig:
    names = settings.text("aiges", "headerPass").split(";")
    if (working_directory / HEADER_FILE).is_file():
        try:
            names += read_text(working_directory / HEADER_FILE).split("\n")
        except ConfigError as error:
            settings.errors += error.findings
    stripped = {name.strip() for name in names}
    return AigesConfig(
        python_plugin_cmd=settings.text("aiges", "pythonPluginCmd") or DEFAULT_COMMAND,
        results_by_callback=settings.switch("aiges", "asyncMode"),
        schema=_schema(settings, working_directory),
        header_pass=tuple(sorted(stripped - {""} | {"sid"})),
        http_attempts=max(1, settings.integer("aiges", "httpRetry")),
        real_time_result=settings.switch("aiges", "realTimeRlt"),
    )


def _schema(settings: Settings, working_directory: Path) -> Path | None:
    name = settings.text("aiges", "schema")
    if not name:
        return None
    path = (working_directory / name).absolute()
    if not path.is_file():
        settings.errors.append(settings.finding("aiges", "schema", f"there is no file {path}"))
    return path


def _note_settings_for_c(settings: Settings) -> None:
    if settings.switch("aiges", "asyncMode"):
        text = "has no effect in Python mode: results are taken as the wrapper produces them"
        settings.notes.append(settings.finding("aiges", "asyncMode", text))
    if settings.text("aiges", "schema"):
        text = "has no effect in Python mode: the wrapper describes itself"
        settings.notes.append(settings.finding("aiges", "schema", text))


def _wrapper(settings: Settings, working_directory: Path) -> Mapping[str, str]:
    name = settings.text("aiges", "usrCfg")
    if not name:
        return from_wrapper_section(settings)
    path = working_directory / name
    try:
        text = read_text(path)
    except ConfigError as error:
        problems = "; ".join(finding.text for finding in error.findings)
        settings.errors.append(settings.finding("aiges", "usrCfg", problems))
        return {}
    try:
        return from_user_file(parse_document(str(path), text), settings)
    except ConfigError as error:
        settings.errors += error.findings
        return {}


def _limits(settings: Settings) -> LimitsConfig:
    if settings.integer("fc", "able") == 0:
        found = settings.given("fc").get("able")
        got = "nothing" if found is None else shown(found.value)
        text = f"expected 1 (AIservice crashes at its first request otherwise), got {got}"
        settings.errors.append(settings.finding("fc", "able", text))
    settings.text("fc", "router")
    settings.integer("fc", "strategy")
    max_licences = settings.integer("fc", "max")
    if max_licences == 0:
        settings.warnings.append(settings.finding("fc", "max", "0 refuses every request"))
    return LimitsConfig(
        max_licences=max_licences,
        session_ttl_s=settings.integer("fc", "ttl") / 1000,
        session_sweep_s=settings.integer("fc", "roll") / 1000,
    )


def _pool(settings: Settings, *, within: frozenset[int] | None) -> PoolConfig:
    share = placement(settings)
    cpus = min(usable_cpus(cpus) for cpus in share.cpus or (within,))
    backoff_min_s = settings.number("pool", "backoffMin")
    backoff_max_s = settings.number("pool", "backoffMax")
    if backoff_max_s < backoff_min_s:
        text = f"expected at least backoffMin, which is {backoff_min_s:g}, got {backoff_max_s:g}"
        settings.errors.append(settings.finding("pool", "backoffMax", text))
    return PoolConfig(
        workers=settings.integer("pool", "workers"),
        concurrency=settings.integer("pool", "concurrency") or max(1, cpus - 1),
        queue=settings.integer("pool", "queue"),
        queue_timeout_s=settings.number("pool", "queueTimeout") or None,
        restart_wait_s=settings.number("pool", "restartWait"),
        start_timeout_s=settings.number("pool", "startTimeout"),
        init_timeout_s=settings.number("pool", "initTimeout") or None,
        resource_timeout_s=settings.number("pool", "resourceTimeout"),
        drain_timeout_s=settings.number("pool", "drainTimeout"),
        max_restarts=settings.integer("pool", "maxRestarts"),
        restart_period_s=settings.number("pool", "restartPeriod"),
        backoff_min_s=backoff_min_s,
        backoff_max_s=backoff_max_s,
        stable_after_s=settings.number("pool", "stableAfter"),
        give_up=GiveUp(settings.text("pool", "giveUp")),
        auto_mtls=settings.switch("pool", "autoMtls"),
        newest_protocol=1 if settings.text("pool", "protocol") == "1" else 2,
        heartbeat_s=settings.number("pool", "heartbeat"),
        hang_timeout_s=settings.number("pool", "hangTimeout") or None,
        min_ready=settings.integer("pool", "minReady"),
        max_requests=settings.integer("pool", "maxRequests") or None,
        max_rss_bytes=settings.integer("pool", "maxRssMb") * _MIB or None,
        max_resources_bytes=settings.integer("pool", "maxResourcesMb") * _MIB,
        max_age_s=settings.number("pool", "maxAge") or None,
        retry_on_crash=settings.switch("pool", "retryOnCrash"),
        placement=share,
    )


def _batch(settings: Settings) -> BatchConfig:
    return BatchConfig(
        max_size=settings.integer("batch", "maxSize"),
        max_delay_s=settings.number("batch", "maxDelay"),
        max_bytes=settings.integer("batch", "maxBytes"),
        group_by=settings.text("batch", "groupBy"),
        adaptive=settings.switch("batch", "adaptive"),
    )


def _check_together(config: LoaderConfig, settings: Settings) -> None:
    """Look at values that are each fine by themselves but do not fit each other."""
    pool, timeout_s = config.pool, config.http.timeout_s
    if pool.min_ready > max(pool.workers, 1):
        text = f"expected at most workers, which is {pool.workers}, got {pool.min_ready}"
        settings.errors.append(settings.finding("pool", "minReady", text))
    if config.batch.max_size > 1 and pool.newest_protocol == 1:
        text = 'has no effect with [pool] protocol = "1": that version has no batches'
        settings.warnings.append(settings.finding("batch", "maxSize", text))
    if config.batch.max_size > config.limits.max_licences > 0:
        text = (
            f"is more than [fc] max, which is {config.limits.max_licences}:"
            " a batch will never be that large"
        )
        settings.warnings.append(settings.finding("batch", "maxSize", text))
    if pool.hang_timeout_s is not None and pool.hang_timeout_s < timeout_s:
        text = "is below [http] timeout: a worker may be replaced before its call is too late"
        settings.warnings.append(settings.finding("pool", "hangTimeout", text))


def _http(settings: Settings, *, within: frozenset[int] | None) -> HttpConfig:
    text = settings.text("wrapper", "http_listen")
    listen = listen_address(text)
    if listen is None:
        problem = f'expected an address like "0.0.0.0:1888" or "[::1]:1888", got {shown(text)}'
        settings.errors.append(settings.finding("wrapper", "http_listen", problem))
    return HttpConfig(
        listen=listen or ListenAddress("", 0),
        timeout_s=settings.number("http", "timeout"),
        header_timeout_s=settings.number("http", "headerTimeout") or None,
        idle_timeout_s=settings.number("http", "idleTimeout") or None,
        max_body_bytes=settings.integer("http", "maxBodyMb") * _MIB,
        legacy_status=settings.switch("http", "legacyStatus"),
        processes=_processes(settings, within=within),
        validate=_validate(settings),
    )


def _validate(settings: Settings) -> bool:
    is_on = settings.switch("http", "validate")
    if is_on and find_spec("jsonschema") is None:
        text = "needs the package jsonschema: pip install 'aiges-loader[validate]'"
        settings.errors.append(settings.finding("http", "validate", text))
    return is_on


def _processes(settings: Settings, *, within: frozenset[int] | None) -> int:
    count = settings.integer("http", "processes")
    cpus = usable_cpus(within)
    if count > cpus:
        text = f"is more than the CPUs that it may use, which are {cpus}"
        settings.warnings.append(settings.finding("http", "processes", text))
    return count


def _admin(settings: Settings) -> AdminConfig:
    text, token = settings.text("admin", "listen"), settings.text("admin", "token")
    if not all("!" <= character <= "~" for character in token):
        problem = "expected printable ASCII characters without blanks"
        settings.errors.append(settings.finding("admin", "token", problem))
    listen = listen_address(text) if text else None
    if text and listen is None:
        problem = f'expected an address like "127.0.0.1:1889", or "" for none, got {shown(text)}'
        settings.errors.append(settings.finding("admin", "listen", problem))
    if listen is not None and not token and not is_loopback(listen.host):
        problem = f"{shown(text)} can be reached from other machines, so [admin] token must be set"
        settings.errors.append(settings.finding("admin", "listen", problem))
    return AdminConfig(listen, is_asked_for="listen" in settings.given("admin"), token=token)


def _websocket(settings: Settings) -> WebSocketConfig:
    session_timeout = KEYS["ws", "sessionTimeout"]
    if any("ws" in document.data for document in settings.documents):
        session_timeout = replace(session_timeout, default=None)  # a [ws] must have it
    session_timeout_s = settings.value(session_timeout)
    assert isinstance(session_timeout_s, int)
    return WebSocketConfig(
        read_timeout_s=float(settings.integer("ws", "readTimeout")),
        session_timeout_s=float(session_timeout_s),
    )


def _log(settings: Settings) -> LogConfig:
    return LogConfig(
        level=LogLevel(settings.text("log", "level")),
        file=Path(settings.text("log", "file")),
        max_file_bytes=settings.integer("log", "size") * _MIB,
        max_files=settings.integer("log", "count"),
        max_age_s=settings.integer("log", "die") * _DAY_S,
    )


def _refuse_tls(settings: Settings) -> None:
    for name in ("cert", "key", "clientCa"):
        if settings.text("tls", name):
            text = "TLS is not built yet; leave it empty and put a proxy in front"
            settings.errors.append(settings.finding("tls", name, text))
