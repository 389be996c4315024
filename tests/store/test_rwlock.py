from __future__ import annotations

import threading

from mvcd.store.rwlock import ReadersWriterLock


def test_alone_waits_for_those_inside_and_keeps_others_out():
    gate = ReadersWriterLock()
    events: list[str] = []
    gate.enter()
    holds, release = threading.Event(), threading.Event()

    def hold():
        with gate.alone():
            events.append("alone")
            holds.set()
            release.wait()
            events.append("done")

    def enter():
        holds.wait()
        gate.enter()
        events.append("inside")
        gate.leave()

    threads = [threading.Thread(target=hold), threading.Thread(target=enter)]
    for thread in threads:
        thread.start()
    events.append("still inside")
    gate.leave()
    holds.wait()
    release.set()
    for thread in threads:
        thread.join()
    assert events == ["still inside", "alone", "done", "inside"]


def test_all_may_enter_while_a_host_is_inside():
    """A host may wait for others that have yet to enter, though somebody waits to be alone."""
    gate = ReadersWriterLock()
    gate.enter()
    alone = threading.Event()

    def hold():
        with gate.alone():
            alone.set()

    def pass_through():
        gate.enter()
        gate.leave()

    with gate.hosting():
        holder = threading.Thread(target=hold)
        holder.start()
        guests = [threading.Thread(target=pass_through) for _ in range(20)]
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.join()
        assert not alone.is_set()
    gate.leave()
    holder.join()
    assert gate.inside == 0


def test_a_crowd_that_comes_and_goes_does_not_keep_anybody_waiting():
    gate = ReadersWriterLock()
    stop = threading.Event()

    def crowd():
        while not stop.is_set():
            gate.enter()
            gate.leave()

    threads = [threading.Thread(target=crowd) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        with gate.alone():
            assert gate.inside == 0
    stop.set()
    for thread in threads:
        thread.join()
