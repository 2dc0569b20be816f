"""Train the language model of the sample wrappers/textgen: count what follows what in a text.

    python scripts/train_textgen.py [FILE] [--out wrappers/textgen/model.json.gz]

FILE is wrappers/textgen/corpus.txt if not said: short stories of this project's own, in English and
Chinese. There is no chance in it: the same text gives the same file. A second or two on one core.
"""

import argparse
import math
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SAMPLE: Final = ROOT / "wrappers" / "textgen"
sys.path.insert(0, str(SAMPLE))

from model import BYTES, PARTS, Counts, Model, join, save  # noqa: E402 - the sample reads what we write

PAIRS: Final = 512
"""Tokens beside the 256 bytes."""

ORDERS: Final = 4
"""Contexts of 0 to 3 tokens."""

MEASURED_EACH: Final = 10
WORTH_JOINING: Final = 2


def pairs_of(text: str, count: int) -> list[tuple[int, int]]:
    """Return the pairs of tokens to join, at most `count`: always the most frequent one next."""
    times = Counter(PARTS.findall(text))
    words = {part: list(part.encode()) for part in times}
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        frequent: Counter[tuple[int, int]] = Counter()
        for part, tokens in words.items():
            for pair in pairwise(tokens):
                frequent[pair] += times[part]
        best = min(frequent, key=lambda pair: (-frequent[pair], pair), default=None)
        if best is None or frequent[best] < WORTH_JOINING:
            break
        for part, tokens in words.items():
            words[part] = join(tokens, best, BYTES + len(pairs))
        pairs.append(best)
    return pairs


def train(text: str) -> Model:
    """Learn the tokens of a text, then count what follows contexts of each length."""
    pairs = pairs_of(text, PAIRS)
    orders: list[Counts] = [{} for _ in range(ORDERS)]
    tokens = Model(pairs, []).tokenize(text)
    for place, token in enumerate(tokens):
        for length, counts in enumerate(orders[: place + 1]):
            seen = counts.setdefault(tuple(tokens[place - length : place]), {})
            seen[token] = seen.get(token, 0) + 1
    return Model(pairs, orders)


def bits_per_character(model: Model, text: str) -> float:
    """Return how many bits the model needs for a character of a text."""
    tokens = model.tokenize(text)
    odds = [model.odds(tokens[:place])[token] for place, token in enumerate(tokens)]
    return -sum(map(math.log2, odds)) / len(text)


def main() -> None:
    """Train, write; measure with a model that has not seen every tenth line."""
    parser = argparse.ArgumentParser(description="Train the model of the textgen sample.")
    parser.add_argument("file", type=Path, nargs="?", default=SAMPLE / "corpus.txt")
    parser.add_argument("--out", type=Path, default=SAMPLE / "model.json.gz")
    options = parser.parse_args()
    text = options.file.read_text("utf-8")
    model = train(text)
    save(model, options.out)
    print(f"{options.out}: {len(text)} characters, {options.out.stat().st_size} bytes")
    lines = text.splitlines(keepends=True)
    unseen = lines[::MEASURED_EACH]
    rest = train("".join(line for line in lines if line not in unseen))
    print(f"{bits_per_character(rest, ''.join(unseen)):.2f} bits for a character it never saw")


if __name__ == "__main__":
    main()
