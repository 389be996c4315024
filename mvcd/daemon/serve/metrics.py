"""Counters for Prometheus, in its text format 0.0.4; written by hand because it is four kinds of line.

Labels are method and code: names of repositories and people would make one series each, and tell those who
may see figures what they may not see.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Seconds; from a look-up to a closure check of millions of chunks."""


class ServerMetrics:
    """Thread-safe."""

    def __init__(self, version: str, started: float) -> None:
        self._version = version
        self._started = started
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], int] = defaultdict(int)
        self._slots: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)
        self._in_flight = 0
        self._received = 0
        self._sent = 0
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        """What is asked when somebody looks: name -> (help, question)."""

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def begin(self) -> None:
        with self._lock:
            self._in_flight += 1

    def end(self, method: str, code: str, seconds: float, received: int, sent: int) -> None:
        with self._lock:
            self._in_flight -= 1
            self._calls[method, code] += 1
            self._slots[method][bisect_left(BOUNDS, seconds)] += 1
            self._seconds[method] += seconds
            self._received += received
            self._sent += sent

    def text(self) -> str:
        with self._lock:
            lines = list(self._lines())
        for name, (help, question) in sorted(self.gauges.items()):
            lines += _family(name, "gauge", help, [("", question())])
        return "\n".join([*lines, ""])

    def _lines(self) -> Iterator[str]:
        yield from _family(
            "mvcd_build_info",
            "gauge",
            "Which mvcd this is.",
            [(f'{{version="{self._version}"}}', 1)],
        )
        yield from _family(
            "process_start_time_seconds", "gauge", "Unix time of the start.", [("", self._started)]
        )
        yield from _family(
            "process_resident_memory_bytes", "gauge", "Resident memory.", [("", resident_bytes())]
        )
        yield from _family(
            "mvcd_calls_total", "counter", "Calls that ended, by method and gRPC code.",
            [(f'{{method="{m}",code="{c}"}}', n) for (m, c), n in sorted(self._calls.items())],
        )  # fmt: skip
        yield from _family(
            "mvcd_calls_in_flight", "gauge", "Calls under way.", [("", self._in_flight)]
        )
        yield from _family(
            "mvcd_received_bytes_total", "counter", "Bytes of requests.", [("", self._received)]
        )
        yield from _family(
            "mvcd_sent_bytes_total", "counter", "Bytes of answers.", [("", self._sent)]
        )
        yield from self._histogram()

    def _histogram(self) -> Iterator[str]:
        name = "mvcd_call_seconds"
        yield f"# HELP {name} How long calls took, streams from first to last message."
        yield f"# TYPE {name} histogram"
        for method, slots in sorted(self._slots.items()):
            total = 0
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], slots, strict=True):
                total += count
                yield f'{name}_bucket{{method="{method}",le="{bound}"}} {total}'
            yield f'{name}_sum{{method="{method}"}} {self._seconds[method]!r}'
            yield f'{name}_count{{method="{method}"}} {total}'


def _family(name: str, kind: str, help: str, samples: list[tuple[str, float]]) -> list[str]:
    head = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    return head + [f"{name}{labels} {value!r}" for labels, value in samples]


def resident_bytes() -> int:
    """0 where /proc does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
