"""An open store's parts: what sessions, checks, collections and salvage work with, whoever opened them."""

from __future__ import annotations

import os

from mvcd.store import steps
from mvcd.store.index import Index
from mvcd.store.journal import JOURNAL, Journal
from mvcd.store.pack import PackFiles
from mvcd.store.reader import PackedObjects


class Parts(PackedObjects):
    """The index, the packs, the journal and the directories of a store in `path`. `reached` hears of steps."""

    packs: PackFiles

    def __init__(
        self,
        path: str,
        index: Index,
        reached: steps.Reached,
        *,
        cached: bool,
        pack_files: int,
    ) -> None:
        self.path = path
        self.pack_directory = os.path.join(path, "packs")
        self.lease_directory = os.path.join(path, "leases")
        super().__init__(index, PackFiles(self.pack_directory, cached=cached, most=pack_files))
        self.journal = Journal(os.path.join(path, JOURNAL))
        self.reached = reached
