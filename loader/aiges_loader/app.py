"""Everything that runs, and in which order it starts and stops."""

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiges_loader import descriptors
from aiges_loader.administration import Administration
from aiges_loader.config import (
    C_LIBRARY,
    AdminConfig,
    AigesConfig,
    GiveUp,
    LoaderConfig,
    PluginMode,
)
from aiges_loader.exit_status import ExitStatus
from aiges_loader.frontend import console_files
from aiges_loader.frontend.admin_api import AdminApi
from aiges_loader.frontend.grpc_api import GrpcApi, GrpcSettings
from aiges_loader.frontend.http_api import HttpApi
from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.http_server import HttpServer
from aiges_loader.frontend.inference import HttpSettings
from aiges_loader.frontend.listening import ListenError, bind, own_address, reachable_address
from aiges_loader.frontend.schema import SchemaError
from aiges_loader.frontend.token_bucket import TokenBucket
from aiges_loader.frontend.ws_api import SessionApi, SessionSettings
from aiges_loader.frontend.xsf_api import SERVICES, XsfApi, XsfSettings
from aiges_loader.fronts.fronts import Fronts
from aiges_loader.pool import guarded
from aiges_loader.pool.batching import BatchPlan
from aiges_loader.pool.hang import HangPolicy
from aiges_loader.pool.placement import Placements
from aiges_loader.pool.plan import PoolPlan
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.socket_dir import socket_dir
from aiges_loader.pool.waiting import first_of
from aiges_loader.pool.wear import WearPolicy
from aiges_loader.pool.worker_environ import worker_environ
from aiges_loader.pool.worker_spec import WorkerSpec
from aiges_loader.recent_logs import RecentLogs
from aiges_loader.reloading import Reloaded, Reloads, needs_start
from aiges_loader.sessions.engine import Sessions
from aiges_loader.systemd import Systemd

GRPC_STOP_S = 1.0
ADMIN_LIMITS = HttpLimits(header_timeout_s=10.0, idle_timeout_s=75.0, max_body_bytes=64 << 10)

log = logging.getLogger(__name__)


