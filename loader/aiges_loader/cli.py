"""Arguments -> configuration -> app; signals; exit status.

AIservice's own flags are read by flags.py; sub-commands, which it does not have, by commands.py.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from aiges_loader import early_signals, flags, logs
from aiges_loader.config import (
    ConfigError,
    LoaderConfig,
    LogLevel,
    PluginMode,
    load_given,
    write_default,
)
from aiges_loader.exit_status import ExitStatus
from aiges_loader.log_thread import LogThread
from aiges_loader.recent_logs import RecentLogs

log = logging.getLogger(__name__)


def main() -> None:
    """Be `aiges-loader`; exit with its status."""
    _open_standard_streams()
    program = Path(sys.argv[0])
    arguments = sys.argv[1:]
    if not flags.is_go_style(arguments):
        from aiges_loader.commands import commands  # noqa: PLC0415 - click is not for serving

        early_signals.release()
        commands(prog_name=program.name)
    try:
        invocation = flags.parse(arguments)
        if not isinstance(invocation, flags.Serve):
            early_signals.release()
        sys.exit(_obey(invocation, program))
    except flags.FlagError as error:
        sys.stderr.write(f"{error}\n")
        if error.show_flags:
            sys.stderr.write(flags.flags_text(program.name))
        sys.exit(ExitStatus.USAGE)
    except ConfigError as error:
        sys.exit(_refused(error))


def _open_standard_streams() -> None:
    """Lead standard streams that whoever started us has closed to nowhere.

    Otherwise the next pipe or socket would get their number, and what is logged would go there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free number is the stream's own, as they are looked at in order.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _obey(invocation: flags.Invocation, program: Path) -> int:
    match invocation:
        case flags.ShowUsage():
            sys.stdout.write(flags.usage_text(program.name))
        case flags.ShowFlags():
            sys.stderr.write(flags.flags_text(program.name))
        case flags.ShowVersion():
            sys.stdout.write(f"{version('aiges-loader')}\n")
        case flags.WriteDefault():
            sys.stdout.write("Generating default cfg...\n")
            write_default()
        case flags.WriteDemo():
            from aiges_loader.demo import write_demo  # noqa: PLC0415 - rarely wanted

            return write_demo(os.environ.get("AIGES_PLUGIN_MODE", "python"))
        case flags.Serve():
            return _serve(invocation, program)
    return ExitStatus.OK


def _serve(asked: flags.Serve, program: Path) -> int:
    if asked.config is None:
        write_default()

    def read() -> LoaderConfig:
        return load_given(
            asked.config,
            program=program,
            service=asked.service,
            environ=os.environ,
            inline_defaults=asked.inline_defaults,
        )

    early_signals.forget(signal.SIGHUP)
    config = read()
    writer = LogThread()
    recent = RecentLogs()
    writer.handlers.append(recent)  # before those that may have to wait for a reader
    debug = config.log.level is LogLevel.DEBUG
    logs.set_up_console(logging.DEBUG if debug else logging.INFO, thread=writer)
    logs.set_up_file(config.log, thread=writer)
    with writer:
        status = _serve_with(config, read, recent)
    if writer.is_stuck:
        # The thread holds the lock of stderr, which an ordinary exit would wait for.
        os._exit(status)
    return status


def _serve_with(config: LoaderConfig, read: Callable[[], LoaderConfig], recent: RecentLogs) -> int:
    for warning in config.warnings:
        log.warning("%s", warning)
    if config.process.plugin_mode is PluginMode.C and find_spec("cffi") is None:
        log.error(
            "C plugins (libwrapper.so) need the package cffi: pip install 'aiges-loader[c]';"
            " set AIGES_PLUGIN_MODE=python to serve a wrapper.py"
        )
        return ExitStatus.FAILED
    if config.process.numa_cpus is not None:
        os.sched_setaffinity(0, config.process.numa_cpus)
    return _run(config, read, recent)


def _run(config: LoaderConfig, read: Callable[[], LoaderConfig], recent: RecentLogs) -> int:
    if early_signals.arrived(*early_signals.STOPPING):
        log.info("told to stop before anything was started")
        return ExitStatus.OK
    # Imported only now, so that a mistake in the configuration is reported at once.
    from aiges_loader import descriptors  # noqa: PLC0415
    from aiges_loader.pool import guarded  # noqa: PLC0415
    from aiges_loader.systemd import Systemd  # noqa: PLC0415

    descriptors.raise_limit()
    systemd = Systemd.of(os.environ)  # before anything inherits our environment
    guarded.prepare()  # it starts while the rest is imported
    import uvloop  # noqa: PLC0415

    from aiges_loader.app import serve  # noqa: PLC0415
    from aiges_loader.frontend.listening import ListenError  # noqa: PLC0415
    from aiges_loader.reaping import reaping  # noqa: PLC0415
    from aiges_loader.reloading import Reloads  # noqa: PLC0415

    async def until_told() -> int:
        stop = asyncio.Event()
        reloads = Reloads(read)
        serving = asyncio.ensure_future(serve(config, stop, reloads, systemd, recent))
        loop = asyncio.get_running_loop()

        def told(number: signal.Signals) -> None:
            if stop.is_set():
                log.warning("%s again: stopping without waiting for calls", number.name)
                serving.cancel()
            else:
                log.info("%s: finishing what has begun", number.name)
                stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told, number)
        loop.add_signal_handler(signal.SIGHUP, reloads.ask)
        if early_signals.arrived(*early_signals.STOPPING):
            log.info("told to stop before anything was served")
            serving.cancel()
        elif early_signals.arrived(signal.SIGHUP):
            reloads.ask()
        try:
            with reaping(guarded.is_nursery):
                return await serving
        except asyncio.CancelledError:
            return ExitStatus.OK
        finally:  # all is done: a signal that comes now must not spoil the exit status
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                # Not by the loop, which would restore the default for a moment.
                signal.signal(number, signal.SIG_IGN)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(until_told())
        except ListenError as error:
            log.error("%s", error)  # noqa: TRY400 - it says all there is to say
            return ExitStatus.FAILED


def _refused(error: ConfigError) -> int:
    for warning in error.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for finding in error.findings:
        sys.stderr.write(f"error: {finding}\n")
    return ExitStatus.FAILED
