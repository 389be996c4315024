"""Profiles as the AWS command line writes them, and which keys come first."""

from __future__ import annotations

import pytest

from mvcd.errors import AuthError
from mvcd.store.bucket.awsprofile import chosen_profile

KEYS = {"access_key_id": "AKIA", "secret_access_key": "secret"}
CREDENTIALS = """
[default]
aws_access_key_id = AKIA
aws_secret_access_key = secret

[team]
aws_access_key_id=AKIATEAM
aws_secret_access_key=secret
aws_session_token = session
"""
CONFIG = """
[default]
region = eu-central-1

[profile team]
region = eu-west-1
endpoint_url = https://objects.example.org
ca_bundle = /etc/team.pem

[profile sso]
sso_session = ours
region = us-east-2

[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = default

[profile program]
credential_process = /bin/keys
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


def test_the_default_profile_is_used_where_nothing_else_is_said(home):
    found = chosen_profile(None, home)
    assert found is not None
    assert (found.name, dict(found.keys), found.region) == ("default", KEYS, "eu-central-1")


def test_no_profile_is_needed(tmp_path):
    assert chosen_profile(None, {"HOME": str(tmp_path)}) is None


def test_keys_of_the_environment_come_before_a_profile_that_it_names(home):
    assert chosen_profile(None, {**home, "AWS_ACCESS_KEY_ID": "x", "AWS_PROFILE": "team"}) is None


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_environment_names_a_profile(home, variable):
    found = chosen_profile(None, {**home, variable: "team"})
    assert found is not None
    assert found.keys == {
        "access_key_id": "AKIATEAM",
        "secret_access_key": "secret",
        "session_token": "session",
    }
    assert (found.region, found.endpoint, found.ca) == (
        "eu-west-1",
        "https://objects.example.org",
        "/etc/team.pem",
    )


def test_a_profile_that_was_asked_for_comes_before_keys_of_the_environment(home):
    found = chosen_profile("team", {**home, "AWS_ACCESS_KEY_ID": "x"})
    assert found is not None
    assert found.name == "team"


@pytest.mark.parametrize(
    ("name", "further"),
    [("sso", "sso_session"), ("role", "role_arn"), ("program", "credential_process")],
)
def test_a_profile_that_needs_more_for_its_keys_says_so(home, name, further):
    found = chosen_profile(name, home)
    assert found is not None
    assert (dict(found.keys), found.further) == ({}, further)


def test_files_elsewhere(home, tmp_path):
    (tmp_path / "keys").write_text("[other]\naws_access_key_id=A\naws_secret_access_key=B\n")
    found = chosen_profile("other", {**home, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")})
    assert found is not None
    assert found.keys == {"access_key_id": "A", "secret_access_key": "B"}


def test_a_profile_that_is_not_there(home):
    with pytest.raises(AuthError, match="no profile nobody") as caught:
        chosen_profile("nobody", home)
    assert caught.value.help == "aws configure --profile nobody"


def test_a_file_that_cannot_be_read(home, tmp_path):
    (tmp_path / ".aws" / "credentials").write_text("no section\n")
    with pytest.raises(AuthError, match="cannot be read"):
        chosen_profile(None, home)
