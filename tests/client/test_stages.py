"""`mvc promote` and `mvc stage`, and the same from Python."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mvc import Repo
from mvc.api.stages import GateFailed
from tests.support.commandline import AUTHOR, Mvc


def test_a_refusal_shows_each_requirement(mvc: Mvc, saved: Path) -> None:
    ran = mvc(
        "promote", "v1", "production", "--require", "val.accuracy>=0.7", "--require", "lr<1", code=1
    )
    assert ran.out == ""
    assert ran.err == (
        "  not met  val.accuracy>=0.7  val.accuracy is 0.5\n"
        "  met      lr<1               lr is 0.1\n"
        "error: v1 may not hold production\n"
        "cause: val.accuracy>=0.7: val.accuracy is 0.5\n"
        f"help: mvc show {Repo(saved).resolve('v1')[:10]}  (the rules: [stages.production] in mvc.toml)\n"
    )
    assert "Nothing was promoted yet" in mvc("stage").out


def test_promote_then_look(mvc: Mvc, saved: Path) -> None:
    ran = mvc("promote", "v2", "production", "--require", "val.accuracy>=0.7", "-m", "Passed")
    assert ran.out == (
        "  met  val.accuracy>=0.7  val.accuracy is 0.75\nv2 holds production now  (record 1)\n"
    )
    short = mvc("show", "production").out.split()[1]
    assert mvc("stage").out.split() == [
        "production", "v2", short, "just", "now", "Ada", "Lovelace", "Passed",
    ]  # fmt: skip
    lines = mvc("stage", "history", "production").out.splitlines()
    assert lines[0] == f"  1  promote  v2 {short}  just now  live"
    assert lines[2:] == ["    Passed", "    met  val.accuracy>=0.7  val.accuracy 0.75"]
    assert "stage: production" in mvc("log", "--oneline").out


def test_json_documents(mvc: Mvc, saved: Path) -> None:
    made = mvc("promote", "v2", "production", "--require", "lr<1", "-m", "x", "--json").json
    assert made["schema_version"] == 1
    assert (made["stage"], made["record"], made["step"], made["number"]) == (
        "production",
        1,
        "promote",
        2,
    )
    assert made["requirements"] == [{"expression": "lr<1", "found": {"lr": 0.05}, "rule": False}]
    assert (made["author"], made["reason"], made["live"], made["previous"]) == (
        AUTHOR,
        "x",
        True,
        None,
    )
    gone = mvc("stage", "withdraw", "production", "--json").json
    assert (gone["step"], gone["live"], gone["previous"]) == ("withdraw", False, made["digest"])
    back = mvc("stage", "rollback", "production", "--json").json
    assert (back["step"], back["restores"], back["version"]) == ("rollback", 1, made["version"])
    records = mvc("stage", "history", "production", "--json").json["records"]
    assert [r["record"] for r in records] == [3, 2, 1]
    assert mvc("stage", "list", "--json").json["stages"] == [records[0]]
    seal = mvc("stage", "history", "production", "--verify", "--json").json
    assert (seal["ok"], seal["records"], seal["head"]) == (True, 3, back["digest"])


def test_the_list_is_what_the_bare_verb_shows(
    mvc: Mvc, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvc("promote", "v1", "production")
    listed = mvc("stage", "list").out
    monkeypatch.chdir("/")
    for words in (("-C", str(saved), "stage"), ("stage", "-C", str(saved))):
        assert mvc(*words).out == listed
        assert mvc(*words, "--json").json["stages"][0]["stage"] == "production"


def test_rollback_and_withdraw_say_what_they_did(mvc: Mvc, saved: Path) -> None:
    mvc("promote", "v1", "production")
    mvc("promote", "v2", "production")
    assert mvc("stage", "rollback", "production").out == (
        "v1 holds production again, as by record 1  (record 3)\n"
    )
    assert mvc("stage", "withdraw", "production").out == (
        "v1 is withdrawn from production  (record 4)\nmvc stage rollback production  brings it back\n"
    )
    assert "nobody" in mvc("stage").out
    assert "no version holds" in mvc("show", "production", code=1).err


def test_a_broken_chain_is_exit_14(mvc: Mvc, saved: Path) -> None:
    mvc("promote", "v1", "production")
    mvc("promote", "v2", "production")
    with Repo(saved)._core.store as store:
        from mvcd.store.api import RefUpdate

        name = "stages/production/00000001"
        store.update_refs([RefUpdate(name, store.ref(name), None)])
    ran = mvc("stage", "history", "production", "--verify", code=14)
    assert ran.out == "broken  record 1 is missing\n"


def test_a_seal_shows_that_nothing_was_rewritten(mvc: Mvc, saved: Path) -> None:
    mvc("promote", "v1", "production")
    seal = mvc("stage", "history", "production", "--verify", "--json").json["head"]
    mvc("promote", "v2", "production")
    assert mvc("stage", "history", "production", "--verify", "--seal", seal).out.startswith(
        "ok  2 records"
    )
    ran = mvc("stage", "history", "production", "--verify", "--seal", "00" * 32, code=14)
    assert "the history was rewritten" in ran.out
    assert (
        "--seal goes with --verify"
        in mvc("stage", "history", "production", "--seal", seal, code=2).err
    )


def test_what_was_live_on_a_day(mvc: Mvc, saved: Path) -> None:
    mvc("promote", "v1", "production")
    assert mvc("stage", "history", "production", "--at", "2020-01-01").out == (
        "Nothing had been promoted to production then.\n"
    )
    today = date.today().isoformat()
    assert "promote" in mvc("stage", "history", "production", "--at", today).out
    assert mvc("show", f"production@{{{today}}}").out == mvc("show", "v1").out
    assert "date or time" in mvc("stage", "history", "production", "--at", "noon", code=2).err


def test_from_python(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(saved)
    made = repo.promote("v1", "production", require="lr<1", reason="first", author="Grace")
    assert (made.author, made.version, made.version_number, made.live) == (
        "Grace", repo.resolve("v1"), 1, True,
    )  # fmt: skip
    with pytest.raises(GateFailed) as caught:
        repo.promote("v2", "production", require=["val.accuracy>=current", "lr>=1"])
    assert [c.met for c in caught.value.checked] == [True, False]
    repo.promote("v2", "production")
    first, second = reversed(repo.stage_history("production"))
    assert first.until == second.time and second.previous == first.digest
    assert repo.stage_history("production", at=date(2020, 1, 1)) == ()
    assert repo.stage_history("production", at=second.time)[0].number == 2
    assert repo.stage_rollback("production").version_number == 1
    assert not repo.stage_withdraw("production").live
    assert repo.stage_check("production").ok
    assert [s.stage for s in repo.stages()] == ["production"]
    repo.close()


def test_hostile_words_are_shown_escaped(mvc: Mvc, saved: Path) -> None:
    mvc("promote", "v1", "production", "-m", "\x1b[31mred", "--author", "Eve\x1b]0;x\x07 <e@e>")
    for words in (("stage",), ("stage", "history", "production")):
        assert "\x1b" not in mvc(*words).out
