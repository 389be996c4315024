"""What holds for all tests: nothing of the terminal that they run in, no clock that rules, no thread left.

Hypothesis gives an example 200 ms; on a busy machine that fails what is right. The timeout of pytest stays.
The tests that every change has to pass try the same examples each time, so that what fails is the change.
Campaigns look for new ones, and so does `pytest --hypothesis-profile=new`.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support import cephcluster, threads

if TYPE_CHECKING:
    from tests.support.s3buckets import Endpoint

for name in ("COLUMNS", "LINES"):  # xdist sets them for its workers
    os.environ.pop(name, None)

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None)
settings.load_profile("same")

# A forked child collects no garbage of its parent's: to let go of a channel or a server of gRPC it would wait
# for threads that it does not have.
os.register_at_fork(after_in_child=gc.freeze)

THREADS_END_SECONDS = 30


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") == "campaign":
        settings.load_profile("new")


def pytest_collection_finish() -> None:
    """What was collected stays until the end: no collection of garbage has to look at it again, and no forked
    child touches it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def directory_stays() -> Iterator[None]:
    """Fails the file that leaves this process elsewhere (`mvc -C DIR` goes there), not one that counts on where
    it is."""
    before = os.getcwd()
    yield
    after = os.getcwd()
    os.chdir(before)
    assert after == before


@pytest.fixture(autouse=True, scope="module")
def threads_end() -> Iterator[None]:
    """Fails the file that leaves threads behind, not the one that cannot fork beside them later."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREADS_END_SECONDS
    left = [t for t in threading.enumerate() if t not in before and not threads.lasting(t)]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert not threads.names(left)


# -------------------------------------------------------------------- stores that speak S3


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cephcluster.Cluster]:
    """One cluster for all whose tests leave it as they found it; it takes ten seconds to start."""
    with cephcluster.Cluster.run(tmp_path_factory.mktemp("ceph")) as found:
        yield found


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("moto", marks=pytest.mark.tools),
        pytest.param("ceph", marks=[pytest.mark.engine, cephcluster.needed]),
    ],
)
def s3(request: pytest.FixtureRequest) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Two addresses of one store: the two gateways of Ceph; of moto, which is quicker and permits more, it is
    the same one twice."""
    if request.param == "ceph":
        first, second = request.getfixturevalue("ceph").endpoints
        yield first, second
        return
    from tests.support import motoserver  # late: an extra

    with motoserver.running() as found:
        yield found, found
