"""A team's page over TLS: its port has the server's certificate, and its cookie is for https alone."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mvcd.team.root import Root
from tests.daemon.serve.authority import Authority, Pair
from tests.support.page import START_SECONDS
from tests.support.teampage import TeamPage
from tests.web.conftest import team_accounts


def served(directory: Path, trusting: ssl.SSLContext, pair: Pair, *options: object) -> TeamPage:
    root = str(directory / "server")
    Root.create(root).close()
    tokens = team_accounts(root)
    words = ("--tls-cert", pair.certificate, "--tls-key", pair.key, *options)
    page = TeamPage(root, directory, *map(str, words), trusting=trusting)
    page.tokens = tokens
    return page


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("localhost")


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.fixture
def secured(tmp_path: Path, trusting: ssl.SSLContext, pair: Pair) -> Iterator[TeamPage]:
    with served(tmp_path, trusting, pair) as page:
        yield page


def test_the_cookie_is_for_https_alone(secured: TeamPage) -> None:
    """However the browser says where it came from."""
    for more in ({}, {"Origin": "", "Sec_Fetch_Site": "same-origin"}):
        entered = secured.sign_in("reader", **more)
        assert entered.status == 200, entered
        name, _, secret = entered.headers["set-cookie"].partition(";")[0].partition("=")
        flags = {flag.lower() for flag in entered.headers["set-cookie"].split("; ")[1:]}
        assert name == "__Host-mvc_session"
        assert flags == {"httponly", "path=/", "samesite=strict", "secure"}
        cookie = f"{name}={secret}"
        assert secured.ask("GET", "/api/v1/me", Cookie=cookie).json["user"] == "reader"
    out = secured.ask(
        "POST", "/api/v1/logout", b"{}", Cookie=cookie, X_MVC="1", Origin=secured.origin
    )
    assert out.status == 200
    assert secured.ask("GET", "/api/v1/me", Cookie=cookie).status == 401
    foreign = secured.sign_in("reader", Origin=secured.origin.replace("https", "http"))
    assert foreign.status in (200, 403)
    assert "__Host-" in foreign.headers.get("set-cookie", "__Host-")


def test_nothing_is_told_in_the_clear_or_to_who_does_not_trust_it(secured: TeamPage) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", secured.port, timeout=START_SECONDS)
    with closing(plain) as c, pytest.raises((http.client.HTTPException, OSError)):
        c.request("GET", "/")
        c.getresponse()
    strange = ssl.create_default_context()
    with (
        closing(
            http.client.HTTPSConnection(
                "127.0.0.1", secured.port, timeout=START_SECONDS, context=strange
            )
        ) as c,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        c.request("GET", "/")
    assert secured.get("reader", "/api/v1/repos").status == 200
    assert b"<html" in secured.ask("GET", "/").body


def test_a_renewed_certificate_needs_no_restart(
    secured: TeamPage, pair: Pair, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    again = other.issue("localhost")
    pair.certificate.write_bytes(again.certificate.read_bytes())
    pair.key.write_bytes(again.key.read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        secured.get("reader", "/api/v1/me")
    secured._trusting = ssl.create_default_context(cafile=str(other.certificate))
    assert secured.get("reader", "/api/v1/me").status == 200


def test_with_client_ca_a_certificate_lets_in_and_the_token_tells_who(
    tmp_path: Path, authority: Authority, trusting: ssl.SSLContext, pair: Pair
) -> None:
    with served(tmp_path, trusting, pair, "--client-ca", authority.certificate) as page:
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            page.get("reader", "/api/v1/me")
        mine = authority.issue("laptop", "client")
        trusting.load_cert_chain(mine.certificate, mine.key)
        assert page.get("reader", "/api/v1/me").json["user"] == "reader"
        assert page.get(None, "/api/v1/me").status == 401
