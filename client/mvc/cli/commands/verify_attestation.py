"""`mvc verify-attestation`."""

from __future__ import annotations

import os

import click

from mvc.api.errors import Failure
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens import attestations as screen


@verb(
    "verify-attestation",
    exits={
        1: "failure, or files are not as signed",
        12: "the key does not open",
        14: "the signature is not good, or content is damaged or missing",
    },
)
@click.argument("bundle", metavar="BUNDLE")
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.option("--key", required=True, metavar="FILE", help="Public key of who signed it.")
@click.option("--directory", metavar="DIR", help="Compare with the files in DIR, not with REV.")
@click.pass_obj
def command(face: Face, bundle: str, rev: str, key: str, directory: str | None) -> int:
    """Check the signature of a bundle, and that a version or a directory has the files that it names.

    \b
    mvc verify-attestation model.sig v12 --key signing.pub
    mvc verify-attestation model.sig --directory DIR --key signing.pub

    Bundles of mvc attest and of model_signing sign key, by an ECDSA key. A directory needs no repository.
    """
    from mvc.integrations.attestations import verify_attestation  # late: start-up

    data = _bundle(bundle)
    if directory is None:
        found = verify_attestation(data, key, repo=face.repo, rev=rev)
    else:
        beside = os.path.relpath(os.path.realpath(bundle), os.path.realpath(directory))
        found = verify_attestation(data, key, directory=directory, ignore=[beside])
    face.answer(screen.document(found), screen.lines(found))
    return 0 if found.ok else 1


def _bundle(path: str) -> bytes:
    from mvc.integrations.bundles import MAX_BUNDLE_BYTES  # late: start-up

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise Failure(f"cannot read {path}", kind="no-bundle", cause=why) from error
    if len(data) > MAX_BUNDLE_BYTES:
        raise Failure(f"{path} is larger than {MAX_BUNDLE_BYTES >> 20} MiB", kind="odd-bundle")
    return data
