"""How far a run is, in figures and in words."""

from __future__ import annotations

from rag.indexing.progress import FileNow, Tracker


def tracker() -> Tracker:
    made = Tracker(1)
    made.planned([(1, "a", 100), (1, "b", 300), (2, "c", 600)])
    made.enter("reading")
    return made


def test_a_file_is_done_once_its_chunks_can_be_found() -> None:
    made = tracker()
    assert made.snapshot(0.0).progress.total == 3
    made.written([(1, "a", 4)], 4)
    assert made.snapshot(1.0).files_done == 0
    made.placed(3)
    now = made.snapshot(2.0)
    assert now.files_done == 0
    assert now.files == (
        FileNow(1, "a", "embedding", 0.75),
        FileNow(1, "b", "reading"),
        FileNow(2, "c", "reading"),
    )
    made.placed(1)
    now = made.snapshot(3.0)
    assert (now.files_done, now.bytes_done, now.bytes_total) == (1, 100, 1000)


def test_a_file_without_chunks_is_done_once_it_is_written() -> None:
    made = tracker()
    made.written([(1, "a", 0), (1, "b", 0)], 0)
    assert made.snapshot(0.0).files_done == 2


def test_chunks_that_were_left_from_before_come_first() -> None:
    made = tracker()
    made.backlog(10)
    made.written([(1, "a", 2)], 2)
    made.placed(11)
    assert made.snapshot(0.0).files_done == 0
    made.placed(1)
    assert made.snapshot(0.0).files_done == 1


def test_chunks_whose_text_has_its_vector_already_end_with_the_run() -> None:
    made = tracker()
    made.written([(1, "a", 5)], 5)
    made.finish()
    assert made.snapshot(0.0).files_done == 1


def test_rates_are_of_the_last_seconds_and_tell_what_is_left() -> None:
    made = tracker()
    made.snapshot(100.0)
    made.written([(1, "a", 10)], 10)
    made.placed(10)
    now = made.snapshot(102.0)
    assert now.files_per_s == 0.5
    assert now.chunks_per_s == 5.0
    assert now.left_s == 900 / 50
    assert now.progress.message == "0 files/s, 5 chunks/s, 18 s left"


def test_files_of_one_transaction_are_done_one_after_the_other() -> None:
    made = tracker()
    made.written([(1, "a", 4), (1, "b", 12)], 8)  # half of the chunks were there before
    made.placed(2)
    assert made.snapshot(0.0).files_done == 1
    made.placed(3)
    now = made.snapshot(0.0)
    assert (now.files_done, now.bytes_done) == (1, 100 + 150)
    made.placed(3)
    assert made.snapshot(0.0).files_done == 2


def test_nothing_is_promised_before_anything_is_known() -> None:
    now = tracker().snapshot(0.0)
    assert now.left_s is None
    assert now.progress.fraction == 0


def test_all_chunks_anew_are_counted_in_chunks() -> None:
    made = Tracker(1)
    made.again(200)
    made.snapshot(0.0)
    made.placed(50)
    now = made.snapshot(10.0)
    assert (now.progress.done, now.progress.total, now.progress.unit) == (50, 200, "chunks")
    assert now.left_s == 30.0
    assert now.sentence == "5 chunks/s, 30 s left"


def test_who_waits_says_for_what() -> None:
    made = tracker()
    made.waits_for = "battery"
    assert made.snapshot(0.0).sentence == "Waits until the machine is plugged in"
