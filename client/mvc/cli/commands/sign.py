"""`mvc sign`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import BUSY, verb


@verb("sign", exits=BUSY | {12: "not allowed, or the key does not open or is not there"})
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.option("--key", metavar="FILE", help="Sign with this key. [config: signing.key]")
@click.pass_obj
def command(face: Face, rev: str, key: str | None) -> None:
    """Sign an existing version with an SSH key.

    \b
    mvc config set --user signing.key ~/.ssh/id_ed25519
    \b
    mvc sign v12      signs a version that exists
    mvc commit -S     signs the version that it makes
    mvc tag -s v1.0   signs a tag: its name, version and message

    The setting is made once; without it, git's user.signingKey counts.

    A public key file signs through the agent that has its private half. Signatures travel with versions; a
    version may have several, one per key.
    """
    status = face.repo.sign(rev, key=key)
    version = face.repo.show(rev)
    face.say(f"Signed v{version.number} with {status.key_type} {status.fingerprint}")
    if face.json:
        face.answer(
            {
                "version": version.id,
                "number": version.number,
                "signature": documents.signature(status),
            }
        )
