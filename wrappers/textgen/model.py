"""A small language model: how likely each token is after the ones before it, counted in a text.

Tokens are pieces of UTF-8, as large models have them: the 256 bytes, and pairs of tokens that are
frequent in the text. So any text can be written, and a token may end within a character.
`scripts/train_textgen.py` makes the file. Pure but for `load` and `save`.
"""

import gzip
import json
import random
import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

BYTES = 256
"""Tokens below this are single bytes."""

LONGEST_PROMPT = 400
"""Characters from the end of a prompt that are looked at; the model sees far fewer."""

DISCOUNT = 0.5
"""Taken from each count, for what was never seen: absolute discounting."""

PARTS = re.compile(r" ?[A-Za-z]+| ?[0-9]+|[\u4e00-\u9fff]+|\s+|[^\sA-Za-z0-9\u4e00-\u9fff]+")

Context = tuple[int, ...]
Counts = dict[Context, dict[int, int]]


class Model:
    """Pairs that make tokens, and counts of what follows what.

    Attributes:
        tokens: The bytes of each token.
        pairs: Which token a pair of tokens becomes.
        orders: For contexts of 0, 1, 2 ... tokens: how often which token came next.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], orders: Sequence[Counts]) -> None:
        """Take what was learned; `pairs` are in the order in which they were joined."""
        self.tokens = [bytes([byte]) for byte in range(BYTES)]
        for left, right in pairs:
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.pairs = {pair: BYTES + number for number, pair in enumerate(pairs)}
        self.orders = orders

    def tokenize(self, text: str) -> list[int]:
        """Take a text apart into tokens."""
        return [token for part in PARTS.findall(text) for token in self._joined(part.encode())]

    def _joined(self, part: bytes) -> list[int]:
        tokens = list(part)
        while True:
            known = [pair for pair in pairwise(tokens) if pair in self.pairs]
            if not known:
                return tokens
            pair = min(known, key=lambda pair: self.pairs[pair])  # the one joined first
            tokens = join(tokens, pair, self.pairs[pair])

    def odds(self, context: Sequence[int]) -> list[float]:
        """Return how likely each token is next, all in all 1; `context` may be of any length.

        The counts of the longest context decide first; what is taken from each of them goes to what
        the next shorter one says, and in the end to all tokens alike.
        """
        odds = [1 / len(self.tokens)] * len(self.tokens)
        for length, counts in enumerate(self.orders[: len(context) + 1]):
            seen = counts.get(tuple(context[len(context) - length :]))
            if seen is None:
                break
            total = sum(seen.values())
            spared = DISCOUNT * len(seen) / total
            odds = [spared * lower for lower in odds]
            for token, count in seen.items():
                odds[token] += (count - DISCOUNT) / total
        return odds

    def generate(self, prompt: str, *, temperature: float, seed: int) -> Iterator[bytes]:
        """Yield token after token, without an end; the same ones for the same arguments.

        Args:
            prompt: What comes before.
            temperature: 0: always the likeliest token. 1: as likely as in the text. Above: wilder.
            seed: Of the random numbers.
        """
        chance = random.Random(seed)  # noqa: S311 - no secret is made of it
        context = self.tokenize(prompt[-LONGEST_PROMPT:])
        while True:
            odds = self.odds(context)
            best = max(odds)
            if temperature == 0:
                token = odds.index(best)
            else:  # against the best one: a power of small numbers alone would be 0
                weights = [(each / best) ** (1 / temperature) for each in odds]
                sums = list(accumulate(weights))
                token = min(bisect(sums, chance.random() * sums[-1]), len(sums) - 1)
            context = [*context, token][-len(self.orders) :]
            yield self.tokens[token]


def join(tokens: Sequence[int], pair: tuple[int, int], joined: int) -> list[int]:
    """Replace each `pair` of neighbours by the one token `joined`."""
    result: list[int] = []
    place = 0
    while place < len(tokens):
        if tuple(tokens[place : place + 2]) == pair:
            result.append(joined)
            place += 2
        else:
            result.append(tokens[place])
            place += 1
    return result


def save(model: Model, path: Path) -> None:
    """Write a model; the same bytes for the same model."""
    pairs = [list(pair) for pair in model.pairs]
    orders = [
        [[*context, list(seen), list(seen.values())] for context, seen in counts.items()]
        for counts in model.orders
    ]
    text = json.dumps({"pairs": pairs, "orders": orders}, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def load(path: Path) -> Model:
    """Read what `save` wrote.

    Raises:
        OSError: There is no such file, or it is none that gzip wrote.
        ValueError: It holds no model.
    """
    written = json.loads(gzip.decompress(path.read_bytes()))
    pairs = [(left, right) for left, right in written["pairs"]]
    orders = [
        {tuple(context): dict(zip(next_, times, strict=True)) for *context, next_, times in rows}
        for rows in written["orders"]
    ]
    return Model(pairs, orders)
