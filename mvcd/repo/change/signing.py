"""Signing: versions as they are made, and versions and tags that are there already."""

from __future__ import annotations

from dataclasses import dataclass, field

from mvcd.errors import Failure
from mvcd.ids import VersionId
from mvcd.repo.core.core import Core
from mvcd.repo.records.committed import Context
from mvcd.repo.records.refs import EMPTY_ID
from mvcd.repo.trust.keygen import Keygen
from mvcd.repo.trust.signatures import Signable, of_tag, of_version, signer_of
from mvcd.store.api import RefUpdate


@dataclass(frozen=True, slots=True)
class Signer:
    """A key to sign with: a path, or a public key that an agent has (keygen.py)."""

    key: str
    keygen: Keygen = field(default_factory=Keygen)

    def version(self, core: Core, id: VersionId) -> RefUpdate:
        """Signs before anything moves: the update goes into the transaction that moves the branch."""
        return self._signed(core, of_version(id))

    def tag(self, core: Core, name: str, value: bytes) -> RefUpdate:
        return self._signed(core, of_tag(name, value))

    def _signed(self, core: Core, what: Signable) -> RefUpdate:
        blob = self.keygen.sign(what.message, what.namespace, self.key)
        name = what.ref(blob)
        return RefUpdate(name, core.store.ref(name), blob)


def sign(core: Core, rev: str, *, context: Context, signer: Signer) -> tuple[VersionId, str]:
    """Adds a signature to a version; answers its id and the key's fingerprint. Signing anew replaces."""
    with core.lock.hold():
        id = core.resolve(rev)
        if id == EMPTY_ID:
            raise Failure(
                "v0 is the empty version: there is nothing to sign", kind="no-versions",
                help="mvc commit -S -m '...'",
            )  # fmt: skip
        version = core.version(id)
        update = signer.version(core, id)
        core.record(context, "sign", f"sign v{version.generation}", [update])
        return id, signer_of(update)
