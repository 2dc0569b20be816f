"""`[pool]` gpus, cpus, nice, env and rlimits."""

import os
import resource
from collections.abc import Mapping
from pathlib import Path

import pytest

from aiges_loader.config import ConfigError, load
from aiges_loader.config.values import PlacementConfig, PoolConfig

NEEDED = """\
[svcName]
[fc]
able = 1
router = "sessionManager"
max = 1
[log]
level = "info"
[pool]
"""
ALLOWED = sorted(os.sched_getaffinity(0))


def pool_of(folder: Path, lines: str, environ: Mapping[str, str] | None = None) -> PoolConfig:
    path = folder / "aiges.toml"
    path.write_text(NEEDED + lines, encoding="utf-8")
    variables = {"AIGES_PLUGIN_MODE": "python", **(environ or {})}
    return load(path, service="svcName", environ=variables, working_directory=folder).pool


def test_nothing_is_dealt_unless_asked_for(tmp_path: Path) -> None:
    assert pool_of(tmp_path, "").placement == PlacementConfig((), (), 0, {}, {})


def test_every_key_becomes_what_the_system_calls_take(tmp_path: Path) -> None:
    lines = f"""
gpus = ["0,1", 2, "GPU-8a5b", ""]
cpus = [{ALLOWED[0]}, "{ALLOWED[0]}-{ALLOWED[-1]}"]
nice = -5
env = {{ OMP_NUM_THREADS = 4, MODEL = "a=b" }}
rlimits = {{ nofile = 64, core = 0, as = "unlimited" }}
"""
    assert pool_of(tmp_path, lines).placement == PlacementConfig(
        gpus=("0,1", "2", "GPU-8a5b", ""),
        cpus=(frozenset(ALLOWED[:1]), frozenset(range(ALLOWED[0], ALLOWED[-1] + 1))),
        nice=-5,
        environ={"OMP_NUM_THREADS": "4", "MODEL": "a=b"},
        limits={
            resource.RLIMIT_NOFILE: 64,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_AS: resource.RLIM_INFINITY,
        },
    )


def test_the_environment_gives_arrays_and_tables_as_the_file_does(tmp_path: Path) -> None:
    environ = {
        "AIGES__POOL__GPUS": '["0", "1"]',
        "AIGES__POOL__ENV": "{ A = 1 }",
        "AIGES__POOL__RLIMITS": "{ core = 0 }",
    }
    placement = pool_of(tmp_path, "", environ).placement
    assert placement.gpus == ("0", "1")
    assert (placement.environ, placement.limits) == ({"A": "1"}, {resource.RLIMIT_CORE: 0})


def test_the_calls_at_once_follow_the_smallest_share_of_cpus(tmp_path: Path) -> None:
    every = f"{ALLOWED[0]}-{ALLOWED[-1]}"
    assert pool_of(tmp_path, f'cpus = ["{every}", {ALLOWED[0]}]').concurrency == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('gpus = "0"', "gpus: expected an array of texts or whole numbers, got"),
        ("gpus = [1.5]", "gpus: expected an array of texts or whole numbers, got an array"),
        ('gpus = ["a\\nb"]', "gpus: expected names or numbers of GPUs, got"),
        ('cpus = ["0..3"]', 'cpus: expected CPUs like 0 or "0-3,8", got "0..3"'),
        ('cpus = ["3-1"]', 'cpus: expected CPUs like 0 or "0-3,8", got "3-1"'),
        ('cpus = ["0-99999999999"]', 'cpus: expected CPUs like 0 or "0-3,8", got'),
        ("cpus = [-1]", "cpus: expected CPUs like 0 or"),
        ("cpus = [9999]", "cpus: this process may use none of the CPUs"),
        ("nice = 20", "nice: expected a whole number in -20..19, got 20"),
        ("env = { A = true }", "env: expected a table of texts or whole numbers, got a table"),
        ('env = { "A=B" = "1" }', 'env: "A=B" cannot be a variable with that value'),
        ('env = { A = "\\u0000" }', 'env: "A" cannot be a variable with that value'),
        ("env = { PLUGIN_MIN_PORT = 1 }", "env: PLUGIN_MIN_PORT: variables in PLUGIN_* are the"),
        (
            'gpus = ["0"]\nenv = { CUDA_VISIBLE_DEVICES = "1" }',
            "env: CUDA_VISIBLE_DEVICES is what gpus sets: give one of the two",
        ),
        ("rlimits = { files = 1 }", 'rlimits: unknown limit "files"; there are as, core, cpu, '),
        ('rlimits = { core = "lots" }', 'rlimits: core: expected a whole number from 0 or "unl'),
        ("rlimits = { core = -1 }", "rlimits: core: expected a whole number from 0 or"),
    ],
)
def test_a_bad_value_is_refused_with_its_line(line: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        pool_of(tmp_path, line)
    (found,) = [str(finding) for finding in caught.value.findings]
    assert f"[pool] {problem}" in found
    assert f"aiges.toml:{NEEDED.count(chr(10)) + line.count(chr(10)) + 1}" in found


def test_a_bad_variable_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AIGES__POOL__GPUS: .* expected an array"):
        pool_of(tmp_path, "", {"AIGES__POOL__GPUS": "0,1"})
