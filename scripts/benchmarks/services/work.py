"""What a wrapper does with the data of one request: the same code for every contender.

Imported by programs that run in the contenders' own environments: standard library only, but for
`matmul`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

BURN_S: Final = 0.010
"""CPU time, of the thread that does the work, that one `burn` takes."""
SLEEP_S: Final = 0.050


def echo(data: bytes) -> str:
    """Answer what came."""
    return data.decode()


def digest(data: bytes) -> str:
    """Answer the length, the first and the last bytes: a wrong decoding shows, at no cost."""
    return f"{len(data)} {data[:8].hex()} {data[-8:].hex()}"


def burn(data: bytes) -> str:
    """Compute in Python until `BURN_S` of this thread's CPU time are spent, then echo."""
    until = time.thread_time() + BURN_S
    number = 1
    while time.thread_time() < until:
        for _ in range(500):
            number = number * 6364136223846793005 % 18446744073709551557
    return data.decode()


def sleep(data: bytes) -> str:
    """Wait as for a device or another service, without the CPU, then echo."""
    time.sleep(SLEEP_S)
    return data.decode()


def matmul(data: bytes) -> str:
    """Compute with numpy for this request alone, then echo."""
    return matmul_all([data])[0]


def matmul_all(datas: Sequence[bytes]) -> list[str]:
    """Compute with numpy for all requests at once, then echo."""
    from matmul import run_all  # noqa: PLC0415 - most works need no numpy

    return run_all(datas)


def upper(data: bytes) -> str:
    """Answer in upper case, as the sample in C does; bytes.upper knows ASCII alone, too."""
    return data.upper().decode()


WORKS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "echo": echo,
    "digest": digest,
    "burn": burn,
    "sleep": sleep,
    "matmul": matmul,
    "upper": upper,
}
