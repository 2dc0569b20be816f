"""Two layers of a model that knows nothing: one request costs nearly what thirty-two do.

Imported by programs that run in the contenders' own environments: numpy and the standard library.
"""

from collections.abc import Sequence

import numpy as np

WIDTH = 2048

_random = np.random.default_rng(7)
_LAYERS = [_random.standard_normal((WIDTH, WIDTH), dtype=np.float32) for _ in range(2)]


def run_all(datas: Sequence[bytes]) -> list[str]:
    """Compute for all requests at once, then answer what came."""
    values = np.stack([np.full(WIDTH, len(data) % 7 + 1, np.float32) for data in datas])
    for layer in _LAYERS:
        values = np.tanh(values @ layer)
    if not np.isfinite(values).all():
        raise ArithmeticError("the model went out of bounds")
    return [data.decode() for data in datas]
