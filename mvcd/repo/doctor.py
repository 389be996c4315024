"""What can be wrong around a repository rather than in it: one line a check, each with its remedy."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator

from mvcd.chunking import _cut
from mvcd.errors import MvcError
from mvcd.repo.captures import Captures
from mvcd.repo.core import Core
from mvcd.repo.early_home import abandoned
from mvcd.repo.results import Check
from mvcd.store.filesystem import filesystem_type

_LOW_DISK = 1 << 30
_LATE_US = 600_000_000
"""Age of a captured state that nobody makes a version of."""


def checks(core: Core) -> Iterator[Check]:
    yield Check("repository", True, core.root)
    yield from _store(core)
    yield _disk(core)
    yield Check("rolling hash", True, f"kernel {_cut.kernels()[0]} of {', '.join(_cut.kernels())}")
    yield _leftovers(core)
    yield _early_files(core)
    yield _captures(core)


def _store(core: Core) -> Iterator[Check]:
    path = core.place.store_path(core.config)
    kind = filesystem_type(path)
    yield Check("file system", True, f"{kind or 'unknown'} below {path}")
    try:
        stats = core.store.stats()
        head = core.head()
    except MvcError as error:
        yield Check("store", False, str(error), error.help or "mvc verify")
        return
    yield Check(
        "store",
        True,
        f"{stats.objects} objects in {stats.packs} packs, {stats.pack_bytes} bytes, "
        f"index {stats.index_bytes} bytes",
    )
    yield Check("head", True, f"{head.branch or 'detached'} at v{head.number}")


def _disk(core: Core) -> Check:
    free = shutil.disk_usage(core.place.store_path(core.config)).free
    ok = free >= _LOW_DISK
    return Check("disk", ok, f"{free} bytes free", "" if ok else "free some space, or: mvc gc")


def _leftovers(core: Core) -> Check:
    if os.path.isdir(core.place.staging) and os.listdir(core.place.staging):
        return Check(
            "staging", False, "a checkout was interrupted",
            "mvc status, then run the checkout again (or mvc checkout HEAD)",
        )  # fmt: skip
    return Check("staging", True, "no interrupted checkout")


def _early_files(core: Core) -> Check:
    left = list(abandoned(core.place.directory))
    if not left:
        return Check("early files", True, "no interrupted clone or pull")
    cause = "a clone or pull was interrupted and left what it had written early"
    return Check("early files", False, cause, "rm -r " + " ".join(map(shlex.quote, left)))


def _captures(core: Core) -> Check:
    queued = Captures(core.root).queued()
    if not queued:
        return Check("captures", True, "no captured state waits to be saved")
    told = f"{len(queued)} captured states wait to be saved"
    late = core.clock() // 1000 - queued[0].taken_us > _LATE_US
    return Check("captures", not late, told, "mvcd start, or mvc commit" if late else "")
