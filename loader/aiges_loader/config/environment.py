"""The variables that describe this process: AIGES_PLUGIN_MODE, _WRAPPER_VERSION and _ENV_NUMA."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from aiges_loader.config.findings import ConfigError, Finding, Place
from aiges_loader.config.machine import library_exists, numa_cpus
from aiges_loader.config.settings import decimal_integer, shown
from aiges_loader.config.values import PluginMode, ProcessConfig

C_LIBRARY = "libwrapper.so"
WITHOUT_EFFECT = {
    "XSF-DEBUG": "[log] level has debug lines",
    "DEPLOY_STATUS_API": "there is no verification at the start",
    "GIN_MODE": "there is no Go program",
}
"""Variables that AIservice reads and we do not, and what there is instead."""


def process_config(
    environ: Mapping[str, str], *, working_directory: Path, warnings: list[Finding]
) -> ProcessConfig:
    """Read the three variables; raise `ConfigError` if one cannot be obeyed."""
    for name, instead in WITHOUT_EFFECT.items():
        if environ.get(name):
            warnings.append(Finding(Place(name), "", f"has no effect: {instead}"))
    return ProcessConfig(
        plugin_mode=plugin_mode(environ, working_directory=working_directory),
        version=environ.get("AIGES_WRAPPER_VERSION", ""),
        numa_cpus=_numa_cpus(environ, warnings),
    )


def plugin_mode(environ: Mapping[str, str], *, working_directory: Path = Path()) -> PluginMode:
    """Return the mode asked for; if none is, C where a libwrapper.so is found, else Python."""
    asked = environ.get("AIGES_PLUGIN_MODE", "")
    if asked in list(PluginMode):
        return PluginMode(asked)
    if asked:
        text = "Not Support This Plugin Mode... should be on of c|python..."
        raise ConfigError([Finding(Place(f"AIGES_PLUGIN_MODE={asked}"), "", text)])
    entries = re.split("[:;]", environ.get("LD_LIBRARY_PATH", ""))
    folders = (working_directory, *(working_directory / entry for entry in entries))
    return PluginMode.C if library_exists(C_LIBRARY, folders) else PluginMode.PYTHON


def _numa_cpus(environ: Mapping[str, str], warnings: list[Finding]) -> frozenset[int] | None:
    asked = environ.get("AIGES_ENV_NUMA", "")
    if not asked or environ.get("GOOS", "linux") not in {"", "linux"}:
        return None
    place = Place("AIGES_ENV_NUMA")
    node = decimal_integer(asked)
    if node is None:
        text = f"expected the number of a NUMA node, got {shown(asked)}: node 0 is used"
        warnings.append(Finding(place, "", f"{text}, as AIservice does"))
        node = 0
    if node < 0:
        return None
    cpus = numa_cpus(node)
    if not cpus:
        raise ConfigError([Finding(place, "", f"there is no NUMA node {node} with CPUs")])
    if not cpus & os.sched_getaffinity(0):
        text = f"this process may use no CPU of NUMA node {node}"
        raise ConfigError([Finding(place, "", text)])
    return cpus
