"""`mvc verify-signature`."""

from __future__ import annotations

import click

from mvc.cli import documents
from mvc.cli.face import Face
from mvc.cli.options import verb
from mvc.cli.screens.signature import report_lines


@verb("verify-signature", exits={1: "failure, or something is without a good signature"})
@click.argument("revs", nargs=-1, metavar="[REV|TAG]...")
@click.pass_obj
def command(face: Face, revs: tuple[str, ...]) -> int:
    """Show who signed versions (by default HEAD) or tags, and whether their keys are trusted.

    \b
    good         the allowed-signers file names the key, and the key was
                 valid when the version was made
    unknown-key  the file does not name the key, or not for this use
    expired      the key was not valid when the version was made
    revoked      signing.revoked names the key
    bad          the signature is not by that key, or not of this version
    unchecked    there are too many signatures by unknown keys

    A tag's name asks for the signatures of the tag; a version's number or id asks for those of the version.
    signing.allowed_signers names the file (ssh-keygen(1), ALLOWED SIGNERS); without it, the one that git uses
    counts. A time in that file without a Z is UTC.
    """
    reports = [face.repo.verify_signature(rev) for rev in revs or ("HEAD",)]
    ok = all(report.ok for report in reports)
    face.answer({"ok": ok, "signed": [documents.signed(r) for r in reports]}, report_lines(reports))
    for report in reports:
        if report.tag is not None and not report.signatures:
            face.hint(f"mvc verify-signature v{report.number}  asks for its version's signatures")
        elif not report.signatures:
            face.hint(f"mvc sign v{report.number}  signs it")
    return 0 if ok else 1
