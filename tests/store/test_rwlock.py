from __future__ import annotations

import threading

from mvcd.store.rwlock import ReadersWriterLock


def test_alone_waits_for_those_inside_and_keeps_others_out():
    lock = ReadersWriterLock()
    events: list[str] = []
    lock.enter()
    holds, release = threading.Event(), threading.Event()

    def hold():
        with lock.alone():
            events.append("alone")
            holds.set()
            release.wait()
            events.append("done")

    def enter():
        holds.wait()
        lock.enter()
        events.append("inside")
        lock.leave()

    threads = [threading.Thread(target=hold), threading.Thread(target=enter)]
    for thread in threads:
        thread.start()
    events.append("still inside")
    lock.leave()
    holds.wait()
    release.set()
    for thread in threads:
        thread.join()
    assert events == ["still inside", "alone", "done", "inside"]


def test_all_may_enter_while_a_host_is_inside():
    """A host may wait for others that have yet to enter, though somebody waits to be alone."""
    lock = ReadersWriterLock()
    lock.enter()
    alone = threading.Event()

    def hold():
        with lock.alone():
            alone.set()

    def pass_through():
        lock.enter()
        lock.leave()

    with lock.hosting():
        holder = threading.Thread(target=hold)
        holder.start()
        guests = [threading.Thread(target=pass_through) for _ in range(20)]
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.join()
        assert not alone.is_set()
    lock.leave()
    holder.join()
    assert lock.inside == 0


def test_a_crowd_that_comes_and_goes_does_not_keep_anybody_waiting():
    lock = ReadersWriterLock()
    stop = threading.Event()

    def crowd():
        while not stop.is_set():
            lock.enter()
            lock.leave()

    threads = [threading.Thread(target=crowd) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        with lock.alone():
            assert lock.inside == 0
    stop.set()
    for thread in threads:
        thread.join()


def test_alone_now_waits_for_nobody():
    lock = ReadersWriterLock()
    lock.enter()
    with lock.alone_now() as alone:
        assert not alone
        lock.enter()  # others come and go
        lock.leave()
    lock.leave()
    inside = threading.Event()

    def enter():
        lock.enter()
        inside.set()
        lock.leave()

    with lock.alone_now() as alone:
        assert alone
        with lock.alone_now() as other:
            assert not other
        guest = threading.Thread(target=enter)
        guest.start()
        assert not inside.is_set()
    guest.join()
    assert inside.is_set()
