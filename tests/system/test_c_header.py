"""wrapper.h: where it is, which compilers take it, and that it says what hosts expect."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.c_programs import INCLUDE, run

OFFSETS = {
    "ParamList": {"key": 0, "value": 8, "vlen": 16, "next": 24},
    "DataList": {"key": 0, "data": 8, "len": 16, "type": 20, "status": 24, "desc": 32, "next": 40},
}
SIZES = {"ParamList": 32, "DataList": 48, "DataType": 4, "DataStatus": 4, "CtrlType": 4}
NUMBERS = {
    "DataText": 0,
    "DataAudio": 1,
    "DataImage": 2,
    "DataVideo": 3,
    "DataPer": 4,
    "DataBegin": 0,
    "DataContinue": 1,
    "DataEnd": 2,
    "DataOnce": 3,
    "CTMeterCustom": 0,
    "CTMetricsLog": 1,
    "CTTraceLog": 2,
}
SYMBOLS = [
    "wrapperInit",
    "wrapperFini",
    "wrapperError",
    "wrapperVersion",
    "wrapperLoadRes",
    "wrapperUnloadRes",
    "wrapperCreate",
    "wrapperWrite",
    "wrapperRead",
    "wrapperDestroy",
    "wrapperExec",
    "wrapperExecFree",
    "wrapperExecAsync",
    "wrapperDebugInfo",
    "wrapperSetCtrl",
]
STRICT = ("-pedantic-errors", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}")


def compiled(folder: Path, source: str, *command: str) -> Path:
    """Compile a source of any language; return the program."""
    language = "c++" if command[0] == "g++" else "c"
    (folder / "source").write_text(source)
    run([*command, *STRICT, "-x", language, "source", "-o", "program"], folder)
    return folder / "program"


def test_the_command_prints_its_folder() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aiges_loader", "include"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert Path(done.stdout.rstrip("\n")) == INCLUDE
    assert (INCLUDE / "wrapper.h").is_file()


def test_the_command_says_where_it_looked_if_another_package_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "aiges").mkdir()
    (tmp_path / "aiges" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "aiges_loader", "include"],
        cwd=tmp_path,  # the first place where `python -m` looks
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no wrapper.h in the package `aiges` at {tmp_path / 'aiges'}" in done.stderr


@pytest.mark.parametrize(
    ("compiler", "standard"),
    [("gcc", s) for s in ("c99", "c11", "c17")]
    + [("g++", s) for s in ("c++98", "c++11", "c++17", "c++20")],
)
def test_a_strict_compiler_takes_it(compiler: str, standard: str, tmp_path: Path) -> None:
    source = '#include "wrapper.h"\n#include "wrapper.h"\nint main(void) { return 0; }\n'
    compiled(tmp_path, source, compiler, f"-std={standard}")


def test_structures_and_numbers_are_those_of_the_interface(tmp_path: Path) -> None:
    terms = {f"offsetof({s}, {f})": at for s, fields in OFFSETS.items() for f, at in fields.items()}
    terms |= {f"sizeof({name})": size for name, size in SIZES.items()} | NUMBERS
    prints = "".join(f'printf("{term}=%d\\n", (int){term});' for term in terms)
    source = f'#include <stdio.h>\n#include "wrapper.h"\nint main(void) {{ {prints} return 0; }}\n'
    printed = run([compiled(tmp_path, source, "gcc", "-std=c11")], tmp_path)
    assert printed.splitlines() == [f"{term}={value}" for term, value in terms.items()]


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_what_it_declares_is_exported_under_its_plain_name(compiler: str, tmp_path: Path) -> None:
    """Hidden visibility and C++ names are what a build may bring along."""
    bodies = {
        "wrapperInit": "int wrapperInit(pConfig cfg) { return cfg != NULL; }",
        "wrapperFini": "int wrapperFini(void) { return 0; }",
        "wrapperError": 'const char *wrapperError(int errNum) { return errNum ? "bad" : ""; }',
        "wrapperVersion": 'const char *wrapperVersion(void) { return "1"; }',
        "wrapperLoadRes": "int wrapperLoadRes(pDataList p, unsigned int id) { return !p || !id; }",
        "wrapperUnloadRes": "int wrapperUnloadRes(unsigned int id) { return id == 0; }",
        "wrapperCreate": "const void *wrapperCreate(const char *tag, pParamList params,"
        " wrapperCallback cb, unsigned int ids[], int count, int *error)"
        " { *error = cb == NULL && count > 0 && ids[0] && params->key; return tag; }",
        "wrapperWrite": "int wrapperWrite(const void *h, pDataList d) { return !h || !d; }",
        "wrapperRead": "int wrapperRead(const void *h, pDataList *d) { return !h || !d; }",
        "wrapperDestroy": "int wrapperDestroy(const void *h) { return h == NULL; }",
        "wrapperExec": "int wrapperExec(const char *tag, pParamList params, pDataList in,"
        " pDataList *out, unsigned int ids[], int count)"
        " { *out = in; return !tag || !params || (count > 0 && ids[0]); }",
        "wrapperExecFree": "int wrapperExecFree(const char *tag, pDataList *out)"
        " { return !tag || !out; }",
        "wrapperExecAsync": "int wrapperExecAsync(const char *tag, pParamList params,"
        " pDataList in, wrapperCallback cb, int timeout, unsigned int ids[], int count)"
        " { return cb(tag, in, params->key != NULL) + timeout + (count > 0 && ids[0]); }",
        "wrapperDebugInfo": "const char *wrapperDebugInfo(const void *h)"
        " { return (const char *)h; }",
        "wrapperSetCtrl": "int wrapperSetCtrl(CtrlType type, void *f)"
        " { return type > CTTraceLog || !f; }",
    }
    assert list(bodies) == SYMBOLS
    source = '#include "wrapper.h"\n' + "\n".join(bodies.values())
    hidden = ("-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,defs")
    library = compiled(tmp_path, source, compiler, *hidden)
    exported = run(["nm", "--dynamic", "--defined-only", "--format=posix", library], tmp_path)
    assert sorted(line.split()[0] for line in exported.splitlines()) == sorted(SYMBOLS)
