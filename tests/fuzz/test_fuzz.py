"""The targets of `make fuzz`, for a moment: their corpus, changed a little, and noise."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_corpus_has_is_taken(name: str) -> None:
    corpus = TARGETS[name].corpus()
    assert corpus
    for data in corpus:
        TARGETS[name].feed(data)


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_fails_in_a_way_that_it_should_not(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    whole = data.draw(st.sampled_from([*target.corpus(), b""]))
    at = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.integers(0, 8))
    target.feed(whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + gone :])
