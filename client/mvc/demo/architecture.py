"""The text of the workspace's `model.py`: the network's architecture as code that runs by itself.

Anybody who checks a version out can use its weights with nothing but this file: `logits` takes the
tensors as nested lists. It is written apart from `network.py` on purpose: the tests run it on the
saved file, and the two have to agree.
"""

from __future__ import annotations

_SOURCE = '''\
"""The demo's network: Iris measurements in centimetres -> one logit per species."""

from math import tanh

SPECIES = ("setosa", "versicolor", "virginica")


def linear(weight, inputs):
    return [sum(w * x for w, x in zip(row, inputs)) for row in weight]


def add(left, right):
    return [a + b for a, b in zip(left, right)]


def logits(tensors, measurements):
    t = tensors
    inputs = [
        (value - mean) / deviation
        for value, mean, deviation in zip(measurements, t["input.mean"], t["input.deviation"])
    ]
    # Frozen: random features, never trained.
    first = [tanh(x) for x in add(linear(t["first.weight"], inputs), t["first.bias"])]
    second = [tanh(x) for x in linear(t["second.weight"], first)]
    # Trained.
    hidden = [tanh(x) for x in add(linear(t["hidden.weight"], second), t["hidden.bias"])]
    output = add(linear(t["output.weight"], hidden), t["output.bias"])
'''
_PLAIN_END = """\
    return output
"""
_SKIP_END = """\
    return add(output, linear(t["skip.weight"], inputs))
"""


def model_source(*, skip: bool) -> str:
    """The source of `model.py`, with or without the linear path around the hidden layers."""
    return _SOURCE + (_SKIP_END if skip else _PLAIN_END)
