from __future__ import annotations

import pytest

from mvcd.daemon.serve.listen import Listen, require_safe
from mvcd.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "shown", "loopback"),
    [
        ("127.0.0.1:7443", "127.0.0.1", 7443, "127.0.0.1:7443", True),
        ("127.9.9.9:0", "127.9.9.9", 0, "127.9.9.9:0", True),
        ("localhost:1", "localhost", 1, "localhost:1", True),
        ("[::1]:65535", "::1", 65535, "[::1]:65535", True),
        (":7443", "::", 7443, "[::]:7443", False),
        ("0.0.0.0:7443", "0.0.0.0", 7443, "0.0.0.0:7443", False),
        ("models.example.org:443", "models.example.org", 443, "models.example.org:443", False),
    ],
)
def test_places(text: str, host: str, port: int, shown: str, loopback: bool) -> None:
    listen = Listen.parse(text)
    assert (listen.host, listen.port, str(listen), listen.loopback) == (host, port, shown, loopback)


@pytest.mark.parametrize("text", ["", "7443", "host", "host:", "host:x", "host:65536", "::1:7443"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UsageError):
        Listen.parse(text)


def test_plaintext_leaves_the_machine_only_when_told_to() -> None:
    outside, inside = Listen.parse(":1"), Listen.parse("127.0.0.1:1")
    with pytest.raises(UsageError) as raised:
        require_safe(outside, tls=False, insecure=False)
    assert "--tls-cert" in str(raised.value.help)
    require_safe(outside, tls=True, insecure=False)
    require_safe(outside, tls=False, insecure=True)
    require_safe(inside, tls=False, insecure=False)
