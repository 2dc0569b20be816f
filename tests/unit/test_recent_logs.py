"""The newest log records, as operators ask for them."""

import logging

from aiges_loader.recent_logs import MAX_TEXT_CHARS, RecentLogs


def record(text: str, name: str = "x", level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, None, None)


def keeping(count: int, **limits: int) -> RecentLogs:
    recent = RecentLogs(**limits)
    for number in range(1, count + 1):
        recent.handle(record(f"record {number}"))
    return recent


def test_only_the_newest_are_kept() -> None:
    page = keeping(10, max_records=3).after(0, 100)
    assert [entry.number for entry in page.records] == [8, 9, 10]
    assert (page.last, page.missed) == (10, 7)


def test_their_texts_together_are_limited() -> None:
    page = keeping(99, max_chars=4 * len("record 99")).after(0, 100)
    assert [entry.number for entry in page.records] == [96, 97, 98, 99]
    assert page.missed == 95


def test_one_may_ask_for_what_came_since() -> None:
    recent = keeping(5)
    assert [entry.number for entry in recent.after(3, 100).records] == [4, 5]
    assert recent.after(3, 100).missed == 0
    assert recent.after(5, 100).records == []
    page = recent.after(1, 2)
    assert ([entry.number for entry in page.records], page.missed) == ([4, 5], 2)
    assert recent.after(0, 0).records == []


def test_a_number_of_another_process_counts_as_none() -> None:
    assert len(keeping(2).after(77, 100).records) == 2


def test_a_record_says_who_wrote_it_and_how_it_failed() -> None:
    recent = RecentLogs()
    recent.handle(record("from a worker", "worker.3", logging.ERROR))
    try:
        raise ValueError("so it was")  # noqa: TRY301
    except ValueError:
        logger = logging.Logger("aiges_loader.x")
        logger.addHandler(recent)
        logger.exception("it failed")
    worker, own = recent.after(0, 10).records
    assert (worker.worker, worker.level) == (3, "error")
    assert own.worker is None
    assert own.text.startswith("it failed\nTraceback")
    assert own.text.endswith("ValueError: so it was")


def test_a_long_text_is_cut() -> None:
    recent = RecentLogs()
    recent.handle(record("x" * (MAX_TEXT_CHARS + 1)))
    (entry,) = recent.after(0, 1).records
    assert entry.text == "x" * MAX_TEXT_CHARS + f"… ({MAX_TEXT_CHARS + 1} characters)"
