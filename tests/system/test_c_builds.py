"""The plugins in C: they build without a warning, pass their own tests, and link cleanly."""

import re
import sys
from pathlib import Path

import pytest

from support.c_programs import SAMPLES, made, run
from support.c_schemas import SCHEMAS, text_of
from support.service import ROOT
from system.test_c_header import SYMBOLS

PLUGINS = ["async", "upper", "vad"]
SYSTEM_LIBRARIES = {"libc.so.6", "libm.so.6"}


def test_no_sample_is_left_out() -> None:
    assert sorted(path.parent.name for path in SAMPLES.glob("*/Makefile")) == PLUGINS


@pytest.mark.parametrize("sample", PLUGINS)
def test_a_sample_passes_its_own_tests(sample: str, tmp_path: Path) -> None:
    copy = made(sample, tmp_path, target="test")
    assert "passed" in run(["./build/test"], copy)


@pytest.mark.parametrize("sample", PLUGINS)
def test_a_sample_accesses_no_memory_that_is_not_its_own(sample: str, tmp_path: Path) -> None:
    copy = made(sample, tmp_path, target="build/test")
    sources = [path.name for path in sorted(copy.glob("*.c")) if path.name != "test.c"]
    checks = ["-g", "-std=gnu11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    include = f"-I{ROOT / 'plugin_runtime' / 'aiges' / 'include'}"
    shared = ["-shared", "-fPIC", "-pthread", *sources, "-o", "libwrapper.so", "-lm"]
    run(["gcc", *checks, include, *shared], copy)
    linked = ["-L.", "-l:libwrapper.so", "-Wl,-rpath,$ORIGIN/.."]
    test = ["-pthread", "test.c", "-o", "build/test", *linked, "-lm"]
    run(["gcc", *checks, include, *test], copy)
    assert "passed" in run(["./build/test"], copy)


@pytest.mark.parametrize("sample", PLUGINS)
def test_a_sample_exports_the_interface_and_needs_only_the_system(
    sample: str, tmp_path: Path
) -> None:
    copy = made(sample, tmp_path)
    exported = run(["nm", "--dynamic", "--defined-only", "--format=posix", "libwrapper.so"], copy)
    assert sorted(line.split()[0] for line in exported.splitlines()) == sorted(SYMBOLS)
    dynamic = run(["readelf", "--dynamic", "--wide", "libwrapper.so"], copy)
    assert set(re.findall(r"NEEDED.*\[(.*)\]", dynamic)) <= SYSTEM_LIBRARIES
    assert re.search(r"FLAGS.*\bNOW\b", dynamic)
    assert "undefined symbol" not in run(["ldd", "-r", "libwrapper.so"], copy)


OPENS_AND_CLOSES = """
import ctypes, os, _ctypes
library = ctypes.CDLL("./libwrapper.so", mode=os.RTLD_NOW)
assert library.wrapperInit(bytes(32)) == 0  # one node without a key
assert library.wrapperFini() == 0
_ctypes.dlclose(library._handle)
with open("/proc/self/maps") as maps:
    assert "libwrapper.so" not in maps.read()
"""


@pytest.mark.parametrize("sample", PLUGINS)
def test_a_sample_can_be_opened_and_leaves_nothing_when_it_is_closed(
    sample: str, tmp_path: Path
) -> None:
    run([sys.executable, "-c", OPENS_AND_CLOSES], made(sample, tmp_path))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_description_says_what_a_wrapper_in_python_would(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == text_of(SCHEMAS[name])
