"""What holds for all tests: nothing of the terminal that they run in, and no clock that rules.

Hypothesis gives an example 200 ms; on a busy machine that fails what is right. The timeout of pytest stays.
"""

from __future__ import annotations

import os

from hypothesis import settings

for name in ("COLUMNS", "LINES"):  # xdist sets them for its workers
    os.environ.pop(name, None)

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
