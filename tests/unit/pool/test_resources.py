"""Which resources there are to be, and how a worker comes to have them."""

import pytest
from hypothesis import given, strategies as st

from aiges_loader.errors import ResourceLimitError
from aiges_loader.pool.resources import (
    MOST,
    Load,
    Resource,
    Table,
    Unload,
    next_step,
    with_loaded,
    without,
)

PLENTY = 1 << 30


def resource(resource_id: str, data: bytes = b"") -> Resource:
    return Resource(resource_id, "key", data, {})


def table(*resources: Resource) -> Table:
    return {one.id: one for one in resources}


A, B, OTHER_A = resource("a"), resource("b"), resource("a")


def test_resources_come_replace_one_another_and_go() -> None:
    both = with_loaded(with_loaded({}, A, limit_bytes=PLENTY), B, limit_bytes=PLENTY)
    assert list(both.values()) == [A, B]
    replaced = with_loaded(both, OTHER_A, limit_bytes=PLENTY)
    assert list(replaced.values()) == [OTHER_A, B]
    assert list(without(both, "a").values()) == [B]
    assert without(both, "c") == both


def test_what_is_said_of_a_resource_counts_as_what_it_brings() -> None:
    assert Resource("é", "key", b"12345", {"encoding": "utf8"}).size_bytes == 2 + 3 + 5 + 8 + 4


def test_all_resources_together_have_a_limit_and_a_successor_needs_only_its_own_room() -> None:
    full = with_loaded({}, resource("7", b"x" * 96), limit_bytes=100)
    assert with_loaded(full, resource("7", b"y" * 96), limit_bytes=100)
    with pytest.raises(ResourceLimitError) as refused:
        with_loaded(full, resource("8", b"x"), limit_bytes=100)
    assert str(refused.value) == (
        "resource 8 is not loaded: with its 5 bytes all resources would be 105 bytes together,"
        " at most 0 MiB are kept ([pool] maxResourcesMb)"
    )


def test_there_is_a_most_of_resources() -> None:
    full = table(*(resource(str(number)) for number in range(MOST)))
    assert with_loaded(full, resource("0"), limit_bytes=PLENTY)
    with pytest.raises(ResourceLimitError, match=f"{MOST} are loaded"):
        with_loaded(full, resource("one more"), limit_bytes=PLENTY)


@pytest.mark.parametrize(
    ("held", "wanted", "step"),
    [
        (table(), table(), None),
        (table(A, B), table(A, B), None),
        (table(B, A), table(A, B), None),
        (table(), table(A, B), Load(A)),
        (table(A), table(A, B), Load(B)),
        (table(A, B), table(B), Unload("a")),
        (table(A), table(B), Unload("a")),
        (table(A), table(OTHER_A), Unload("a")),
        (table(B), table(OTHER_A, B), Load(OTHER_A)),
    ],
)
def test_a_worker_takes_one_step_at_a_time(
    held: Table, wanted: Table, step: Load | Unload | None
) -> None:
    assert next_step(held, wanted) == step


RESOURCES = [resource(name) for name in "aabbccdd"]
TABLES = st.lists(st.sampled_from(RESOURCES)).map(lambda found: table(*found))


@given(TABLES, TABLES)
def test_the_steps_lead_from_anything_to_anything_and_load_nothing_twice(
    held: Table, wanted: Table
) -> None:
    now = dict(held)
    steps = 0
    while step := next_step(now, wanted):
        if isinstance(step, Load):
            assert step.id not in now
            now[step.id] = step.resource
        else:
            del now[step.id]
        steps += 1
    assert now == wanted
    kept = sum(wanted.get(one.id) is one for one in held.values())
    assert steps == len(held) + len(wanted) - 2 * kept
