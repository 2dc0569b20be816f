"""The textgen sample: its tokens, its model, and what of its tokens can be sent when."""

import importlib.util
import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.samples import SAMPLES, sample_modules
from support.service import ROOT

FOLDER = SAMPLES / "textgen"
CORPUS = (FOLDER / "corpus.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def modules() -> Iterator[list[ModuleType]]:
    with sample_modules("textgen", "model", "pieces", "wrapper") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def model(modules: list[ModuleType]) -> Any:
    return modules[0].load(FOLDER / "model.json.gz")


@pytest.fixture(scope="module")
def train(modules: list[ModuleType]) -> Any:
    path = ROOT / "scripts" / "train_textgen.py"
    spec = importlib.util.spec_from_file_location("train_textgen", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    sys.path.remove(str(FOLDER))  # the script's own addition
    return loaded.train


def test_the_model_is_what_training_makes_of_the_text_beside_it(
    train: Any, modules: list[ModuleType], tmp_path: Path
) -> None:
    modules[0].save(train(CORPUS), tmp_path / "made")
    # What is in it, not the bytes: another zlib may pack it in another way.
    made, kept = modules[0].load(tmp_path / "made"), modules[0].load(FOLDER / "model.json.gz")
    assert (made.tokens, made.orders) == (kept.tokens, kept.orders)


@pytest.mark.parametrize("text", ["", "lamp", "灯塔", "\0\x7f 😀 naïve\r\n", CORPUS])
def test_tokens_are_the_text_taken_apart(text: str, model: Any) -> None:
    tokens = model.tokenize(text)
    assert b"".join(model.tokens[token] for token in tokens) == text.encode()
    assert len(tokens) <= len(text.encode())


def test_what_it_has_read_takes_far_fewer_tokens_than_characters(model: Any) -> None:
    assert len(model.tokenize(CORPUS)) < len(CORPUS) / 2


def test_chances_of_all_tokens_add_up_to_one(model: Any) -> None:
    tokens = model.tokenize(CORPUS)
    for context in ([], tokens[:1], tokens[:50], model.tokenize("zebra"), [255, 254, 253]):
        odds = model.odds(context)
        assert min(odds) > 0
        assert sum(odds) == pytest.approx(1)


def test_what_always_follows_is_what_it_expects(train: Any) -> None:
    learned = train("one two three. one two four. one two three. " * 3)
    written = b"".join(islice(learned.generate("one two", temperature=0, seed=1), 20)).decode()
    assert written.startswith(" three. one two three.")


def written(model: Any, prompt: str, count: int = 40, **changed: Any) -> bytes:
    options = {"temperature": 1.0, "seed": 1, **changed}
    return b"".join(islice(model.generate(prompt, **options), count))


def test_the_same_seed_writes_the_same_and_another_one_does_not(model: Any) -> None:
    assert written(model, "The", seed=5) == written(model, "The", seed=5)
    assert written(model, "The", seed=5) != written(model, "The", seed=6)


def test_without_temperature_the_seed_does_not_matter(model: Any) -> None:
    assert written(model, "The", temperature=0, seed=5) == written(
        model, "The", temperature=0, seed=6
    )


def test_the_lower_the_temperature_the_likelier_what_it_writes(model: Any) -> None:
    def chance_of_first(temperature: float) -> float:
        odds = model.odds(model.tokenize("The keeper"))
        tokens = [
            next(model.generate("The keeper", temperature=temperature, seed=seed))
            for seed in range(60)
        ]
        return sum(odds[model.tokens.index(token)] for token in tokens) / len(tokens)

    best = max(model.odds(model.tokenize("The keeper")))
    assert chance_of_first(0.001) == pytest.approx(best)
    assert chance_of_first(0.001) > chance_of_first(0.5) > chance_of_first(2)


def test_a_prompt_counts_by_its_end(model: Any) -> None:
    assert written(model, "x" * 100_000 + " The keeper") == written(model, " The keeper")
    assert written(model, "守灯人") != written(model, "The keeper")


def sent(modules: list[ModuleType], tokens: list[bytes], *stops: str) -> list[str]:
    """Return what is sent after each token, and at the end."""
    pieces = modules[1].Pieces(stops)
    return [*(pieces.add(token) for token in tokens), pieces.finish()]


def test_a_character_is_sent_when_it_is_whole(modules: list[ModuleType]) -> None:
    lamp = "灯".encode()
    assert sent(modules, [lamp[:1], lamp[1:2], lamp[2:], b"a"]) == ["", "", "灯", "a", ""]


def test_half_a_character_at_the_end_is_replaced(modules: list[ModuleType]) -> None:
    assert sent(modules, [b"a", "灯".encode()[:2]]) == ["a", "", "\N{REPLACEMENT CHARACTER}"]


def test_what_may_be_a_stop_text_waits_until_it_is_or_is_not(modules: list[ModuleType]) -> None:
    assert sent(modules, [b"a<", b"e", b"nd", b"> b"], "<end>") == ["a", "", "", "", ""]
    assert sent(modules, [b"a<", b"e", b"lse"], "<end>") == ["a", "", "<else", ""]
    assert sent(modules, [b"a<e"], "<end>") == ["a", "<e"]
    assert sent(modules, [b"aab", b"c"], "aabd", "c") == ["", "aab", ""]


def test_the_first_stop_text_counts(modules: list[ModuleType]) -> None:
    assert sent(modules, [b"one two three"], "three", "two") == ["one ", ""]


def test_whatever_is_cut_up_comes_together_again(modules: list[ModuleType]) -> None:
    chance = random.Random(3)
    for _ in range(200):
        text = "".join(chance.choice("ab灯😀\n") for _ in range(30))
        stop = "".join(chance.choice("ab灯") for _ in range(chance.randint(1, 3)))
        data, tokens = text.encode(), []
        while data:
            size = chance.randint(1, 4)
            tokens.append(data[:size])
            data = data[size:]
        assert "".join(sent(modules, tokens, stop)) == text.partition(stop)[0]
