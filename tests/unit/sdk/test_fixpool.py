from aiges.concurrent.fixpool import FixedPool


def test_a_pool_takes_one_object_unless_told_otherwise() -> None:
    pool = FixedPool()
    assert pool.add("a") == (True, "worker-0")
    assert pool.add("b") == (False, "")
    pool.set_capacity(2)
    assert pool.add("b") == (True, "worker-1")
    assert pool.get("worker-1") == "b"


def test_a_name_is_never_used_twice() -> None:
    pool = FixedPool()
    pool.set_capacity(2)
    names = [pool.add("a")[1]]
    for _ in range(4):
        names.append(pool.add("b")[1])
        assert pool.remove(names[-1]) is True
        assert pool.get(names[-1]) is None
    assert len(set(names)) == 5


def test_removing_what_is_not_there_is_no_error() -> None:
    assert FixedPool().remove("worker-9") is True


def test_clear_all_empties_the_pool() -> None:
    pool = FixedPool()
    pool.add("a")
    pool.clear_all()
    assert pool.get("worker-0") is None
    assert pool.add("b")[0]


def test_pools_do_not_share_objects() -> None:
    first, second = FixedPool(), FixedPool()
    first.add("a")
    assert second.get("worker-0") is None
