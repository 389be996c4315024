"""Who acts in these tests, and versions for them to push."""

from __future__ import annotations

from mvcd.ids import Kind, VersionId
from mvcd.objects.version import Version
from mvcd.store.api import Store
from mvcd.team.auditlog import By
from tests.store.objects import plain

NOW = 1_800_000_000_000_000
BY = By("operator", NOW)


def put_version(
    store: Store, *parents: VersionId, message: str = "", time_us: int = NOW
) -> VersionId:
    """A version without content, in the store."""
    generations = [Version.decode(store.get(id)).generation for id in parents]
    version = Version(parents, max(generations, default=0) + 1, time_us=time_us, message=message)
    with store.session() as session:
        session.put(*plain(version.encode(), Kind.VERSION))
        session.commit()
    return version.id
