"""`mvc doctor` beyond the store: identity, git, remotes, clock, file events, daemon, each with what helps."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mvc.cli import text
from mvcd.repo.care.doctor import clock_check
from tests.support.commandline import AUTHOR, Mvc

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000


def told(mvc: Mvc, *words: str, code: int | None = 0) -> dict[str, dict[str, object]]:
    return {
        check["name"]: check for check in mvc("doctor", "--json", *words, code=code).json["checks"]
    }


def test_everything_is_looked_at_in_plain_units(mvc: Mvc, saved: Path) -> None:
    found = told(mvc)
    assert {"identity", "git", "remotes", "clock", "disk", "daemon", "mvc.toml"} <= set(found)
    assert str(found["disk"]["detail"]).split()[1] in ("MiB", "GiB", "TiB", "PiB")
    assert "bytes" not in str(found["store"]["detail"])
    assert found["identity"]["detail"] == f"versions are made by {AUTHOR}"
    assert "help: mvc remote add origin URL" in mvc("doctor").out


def test_who_is_named_by_nothing_is_told_how_once(
    mvc: Mvc, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MVC_AUTHOR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (work / "a.py").write_text("a")
    mvc("init")
    mvc("add", ".")
    check = told(mvc)["identity"]
    assert (check["ok"], str(check["help"]).split()[:3]) == (True, ["mvc", "config", "set"])
    first, second = (mvc("commit", "-m", "x", "--allow-empty").out for _ in range(2))
    assert first.splitlines()[-1].endswith("to be named: mvc config set user.name 'YOUR NAME'")
    assert "to be named" not in second
    mvc("config", "set", "user.name", "Ada")
    assert told(mvc)["identity"]["detail"] == "versions are made by Ada"


def test_each_remote_is_knocked_at(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("init", "--bare", str(tmp_path / "shared"))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        port, deaf = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        mvc("remote", "add", "here", "../shared")
        mvc("remote", "add", "away", "../nowhere")
        mvc("remote", "add", "up", f"grpc://127.0.0.1:{port}/r")
        mvc("remote", "add", "down", f"grpc://127.0.0.1:{deaf}/r")
        found = told(mvc, code=1)
    assert [found[f"remote {name}"]["ok"] for name in ("here", "away", "up", "down")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert found["remote away"]["help"] == f"mvc init --bare {tmp_path / 'nowhere'}"
    assert str(found["remote down"]["detail"]).endswith("connection refused")
    assert found["remote down"]["help"] == "mvc ls-remote down"


@pytest.mark.parametrize(
    ("times", "now", "ok", "says"),
    [
        ((NOW_US - HOUR_US,), NOW_US, True, ""),
        ((NOW_US + 30_000_000,), NOW_US, True, ""),
        ((0, NOW_US + 3 * HOUR_US), NOW_US, False, ", 3 h before the newest version"),
        ((NOW_US + 70 * HOUR_US,), NOW_US, False, ", 3 days before the newest version"),
        ((), 0, False, "it is 19"),
    ],
)
def test_a_clock_that_is_behind_is_told(
    times: tuple[int, ...], now: int, ok: bool, says: str
) -> None:
    check = clock_check(times, now)
    assert check.ok == ok
    assert says in check.detail
    assert bool(check.help) != ok


def test_stage_records_of_a_push_are_one_line(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("init", "--bare", str(tmp_path / "shared"))
    mvc("remote", "add", "origin", "../shared")
    for rev in ("v1", "v2", "v1"):
        mvc("promote", rev, "staging")
    mvc("promote", "v2", "production")
    out = mvc("push").out.splitlines()
    assert [line for line in out if "stage" in line] == ["  4 stage records: production, staging"]
    assert len([r for r in mvc("push", "--json").json["refs"] if "stages" in r["name"]]) == 0
    mvc("clone", "../shared", "../copy")
    assert "up to date" in mvc("push").out


def test_checkpoints_are_one_line_of_the_status(mvc: Mvc, saved: Path) -> None:
    for number in (500, 1000):
        directory = saved / f"runs/checkpoint-{number}"
        directory.mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "optimizer.pt", "日本語🎉.txt"):
            (directory / name).write_bytes(bytes(1024))
    (saved / "runs/checkpoint-1000/optimizer.pt").unlink()
    (saved / "runs/checkpoint-1000/config.json").unlink()
    out = mvc("status").out
    assert "  added     checkpoint      runs/checkpoint-500/  4 files, 4.0 KiB\n" in out
    assert "runs/checkpoint-1000/model.safetensors" in out
    assert max(map(text.width, out.splitlines())) <= 80
    assert "runs/checkpoint-500/optimizer.pt" in mvc("status", "-v").out
    assert "runs/checkpoint-500/optimizer.pt" in mvc("status", "-s").out
    assert len(mvc("status", "--json").json["added"]) == 6


def test_a_log_fits_the_terminal(mvc: Mvc, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    author = "Ada Augusta King-Noel, Countess of Lovelace <ada.lovelace@analytical-engine.example>"
    mvc("commit", "--allow-empty", "--author", author, "-m", "模型🎉" * 20)
    monkeypatch.setenv("COLUMNS", "80")
    lines = mvc("log", "--oneline").out.splitlines() + mvc("log").out.splitlines()[1:2]
    assert max(map(text.width, lines)) <= 80
    assert lines[0].endswith("…")
    assert "<ada" not in "".join(lines)
    assert "<ada" in mvc("log", "-v").out
    monkeypatch.delenv("COLUMNS")
    assert "模型🎉" * 20 in mvc("log", "--oneline").out
