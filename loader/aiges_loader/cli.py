"""Arguments -> configuration -> app; signals; exit status.

AIservice's own flags are read by flags.py; sub-commands, which it does not have, by commands.py.
"""

import asyncio
import logging
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aiges_loader import flags, logs
from aiges_loader.config import (
    DEFAULT_NAME,
    ConfigError,
    LoaderConfig,
    LogLevel,
    PluginMode,
    load,
    locate,
    write_default,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2

log = logging.getLogger(__name__)


def main() -> None:
    """Be `aiges-loader`; exit with its status."""
    program = Path(sys.argv[0])
    arguments = sys.argv[1:]
    if not flags.is_go_style(arguments):
        from aiges_loader.commands import commands  # noqa: PLC0415 - click is not for serving

        commands(prog_name=program.name)
    try:
        sys.exit(_obey(flags.parse(arguments), program))
    except flags.FlagError as error:
        sys.stderr.write(f"{error}\n")
        if error.show_flags:
            sys.stderr.write(flags.flags_text(program.name))
        sys.exit(USAGE)
    except ConfigError as error:
        sys.exit(_refused(error))


def config_of(given: str | None, *, service: str, inline_defaults: str = "") -> LoaderConfig:
    """Find and read the configuration that `-c`, `-s` and `-dc` mean; raise `ConfigError`."""
    path = Path(DEFAULT_NAME) if given is None else locate(given, program=Path(sys.argv[0]))
    return load(path, service=service, environ=os.environ, inline_defaults=inline_defaults)


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
            return _serve(invocation)
    return OK


def _serve(asked: flags.Serve) -> int:
    if asked.config is None:
        write_default()
    config = config_of(asked.config, service=asked.service, inline_defaults=asked.inline_defaults)
    debug = config.log.level is LogLevel.DEBUG
    logs.set_up_console(logging.DEBUG if debug else logging.INFO)
    logs.set_up_file(config.log)
    for warning in config.warnings:
        log.warning("%s", warning)
    if config.process.plugin_mode is PluginMode.C:
        log.error(
            "C plugins (libwrapper.so) are not supported yet; "
            "set AIGES_PLUGIN_MODE=python to serve a wrapper.py"
        )
        return FAILED
    if config.process.numa_cpus is not None:
        os.sched_setaffinity(0, config.process.numa_cpus)
    return _run(config)


def _run(config: LoaderConfig) -> int:
    # Imported only now, so that a mistake in the configuration is reported at once.
    import uvloop  # noqa: PLC0415

    from aiges_loader.app import serve  # noqa: PLC0415
    from aiges_loader.frontend.listening import ListenError  # noqa: PLC0415

    async def until_told() -> int:
        stop = asyncio.Event()
        serving = asyncio.ensure_future(serve(config, stop))
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
        loop.add_signal_handler(signal.SIGHUP, log.warning, "SIGHUP: reload is not built yet")
        try:
            return await serving
        except asyncio.CancelledError:
            return OK

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(until_told())
        except ListenError as error:
            log.error("%s", error)  # noqa: TRY400 - it says all there is to say
            return FAILED


def _refused(error: ConfigError) -> int:
    for warning in error.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for finding in error.findings:
        sys.stderr.write(f"error: {finding}\n")
    return FAILED
