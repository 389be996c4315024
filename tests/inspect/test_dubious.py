"""Secrets, caches and other tools' records: told when they are first saved, and saved."""

from __future__ import annotations

import pytest

from mvcd.inspect.dubious import dubious

SECRETS = [
    ".env", ".env.production", "deploy/.netrc", "id_rsa", "keys/id_ed25519", "server.key", "ca.pem",
    "store.p12", "gcp-service-account.json", "my_service_account_key.json", "credentials.json",
    "Secrets.YAML", "kubeconfig", ".pypirc",
]  # fmt: skip
HONEST = [
    ".env.example", "id_rsa.pub", "keyboard.json", "environment.yml", "key.txt", "model.pt",
    "wandb.yaml", "src/cache.py", "secrets_of_training.md", "monkey", "tokenizer.json",
]  # fmt: skip


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_is_known_by_its_name(path: str) -> None:
    assert dubious([path]) == {path: "a secret, by its name"}


@pytest.mark.parametrize("path", HONEST)
def test_other_names_are_not_suspected(path: str) -> None:
    assert dubious([path]) == {}


def test_a_directory_is_told_once_for_all_that_is_in_it() -> None:
    paths = [f"runs/wandb/run-{n}/files/config.yaml" for n in range(3)] + ["runs/wandb/x/.env", "a"]
    assert dubious(paths) == {"runs/wandb/": "records of Weights & Biases"}
