"""The soak, short; `make soak` runs it for ten minutes."""

from drills.soak import CLIENTS, soak

SECONDS = 20.0


def test_after_clients_and_workers_have_come_and_gone_nothing_is_left() -> None:
    report = soak(SECONDS)
    assert report.wrong == [], str(report)
    did = {what.partition(" ")[0] for what in report.outcomes}
    assert did == {"worker", *(name for name, _, _ in CLIENTS)}
    for good in ("call answered", "talk complete", "flood complete", "dawdle left", "vanish gone"):
        assert report.outcomes[good] > 0, str(report)
    assert report.outcomes["worker killed"] >= 2
