"""Signing as a person does it: settings, screens, documents, and the help when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvc import AuthError, Repo
from tests.repo.keys import Key, make_key
from tests.support.commandline import Mvc, write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, where git has settings of its own too."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("MVC_CONFIG", str(home / "config.toml"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def key(home: Path) -> Key:
    key = make_key(home / ".ssh", "id_ed25519")
    (home / "signers").write_text(key.line())
    return key


@pytest.fixture
def set_up(mvc: Mvc, key: Key) -> None:
    mvc("config", "set", "--user", "signing.key", "~/.ssh/id_ed25519")
    mvc("config", "set", "--user", "signing.allowed_signers", "~/signers")


def test_commit_sign_verify(mvc: Mvc, saved: Path, set_up: None) -> None:
    write(saved, {"params.yaml": "lr: 1\n"})
    assert "  signed with SHA256:" in mvc("commit", "-S", "-m", "third").out
    assert "good signature by ada@example.org, ssh-ed25519 SHA256:" in mvc("verify-signature").out
    ran = mvc("verify-signature", "v2", "HEAD", code=1)
    assert "not signed" in ran.out and "mvc sign v2" in ran.out
    assert mvc("sign", "v2").out.startswith("Signed v2 with ssh-ed25519 SHA256:")
    mvc("verify-signature", "v2", "HEAD")
    assert mvc("log", "--show-signature").out.count("good signature") == 2
    assert "good signature by ada@example.org" in mvc("show").out
    third, second, first = mvc("log", "--oneline", "--show-signature").out.splitlines()
    assert "[good] third" in third and "[good]" in second and "[not signed]" in first
    assert "exclude each other" in mvc("log", "--metrics", "--show-signature", code=2).err
    assert mvc("verify").out.startswith("ok")


def test_documents(mvc: Mvc, saved: Path, set_up: None) -> None:
    keys = {"state", "principal", "fingerprint", "key_type", "reason"}
    document = mvc("sign", "--json").json
    assert set(document) == {"schema_version", "version", "number", "signature"}
    assert set(document["signature"]) == keys
    write(saved, {"params.yaml": "lr: 1\n"})
    assert mvc("commit", "-S", "-m", "third", "--json").json["signer"].startswith("SHA256:")
    document = mvc("verify-signature", "v1", "--json", code=1).json
    assert document["ok"] is False
    assert document["signed"][0]["signatures"] == []
    document = mvc("verify-signature", "--json").json
    assert set(document["signed"][0]) == {"version", "number", "tag", "ok", "signatures"}
    assert document["signed"][0]["signatures"][0]["state"] == "good"
    new, _, old = mvc("log", "--show-signature", "--json").json["versions"]
    assert (len(new["signatures"]), old["signatures"]) == (1, [])
    assert "signatures" not in mvc("log", "--json").json["versions"][0]
    assert mvc("show", "--json").json["signatures"][0]["principal"] == "ada@example.org"


def test_tags(mvc: Mvc, saved: Path, set_up: None) -> None:
    assert ", signed with SHA256:" in mvc("tag", "-s", "v1.0", "-m", "out").out
    assert mvc("verify-signature", "v1.0").out.startswith("tag v1.0, v2")
    mvc("tag", "plain")
    assert "v2  asks for its version's" in mvc("verify-signature", "plain", code=1).out
    assert "mvc tag NAME" in mvc("tag", "-s", code=2).err


def test_commit_sign_always(mvc: Mvc, saved: Path, set_up: None) -> None:
    mvc("config", "set", "commit.sign", "true")
    write(saved, {"params.yaml": "lr: 1\n"})
    mvc("commit", "-m", "third")
    mvc("verify-signature")
    mvc("rollback", "v1")
    mvc("verify-signature")
    write(saved, {"params.yaml": "lr: 2\n"})
    mvc("commit", "--no-sign", "-m", "fifth")
    mvc("verify-signature", code=1)
    settings = saved / ".mvc" / "config.toml"
    settings.write_text(settings.read_text().replace('sign = "true"', 'sign = "perhaps"'))
    assert "neither true nor false" in mvc("rollback", "v1", code=2).err


def test_git_settings_are_the_last_resort(mvc: Mvc, saved: Path, home: Path, key: Key) -> None:
    (home / ".gitconfig").write_text("[user]\n signingKey = ~/.ssh/id_ed25519\n")
    assert "mvc config set --user signing.key ~/.ssh/id_ed25519" in mvc("sign", code=12).err
    with (home / ".gitconfig").open("a") as file:
        file.write('[gpg]\n format = ssh\n[gpg "ssh"]\n allowedSignersFile = ~/signers\n')
    mvc("sign")
    mvc("verify-signature")


def test_what_is_missing_is_said_with_the_command(mvc: Mvc, saved: Path, home: Path) -> None:
    ran = mvc("commit", "--allow-empty", "-S", "-m", "x", code=12)
    assert (
        "no key to sign with" in ran.err and "help: ssh-keygen -t ed25519 && mvc config" in ran.err
    )
    make_key(home / ".ssh", "id_ed25519")
    mvc("sign", "--key", "~/.ssh/id_ed25519")
    assert "help: mkdir -p ~/.config/mvc && echo" in mvc("verify-signature", code=1).err
    assert "unknown-key signature, ssh-ed25519" in mvc("log", "--show-signature").out
    mvc("config", "set", "signing.allowed_signers", "nowhere")
    assert "cannot read the allowed-signers file" in mvc("verify-signature", code=1).err
    assert "v3" not in mvc("log", "--oneline").out


def test_a_signers_file_of_any_bytes(mvc: Mvc, saved: Path, home: Path, set_up: None) -> None:
    with (home / "signers").open("ab") as file:
        file.write(b"\xff\xfe\n# caf\xe9\nbob ssh-ed25519 \xe9\xff\n")
    mvc("sign")
    mvc("verify-signature")


def test_from_python(saved: Path, set_up: None) -> None:
    repo = Repo(saved)
    write(saved, {"params.yaml": "lr: 1\n"})
    assert repo.commit("third", sign=True).signer is not None
    report = repo.verify_signature()
    assert (report.ok, report.number, report.tag) == (True, 3, None)
    assert not repo.verify_signature("v1").ok
    assert repo.sign("v1").good
    assert repo.tag("best", sign=True).signer == report.signatures[0].fingerprint
    assert repo.verify_signature("best").tag == "best"
    with pytest.raises(AuthError):
        repo.sign("v1", key="nowhere")
    repo.close()
