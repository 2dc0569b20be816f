"""The sample wrappers: served as they stand, and loaded as modules."""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from support.service import ROOT, Service, config_text

SAMPLES = ROOT / "wrappers"


def sample_service(
    name: str, scratch: Path, env: Mapping[str, str] | None = None, **sections: Mapping[str, object]
) -> Service:
    """Start wrappers/`name` in its own folder, with a configuration and a log in `scratch`."""
    config = scratch / "aiges.toml"
    config.write_text(config_text(**sections), "utf-8")
    return Service(
        SAMPLES / name,
        arguments=("-m", "0", "-c", str(config), "-s", "svcName"),
        env={
            "AIGES__LOG__FILE": str(scratch / "log"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(env or {}),
        },
        writes_config=False,
    )


@contextmanager
def sample_modules(name: str, *modules: str) -> Iterator[list[ModuleType]]:
    """Import modules of wrappers/`name` as its wrapper does; forget them afterwards."""
    folder = str(SAMPLES / name)
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield [importlib.import_module(module) for module in modules]
    finally:
        sys.path.remove(folder)
        for added in set(sys.modules) - before:
            if str(getattr(sys.modules[added], "__file__", "")).startswith(folder):
                del sys.modules[added]


def example(service: Service, **params: Any) -> bytes:
    """Return the request that the service makes up for itself, with other parameters."""
    request = service.ask("GET", "/test.json").json
    (section,) = request["parameter"].values()
    section.update(params)
    return json.dumps(request).encode()


def used(service: Service, what: str) -> int:
    """Return how much of `what` the wrapper has reported, by callback_metric, so far."""
    text = service.admin("GET", "/metrics").body.decode()
    lines = [line for line in text.splitlines() if f'"{what}"' in line and line[0] != "#"]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))
