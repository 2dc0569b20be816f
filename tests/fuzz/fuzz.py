"""Feed bytes to whatever takes bytes from outside: `fuzz.py SECONDS [TARGET ...]`.

`make fuzz` runs it. Each target gets SECONDS, in a process of its own, with atheris (libFuzzer),
which looks for bytes that lead to lines not seen before; it starts from tests' data and keeps what
it finds in .cache/fuzz. Bytes that make a target fail are kept there as well, and printed.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "fuzz"
GRACE_S = 60.0


def main() -> int:
    """Fuzz all targets, or those named, one after the other; return 1 if one failed."""
    seconds, *names = sys.argv[1:]
    from fuzz.targets import TARGETS  # noqa: PLC0415 - the paths are set below

    failed = []
    for name in names or list(TARGETS):
        corpus = CACHE / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(TARGETS[name].corpus()):
            (corpus / f"given-{number}").write_bytes(data)
        print(f"{name}: {seconds} s", flush=True)
        command = [sys.executable, __file__, "--one", name, f"-max_total_time={seconds}"]
        command += ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"]
        command += [f"-artifact_prefix={corpus.parent}/{name}-", str(corpus)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=float(seconds) + GRACE_S, check=False
        )
        runs = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(f"{name}: {runs[-1].split()[-1] if runs else 'no'} runs", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stderr[-5000:])
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return 1 if failed else 0


def one(name: str, options: list[str]) -> None:
    """Be the process of one target; libFuzzer ends it."""
    import atheris  # noqa: PLC0415 - only this process needs it

    with atheris.instrument_imports(include=["aiges_loader", "aiges_wire"]):
        from fuzz.targets import TARGETS  # noqa: PLC0415 - to be instrumented

    atheris.Setup([sys.argv[0], *options], TARGETS[name].feed)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / tree) for tree in ("loader", "plugin_runtime", "proto", "tests")]
    if sys.argv[1] == "--one":
        one(sys.argv[2], sys.argv[3:])
    sys.exit(main())