async def serve(
    config: LoaderConfig,
    stop: asyncio.Event,
    reloads: Reloads,
    systemd: Systemd,
    recent: RecentLogs,
) -> ExitStatus:
    """Serve until `stop` or until the workers cannot be kept alive; return the exit status.

    Cancelling stops without waiting for calls.

    Args:
        config: What to serve.
        stop: Set by whoever wants the service to end.
        reloads: Wishes to live by the configuration as it then is.
        systemd: Who is told of it.
        recent: The newest log records, for operators.

    Raises:
        ListenError: A port cannot be had; nothing was started.
    """
    http, service = config.http, config.service
    listener = bind(http.listen.host, http.listen.port, what="HTTP", key="[wrapper] http_listen")
    admin_listener = _bind_admin(config.admin)
    host_of_service = service.host or own_address(service.netcard)
    reached_at = reachable_address(host_of_service, service.netcard)
    grpc_api = GrpcApi(
        GrpcSettings(
            host=host_of_service,
            port=service.port,
            key=f"[{service.name}] port",
            max_receive_bytes=service.max_receive_bytes,
            max_send_bytes=service.max_send_bytes,
            share=service.reuse_port,
        )
    )
    with socket_dir() as folder:
        pool = Pool(await pool_plan(config, folder))
        sessions = Sessions(
            pool,
            ttl_s=config.limits.session_ttl_s,
            roll_s=config.limits.session_sweep_s,
            results_at_once=config.aiges.real_time_result,
        )
        session_api = SessionApi(
            sessions, _session_settings(config), host=reached_at, port=grpc_api.port
        )
        api = HttpApi(pool, _http_settings(config), session_api)
        server = HttpServer(listener, api.handle, _http_limits(config), quick=api)
        xsf = XsfApi(
            sessions,
            _xsf_settings(config),
            resources=pool.resources,
            address=reached_at,
            port=grpc_api.port,
            bucket=TokenBucket(interval_s=service.token_interval_s, burst=service.token_burst),
            tally=api.tally,
            is_ready=lambda: api.is_ready,
        )
        grpc_api.serve(SERVICES, xsf.handlers())
        fronts = Fronts(http.processes, server=server, api=api, backend=pool, folder=folder)
        addresses = {
            "http": _address_of(listener),
            "grpc": f"{host_of_service}:{grpc_api.port}",
        }
        actions = Administration(
            pool,
            api,
            fronts,
            stop=stop,
            reloads=reloads,
            recent=recent,
            addresses=addresses,
        )
        # Outermost, so that operators can see how the service ends.
        admin_server = _admin_server(admin_listener, actions, config.admin.token)
        async with (
            systemd.watched(),
            admin_server as admin_address,
            grpc_api,
            xsf,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(pool.run(), name="pool")
            expiring = tasks.create_task(sessions.run(), name="sessions")
            counting = tasks.create_task(descriptors.watch(), name="descriptors")
            keeping = tasks.create_task(guarded.keep(), name="nursery")
            describing = tasks.create_task(_describe(pool, api, fronts), name="describe")
            service_parts = _Parts(
                pool, sessions, api, server, fronts, folder, grpc_api, xsf, systemd
            )
            reporting = tasks.create_task(_report_readiness(service_parts), name="readiness")
            reloading = tasks.create_task(_reload(config, reloads, service_parts), name="reload")
            await grpc_api.start()
            await fronts.start()
            tasks.create_task(fronts.run(), name="fronts")
            log.info(
                "listening http=%s grpc=%s admin=%s console=http://%s%s",
                addresses["http"],
                addresses["grpc"],
                admin_address,
                addresses["http"],
                console_files.ROOT,
            )
            await first_of(pool.failed, stop.wait())
            # Leave in reverse: say so, close the doors, let calls finish, then end the workers.
            api.draining = xsf.draining = True
            session_api.drain()
            systemd.stopping(pool.failed.result() if pool.failed.done() else "draining")
            reporting.cancel()
            reloading.cancel()
            await grpc_api.set_ready(ready=False)
            until = time.monotonic() + config.pool.drain_timeout_s
            await fronts.drain(config.pool.drain_timeout_s)
            await xsf.drain(max(0.0, until - time.monotonic()))
            await sessions.drain(max(0.0, until - time.monotonic()))
            # One budget for all: what the front ends have left is what the workers get.
            pool.stop(drain_s=max(0.0, until - time.monotonic()))
            await fronts.close()
            await grpc_api.stop(GRPC_STOP_S)
            for helper in (describing, keeping, counting, expiring):
                helper.cancel()
    if pool.failed.done():
        log.error("%s", pool.failed.result())
        return ExitStatus.FAILED
    log.info("stopped")
    return ExitStatus.OK


def _bind_admin(config: AdminConfig) -> socket.socket | None:
    """Bind the admin port; raise `ListenError` only if somebody has asked for it by name."""
    if config.listen is None:
        return None
    try:
        return bind(config.listen.host, config.listen.port, what="admin", key="[admin] listen")
    except ListenError as error:
        if config.is_asked_for:
            raise
        log.warning("%s; going on without admin", error)
        return None


@asynccontextmanager
async def _admin_server(
    listener: socket.socket | None, actions: Administration, token: str
) -> AsyncIterator[str]:
    """Answer operators; yield the address, "off" if there is none."""
    if listener is None:
        yield "off"
        return
    api = AdminApi(actions, token=token)
    server = HttpServer(listener, api.handle, ADMIN_LIMITS)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(actions.watch(), name="history")
        await server.start()
        try:
            yield _address_of(listener)
        finally:
            watching.cancel()
            await server.drain(0.0)
            await server.close()


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


async def _describe(pool: Pool, api: HttpApi, fronts: Fronts) -> None:
    """Give the front ends their routes once a worker has said what it is."""
    schema = await asyncio.shield(pool.described)
    try:
        routes = api.describe(schema)
    except SchemaError as error:
        problem = f"the wrapper's schema is unusable: {error}"
        if pool.plan.waits_for_restart:
            log.error("%s", problem)  # noqa: TRY400 - it says all there is to say
        else:
            pool.fail(problem)
        return
    await fronts.inform(routes)
    log.info("ready routes=%s", ",".join(routes))
    pool.readiness_changed.set()  # without routes it was none


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a running service consists of."""

    pool: Pool
    sessions: Sessions
    api: HttpApi
    server: HttpServer
    fronts: Fronts
    folder: Path
    grpc_api: GrpcApi
    xsf: XsfApi
    systemd: Systemd


async def _reload(config: LoaderConfig, reloads: Reloads, parts: _Parts) -> None:
    """Live by another configuration whenever somebody asks for it and it is a good one."""
    while True:
        asked = await reloads.next()
        parts.systemd.reloading()
        checked = reloads.checked()
        if isinstance(checked, LoaderConfig):
            outcome = await _live_by(checked, config, parts)
            config = checked if outcome.done else config
        else:
            outcome = checked
        status = _status(parts.pool)
        if not outcome.done:
            status += f"; not reloaded: {'; '.join(outcome.problems)}"
        parts.systemd.reloaded(status)
        for wish in asked:
            if not wish.done():
                wish.set_result(outcome)


async def _live_by(new: LoaderConfig, old: LoaderConfig, parts: _Parts) -> Reloaded:
    later = needs_start(old, new)
    for warning in (*new.warnings, *later):
        log.warning("%s", warning)
    if problem := await parts.pool.reload(await pool_plan(new, parts.folder)):
        log.error("not reloaded: %s", problem)
        return Reloaded(done=False, problems=(problem,))
    parts.api.settings = _http_settings(new)
    parts.api.sessions.settings = _session_settings(new)
    parts.server.limits = _http_limits(new)
    parts.xsf.settings = _xsf_settings(new)
    parts.sessions.ttl_s = new.limits.session_ttl_s
    parts.sessions.roll_s = new.limits.session_sweep_s
    parts.sessions.results_at_once = new.aiges.real_time_result
    await parts.fronts.inform()
    try:
        routes = parts.api.describe(parts.pool.schema)
    except SchemaError as error:
        log.error("the new schema is unusable, the old routes stay: %s", error)  # noqa: TRY400
        return Reloaded(done=True, problems=(*later, f"schema: {error}"))
    await parts.fronts.inform(routes)
    log.info("reloaded routes=%s", ",".join(routes))
    return Reloaded(done=True, problems=later)


async def _report_readiness(parts: _Parts) -> None:
    """Keep what the gRPC health service and systemd say the same as what `/readyz` says."""
    while True:
        parts.pool.readiness_changed.clear()
        is_ready = parts.api.is_ready
        parts.systemd.report(is_ready=is_ready, status=_status(parts.pool))
        await parts.grpc_api.set_ready(ready=is_ready)
        await parts.pool.readiness_changed.wait()


def _status(pool: Pool) -> str:
    return f"{pool.ready_workers} of {pool.plan.size} workers ready"


async def pool_plan(config: LoaderConfig, folder: Path) -> PoolPlan:
    """Say what the pool is to be; its workers' sockets go to `folder`."""
    settings = config.pool
    share = settings.placement
    environ = {**os.environ, **share.environ}
    if config.process.plugin_mode is PluginMode.C:
        command = _library_command(config.aiges)
    else:
        command = ("bash", "-c", config.aiges.python_plugin_cmd)
        environ = await worker_environ(config.aiges.python_plugin_cmd, environ)
    spec = WorkerSpec(
        command=command,
        environ=environ,
        socket_dir=folder,
        service=config.service.name,
        wrapper_config=config.wrapper,
        concurrency=settings.concurrency,
        start_timeout_s=settings.start_timeout_s,
        init_timeout_s=settings.init_timeout_s,
        resource_timeout_s=settings.resource_timeout_s,
        drain_timeout_s=settings.drain_timeout_s,
        auto_mtls=settings.auto_mtls,
        newest_version=settings.newest_protocol,
        batching=config.batch.max_size > 1,
        hang=HangPolicy(settings.heartbeat_s, settings.hang_timeout_s),
        wear=WearPolicy(settings.max_requests, settings.max_rss_bytes, settings.max_age_s),
        placements=Placements(share.gpus, share.cpus, share.nice, share.limits),
    )
    policy = RestartPolicy(
        max_restarts=settings.max_restarts,
        period_s=settings.restart_period_s,
        backoff_min_s=settings.backoff_min_s,
        backoff_max_s=settings.backoff_max_s,
        stable_after_s=settings.stable_after_s,
        retry_starts=settings.give_up is not GiveUp.WAIT,
    )
    return PoolPlan(
        spec=spec,
        policy=policy,
        size=settings.workers,
        licences=config.limits.max_licences,
        queue=settings.queue,
        queue_timeout_s=settings.queue_timeout_s,
        restart_wait_s=settings.restart_wait_s,
        keep_probing=settings.give_up is GiveUp.STAY,
        waits_for_restart=settings.give_up is GiveUp.WAIT,
        min_ready=settings.min_ready,
        retry_on_crash=settings.retry_on_crash,
        max_resources_bytes=settings.max_resources_bytes,
        batch=BatchPlan(
            max_size=config.batch.max_size,
            max_delay_s=config.batch.max_delay_s,
            max_bytes=config.batch.max_bytes,
            group_by=config.batch.group_by,
            adaptive=config.batch.adaptive,
        ),
    )


def _library_command(config: AigesConfig) -> tuple[str, ...]:
    """Serve libwrapper.so with our own interpreter, out of reach of modules that lie beside it."""
    command = [sys.executable, "-P", "-m", "aiges.serve", "--library", C_LIBRARY]
    if config.results_by_callback:
        command.append("--by-callback")
    elif not config.real_time_result:
        command.append("--read-at-end")
    if config.schema is not None:
        command += ["--schema", str(config.schema)]
    return tuple(command)


def _http_settings(config: LoaderConfig) -> HttpSettings:
    return HttpSettings(
        service=config.service.name,
        header_pass=config.aiges.header_pass,
        timeout_s=config.http.timeout_s,
        max_body_bytes=config.http.max_body_bytes,
        legacy_status=config.http.legacy_status,
        restart_wait_s=config.pool.restart_wait_s,
        validate=config.http.validate,
    )


def _session_settings(config: LoaderConfig) -> SessionSettings:
    return SessionSettings(
        header_pass=config.aiges.header_pass,
        read_timeout_s=config.websocket.read_timeout_s,
        session_timeout_s=config.websocket.session_timeout_s,
        max_message_bytes=config.http.max_body_bytes,
    )


def _xsf_settings(config: LoaderConfig) -> XsfSettings:
    return XsfSettings(
        header_pass=config.aiges.header_pass,
        http_attempts=config.aiges.http_attempts,
        max_download_bytes=config.http.max_body_bytes,
    )


def _http_limits(config: LoaderConfig) -> HttpLimits:
    return HttpLimits(
        header_timeout_s=config.http.header_timeout_s,
        idle_timeout_s=config.http.idle_timeout_s,
        max_body_bytes=config.http.max_body_bytes,
    )
