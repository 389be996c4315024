"""`mvc attest`."""

from __future__ import annotations

import os
import sys

import click

from mvc.cli.face import Face
from mvc.cli.options import DAMAGE, verb


@verb("attest", exits=DAMAGE | {12: "the key does not open or is not there"})
@click.argument("rev", default="HEAD", metavar="[REV]")
@click.option(
    "--type", "kind", type=click.Choice(["model-signing", "slsaprovenance1"]),
    default="model-signing", show_default=True, help="What the statement says.",
)  # fmt: skip
@click.option("--key", metavar="FILE", help="Sign with this ECDSA key, in PEM or of OpenSSH.")
@click.option("--builder-id", metavar="URI", help="Name the builder, for slsaprovenance1.")
@click.option("--output", "-o", metavar="FILE", help="Write to FILE instead of printing.")
@click.pass_obj
def command(
    face: Face, rev: str, kind: str, key: str | None, builder_id: str | None, output: str | None
) -> None:
    """Tell what a version is, or what made it, in a signed statement that other tools verify.

    \b
    model-signing     its files, each by SHA-256 (OpenSSF Model Signing)
    slsaprovenance1   command, settings, data, parents, git commit (SLSA v1)

    \b
    mvc attest v12 --key signing.pem -o model.sig
    mvc export v12 DIR
    model_signing verify key DIR --signature model.sig --public_key signing.pub

    With a key it is a Sigstore bundle, as model_signing and cosign make them; without, the bare statement of
    in-toto. mvc verify-attestation checks it too. The password of a key is taken from MVC_KEY_PASSWORD, or
    asked for. Needs pip install 'mvcd[sign]' to sign.
    """
    from mvc.integrations.attestations import attest  # late: start-up

    if builder_id is not None and kind != "slsaprovenance1":
        raise click.UsageError("--builder-id is for --type slsaprovenance1")
    made = attest(face.repo, rev, kind=kind, key=key, password=_password, builder_id=builder_id)
    if output is None:
        click.echo(made)
        return
    from mvc.api.durable import make_directories, replace_file  # late: start-up

    make_directories(os.path.dirname(os.path.abspath(output)))
    replace_file(output, made + b"\n")
    face.say(f"Wrote {output}")
    if os.path.realpath(output).startswith(os.path.realpath(face.repo.root) + os.sep):
        face.warn(f"{output} is in the workspace: if it is tracked, versions have it too")


def _password() -> str:
    named = os.environ.get("MVC_KEY_PASSWORD")
    if named is not None or not sys.stdin.isatty():
        return named or ""
    return str(click.prompt("Password of the key", hide_input=True, err=True))
