"""`mvc oci`."""

from __future__ import annotations

import click

from mvc.cli.face import Face
from mvc.cli.options import REMOTE_EXITS, VerbGroup
from mvc.cli.screens import artifacts as screen


@click.group("oci", cls=VerbGroup)
def command() -> None:
    """Push and pull versions as artifacts of an OCI registry.

    Registries are where container images are: Harbor, GHCR, ECR, Quay, Docker's. An artifact is a version
    without its history, in the form of ModelPack: one layer a file. oras pull and skopeo copy take it. Logins
    are those that docker login and oras login keep.
    """


_PLAIN = click.option(
    "--plain-http", is_flag=True, help="Speak HTTP without TLS; of itself only to this machine."
)


@command.command("push", exits=REMOTE_EXITS)
@click.argument("rev")
@click.argument("address", metavar="REGISTRY/NAME[:TAG]")
@_PLAIN
@click.pass_obj
def push(face: Face, rev: str, address: str, plain_http: bool) -> None:
    """Send version REV to a registry, with the tag TAG (by default latest).

    Only files that the registry lacks are sent. The tag comes last, and moves if it is there. The same version
    has the same digest, whoever pushes it and wherever.
    """
    from mvc.integrations.oci import push_artifact  # late: start-up

    done = push_artifact(face.repo, rev, address, plain_http=plain_http, monitor=face.monitor())
    if face.json:
        face.answer(screen.pushed_document(done))
    else:
        face.say(*screen.pushed(done))


@command.command("pull", exits=REMOTE_EXITS)
@click.argument("address", metavar="REGISTRY/NAME[:TAG|@DIGEST]")
@click.option(
    "--branch", metavar="NAME", help="Branch that gets the version. [default: the end of NAME]"
)
@_PLAIN
@click.pass_obj
def pull(face: Face, address: str, branch: str | None, plain_http: bool) -> None:
    """Make an artifact's files the next version of a branch, which is made if it is not there.

    Each file is compared with its SHA-256, and either all come or none. The version has the author, time and
    message that the artifact tells, and the annotation oci, with its digest. The workspace stays as it is: mvc
    switch NAME goes there.
    """
    from mvc.integrations.oci import pull_artifact  # late: start-up

    done = pull_artifact(face.repo, address, branch, plain_http=plain_http, monitor=face.monitor())
    if face.json:
        face.answer(screen.pulled_document(done))
    else:
        face.say(*screen.pulled(done))
