"""The window grows while that pays, and gives way when the line does."""

from __future__ import annotations

from mvcd.sync.window import FIRST_FRAMES, LEAST_FRAMES, MOST_FRAMES, Window

FRAME = 1 << 20


class Line:
    """A clock that passes as a line with a round trip and a bandwidth would make it."""

    def __init__(self, bandwidth: float, round_trip: float) -> None:
        self.now = 0.0
        self.bandwidth = bandwidth
        self.round_trip = round_trip
        self.window = Window(lambda: self.now)

    def send(self, frames: int) -> int:
        for _ in range(frames):
            rate = min(self.bandwidth, self.window.size * FRAME / self.round_trip)
            self.now += FRAME / rate
            self.window.landed(FRAME)
        return self.window.size


def test_a_long_line_is_filled() -> None:
    assert Line(1e9, 0.2).send(500) == MOST_FRAMES


def test_a_near_server_is_not_crowded() -> None:
    assert Line(50e6, 0.001).send(500) <= 2 * FIRST_FRAMES


def test_a_line_that_got_slow_is_given_room() -> None:
    line = Line(1e9, 0.2)
    line.send(500)
    line.bandwidth = 1e6
    line.send(100)
    line.bandwidth = 0.2e6
    assert LEAST_FRAMES <= line.send(100) < MOST_FRAMES
