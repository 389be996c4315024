"""Preparations of a program of ours as it starts."""

from mvcd.process import open_streams, speak_utf8

__all__ = ["open_streams", "speak_utf8"]
