"""用 pytest 运行，不需要服务。 / For pytest; needs no server."""

from wrapper import Wrapper, describe, size_of


def test_it_streams_an_answer_to_its_test_values() -> None:
    assert Wrapper().run_stream()


def test_it_answers_at_once_as_well() -> None:
    assert Wrapper().run_once()


def test_it_knows_wide_pictures_from_high_ones() -> None:
    assert describe(2, 1) == "A wide picture of 2 by 1 pixels."
    assert describe(1, 2) == "A high picture of 1 by 2 pixels."


def test_only_a_png_has_a_size() -> None:
    assert size_of(b"GIF89a") is None
