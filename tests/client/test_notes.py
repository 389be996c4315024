"""`mvc note` and `mvc describe`, and the same from Python."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mvc import Annotation, Failure, Repo, UsageError
from tests.support.commandline import AUTHOR, Mvc


def short(saved: Path, rev: str) -> str:
    return Repo.open(saved).resolve(rev)[:10]


def test_notes_are_written_shown_and_removed(mvc: Mvc, saved: Path) -> None:
    id = short(saved, "v1")
    assert mvc("note", "v1").out == "v1 has no annotations.  mvc note v1 KEY=TEXT\n"
    ran = mvc("note", "v1", "test/accuracy=0.93", "mlflow.run_id=5f0c=x", "long=one\n\ntwo")
    assert ran.out == f"Annotated v1 {id}: test/accuracy, mlflow.run_id, long\n"
    by = f"just now  {AUTHOR}"
    assert mvc("note", "v1").out == (
        f"long  {by}\n    one\n\n    two\n\n"
        f"mlflow.run_id  {by}\n    5f0c=x\n\n"
        f"test/accuracy  {by}\n    0.93\n"
    )
    assert mvc("note", "v1", "--remove", "long", "test/accuracy=0.94").code == 0
    assert Repo.open(saved).show("v1").annotations == {
        "mlflow.run_id": "5f0c=x", "test/accuracy": "0.94",
    }  # fmt: skip
    assert mvc("note", "k=v").out == f"Annotated v2 {short(saved, 'v2')}: k\n", "HEAD is meant"
    assert Repo.open(saved).show("v1").id[:10] == id


def test_the_screens_of_a_version_have_them(mvc: Mvc, saved: Path) -> None:
    mvc("describe", "v1", "-m", "The one of the paper.", "-m", "Second paragraph.")
    mvc("note", "v1", "test/accuracy=0.93", "table=a\nb\nc", f"long={'x' * 80}")
    shown = mvc("show", "v1").out
    assert (
        "\ndescription\n    The one of the paper.\n\n    Second paragraph.\nannotations\n" in shown
    )
    assert f"  long           {'x' * 59}…\n  table          a  (+2 lines)\n" in shown
    whole = mvc("log", "v1").out
    assert "    described: The one of the paper.  (+2 lines)\n" in whole
    assert "    annotated: long, table, test/accuracy\n" in whole
    oneline = mvc("log", "--oneline").out.splitlines()
    assert [" [annotated] " in line for line in oneline] == [False, True]
    found = mvc("log", "--oneline", "--where", "note.test/accuracy>0.9").out
    assert found.startswith("v1 ") and found.count("\n") == 1
    assert "no version has 'note.acc'" in mvc("log", "--where", "note.acc=1", code=2).err
    card = mvc("card", "v1").out
    assert "\nThe one of the paper.  \n\nSecond paragraph.  \n" in card
    assert "## Annotations\n" in card and "| test/accuracy | 0.93 |" in card
    assert "Annotations" not in mvc("card", "v2").out
    html = mvc("card", "v1", "--html").out
    assert "<p>The one of the paper." in html


def test_json_documents(mvc: Mvc, saved: Path) -> None:
    mvc("note", "v1", "k=x")
    for words in (("show", "v1"), ("card", "v1")):
        assert mvc(*words, "--json").json["annotations"] == {"k": "x"}
    assert [v["annotations"] for v in mvc("log", "--json").json["versions"]] == [{}, {"k": "x"}]
    document = mvc("note", "v1", "more=y", "--json").json
    assert (document["number"], [a["key"] for a in document["annotations"]]) == (1, ["k", "more"])
    (first, _) = document["annotations"]
    assert (first["text"], first["author"]) == ("x", AUTHOR)
    assert datetime.now(UTC) - datetime.fromisoformat(first["time"]) < timedelta(minutes=5)
    made = mvc("describe", "-m", "text", "--json").json
    assert (made["description"], made["message"], made["number"]) == ("text", "second", 2)
    assert mvc("describe", "v1", "--json").json["description"] is None


def test_descriptions(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    id = short(saved, "v2")
    assert mvc("describe").out == "v2 has no description.  mvc describe v2 -m TEXT\n"
    assert mvc("describe", "-m", "Text").out == f"Described v2 {id}\n"
    assert mvc("describe").out == f"Text\nv2, described just now by {AUTHOR}\n"
    assert mvc("describe", "-q").out == "Text\n"
    assert mvc("undo").code == 0
    assert "no description" in mvc("describe").out
    (tmp_path / "text.md").write_text("From a file\n")
    mvc("describe", "v1", "-F", str(tmp_path / "text.md"))
    assert mvc("describe", "v1", "-q").out == "From a file\n"
    said = mvc("describe", "v1", "-m", "").out
    assert said == f"Removed the description of v1 {short(saved, 'v1')}\n"
    assert Repo.open(saved).show("v1").message == "first"
    assert "exclude each other" in mvc("describe", "-m", "x", "-F", "-", code=2, input="y").err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("v1", "v2"), 2, "'v2' is no KEY=TEXT"),
        (("v1", "a=1", "a=2"), 2, "a is there twice"),
        (("v1", "a=1", "--remove", "a"), 2, "a is written and removed at once"),
        (("v1", "--remove", "a"), 1, "v1 has no annotation 'a'"),
        (("v1", " a=1"), 2, "' a' cannot be the key of an annotation"),
        (("v1", "a=\x1b[2J"), 2, "has the character U+001B"),
        (("v1", f"a={'x' * 24_577}"), 2, "the text of a has 24,577 bytes"),
        (("v0", "a=1"), 1, "there is nothing to annotate"),
        (("nowhere", "a=1"), 1, "nowhere"),
    ],
)
def test_what_is_refused(
    mvc: Mvc, saved: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    before = Repo.open(saved)._core.store.changes()
    assert said in mvc("note", *words, code=code).err
    assert Repo.open(saved)._core.store.changes() == before


def test_push_and_pull_tell_how_many(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    hub, other = str(tmp_path / "hub"), str(tmp_path / "other")
    mvc("init", "--bare", hub)
    mvc("remote", "add", "origin", hub)
    mvc("note", "v1", "a=1", "b=2")
    assert "\n  2 annotations\n" in mvc("push", "--dry-run").out
    assert "\n  2 annotations\n" in mvc("push").out
    assert mvc("push").out == "Everything is up to date at origin\n"
    mvc("clone", hub, other)
    mvc("-C", other, "note", "v1", "c=3")
    mvc("-C", other, "push")
    assert "\n  1 annotation\n" in mvc("-C", str(saved), "pull").out
    assert Repo.open(saved).show("v1").annotations == {"a": "1", "b": "2", "c": "3"}
    mvc("-C", hub, "note", "v1", "d=4")
    mvc("-C", str(saved), "fetch")
    assert Repo.open(saved).annotations("v1")["d"] == "4"


def test_from_python(saved: Path) -> None:
    repo = Repo.open(saved, author="Bob <bob@example.org>")
    made = repo.annotate("v1", {"b": "2", "a": "1", "gone": None})
    assert dict(made) == {"a": "1", "b": "2"} and len(made) == 2 and "gone" not in made
    assert list(made) == ["a", "b"]
    entry = made.entries[0]
    assert isinstance(entry, Annotation)
    assert (entry.key, entry.text, entry.author) == ("a", "1", "Bob <bob@example.org>")
    assert datetime.now(UTC) - entry.time < timedelta(minutes=5)
    assert (made.version, made.number) == (repo.resolve("v1"), 1)
    assert repo.annotations("v1") == made == pickle.loads(pickle.dumps(made))
    with pytest.raises(KeyError):
        made["c"]
    assert made.get("c") is None
    assert json.dumps(repo.show("v1").annotations) == '{"a": "1", "b": "2"}'
    assert [dict(v.annotations) for v in repo.log()] == [{}, {"a": "1", "b": "2"}]
    assert [v.number for v in repo.find("note.a = 1")] == [1]
    assert repo.blame("lr", "v1").version.annotations == {"a": "1", "b": "2"}
    with pytest.raises(UsageError):
        repo.annotate("v1", {"k": 1})  # type: ignore[dict-item]
    with pytest.raises(Failure):
        repo.annotate("v0", {"k": "1"})
    repo.close()
