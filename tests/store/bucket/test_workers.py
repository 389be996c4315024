"""Threads for calls: results in order, all at once, errors told, and none left behind."""

from __future__ import annotations

import threading

import pytest

from mvcd.store.bucket.workers import Workers


@pytest.fixture
def workers():
    workers = Workers(4, "test")
    yield workers
    workers.close()


def test_results_come_in_the_order_of_the_works(workers):
    assert workers.map([lambda n=n: n * n for n in range(50)]) == [n * n for n in range(50)]


def test_works_run_at_once_and_by_no_more_threads_than_told(workers):
    together = threading.Barrier(4)
    names = workers.map([lambda: (together.wait(30), threading.current_thread().name)[1]] * 8)
    assert names == ["test"] * 8
    assert sum(t.name == "test" for t in threading.enumerate()) == 4


def test_what_fails_is_told_when_all_have_ended(workers):
    ended = []

    def work(number: int) -> None:
        ended.append(number)
        if number in (1, 2):
            raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        workers.map([lambda n=n: work(n) for n in range(4)])
    assert sorted(ended) == [0, 1, 2, 3]


def test_other_threads_make_their_calls_themselves(workers):
    made = []
    thread = threading.Thread(target=lambda: made.append(workers.call(threading.current_thread)))
    thread.start()
    thread.join()
    assert made == [thread]
    assert workers.call(threading.current_thread) is not threading.main_thread()


def test_after_the_end_it_can_be_used_again(workers):
    workers.close()
    assert workers.map([lambda: 1, lambda: 2]) == [1, 2]
