"""What users of git, DVC and jj type by habit: it works, or the answer is a command that is here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mvc import Failure, NoRepository, RemoteUnreachable, Repo
from mvc.cli import habits
from mvc.cli.examples import EXAMPLES
from mvc.cli.main import cli
from mvc.cli.verbs import SUMMARIES
from mvcd.objects.version import Trigger
from mvcd.repo.change import commit
from mvcd.repo.core.configkeys import KEYS
from tests.support.commandline import FIRST, Mvc, write

WORDS = re.compile(r"\bmvc ([a-z][a-z-]*)((?: [^\s,;:()]+)*)")


def commands(said: str) -> list[tuple[str, list[str]]]:
    """Verbs that an answer names, with the words behind each."""
    return [(verb, rest.split()) for verb, rest in WORDS.findall(said)]


def options_of(command: click.Command) -> set[str]:
    """Those of its own, and the ones that every verb takes."""
    own = [p for p in command.params if isinstance(p, click.Option)]
    found = {opt for p in own for opt in p.opts}
    if isinstance(command, click.Group):
        for below in command.commands.values():
            found |= options_of(below)
    return found


def command_named(words: str) -> click.Command:
    """The command of a verb, or of one below a group."""
    command: click.Command | None = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(cli), word)
    assert command is not None
    return command


ANSWERS = [
    *((f"mvc {verb}", said) for verb, said in habits.VERBS.items()),
    *((f"mvc {verb} {option}", said) for (verb, option), said in habits.OPTIONS.items()),
]


@pytest.mark.parametrize("said", [said for _, said in ANSWERS], ids=[typed for typed, _ in ANSWERS])
def test_an_answer_names_only_what_is_there(said: str) -> None:
    for verb, rest in commands(said):
        if verb.startswith("mvc"):
            continue
        assert verb in SUMMARIES, said
        command = command_named(verb)
        for word in rest:
            if word.startswith("-"):
                assert word in options_of(command), said
        if isinstance(command, click.Group) and rest and rest[0].islower():
            assert rest[0] in command.commands, said


def leaves(
    words: tuple[str, ...], command: click.Command | None
) -> Iterator[tuple[str, click.Command]]:
    assert command is not None
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves((*words, name), command.get_command(context, name))
    if words and not isinstance(command, click.Group):
        yield " ".join(words), command


LEAVES = dict(leaves((), cli))


@pytest.mark.parametrize("words", LEAVES)
def test_each_verb_has_an_example_that_it_would_take(words: str) -> None:
    """Words and options of each example are parsed by the verb itself."""
    command, above = LEAVES[words], click.Context(cli, **cli.context_settings)
    lines = list(EXAMPLES.get(words, {}))
    lines += re.findall(rf"^ *(mvc {words}(?: .*)?)$", command.help or "", re.MULTILINE)
    lines += re.findall(rf"\bmvc {words}\b", command.help or "")
    assert lines
    for shown in EXAMPLES.get(words, {}):
        line = shown.partition(" > ")[0]
        assert line == f"mvc {words}" or line.startswith(f"mvc {words} ")
        given = shlex.split(line)[1 + len(words.split()) :]
        command.make_context(words, given, parent=above)  # click keeps the help option of the first


def test_examples_are_of_verbs_that_are_there() -> None:
    assert EXAMPLES.keys() <= LEAVES.keys()


def test_habits_are_words_that_are_not_ours() -> None:
    assert not habits.VERBS.keys() & SUMMARIES.keys()
    for verb, option in habits.OPTIONS:
        command = command_named(verb)
        assert option not in options_of(command), (verb, option)


def test_a_habit_is_answered_with_the_command_here(mvc: Mvc, saved: Path) -> None:
    refused = mvc("reflog", code=2)
    assert refused.err == "error: there is no verb 'reflog'\nhelp: mvc op log\n"
    assert "help: everything under care is saved always" in mvc("commit", "-am", "x", code=2).err
    assert "help: mvc push --force-with-lease" in mvc("push", "-f", code=2).err
    assert "help: mvc push REMOTE :NAME" in mvc("push", "origin", "--delete", "x", code=2).err
    assert "help: mvc remote add origin URL" in mvc("remote", "add", "-d", "o", "u", code=2).err
    assert "did you mean mvc bisect?" in mvc("bisec", code=2).err


# -------------------------------------------------------------------- single files


@pytest.mark.parametrize(
    "words", [("restore",), ("checkout",), ("checkout", "--"), ("restore", "--")]
)
def test_a_file_alone_comes_back_as_last_saved(
    mvc: Mvc, saved: Path, words: tuple[str, ...]
) -> None:
    before = (saved / "params.yaml").read_bytes()
    write(saved, {"params.yaml": "lr: 9"})
    mvc(*words, "params.yaml")
    assert (saved / "params.yaml").read_bytes() == before
    os.remove(saved / "params.yaml")
    mvc(*words, "params.yaml")
    assert (saved / "params.yaml").read_bytes() == before
    mvc("undo")
    assert not (saved / "params.yaml").exists()


def test_a_file_of_a_version_comes_back_by_checkout(mvc: Mvc, saved: Path) -> None:
    mvc("checkout", "v1", "--", "params.yaml")
    assert (saved / "params.yaml").read_text() == FIRST["params.yaml"]
    assert "On branch main, at v2" in mvc("status").out


def test_what_is_neither_version_nor_file_is_said_so(mvc: Mvc, saved: Path) -> None:
    assert (
        "nothere is no version, and no file here or in HEAD"
        in mvc("restore", "nothere", code=2).err
    )
    assert "no version is named 'nothere'" in mvc("checkout", "nothere", code=1).err
    assert "which paths?" in mvc("restore", "v1", code=2).err
    assert "mvc cat REV:PATH" in mvc("show", "HEAD:params.yaml", code=1).err


def test_a_file_that_was_deleted_is_found_again(mvc: Mvc, saved: Path) -> None:
    (saved / "params.yaml").unlink()
    mvc("commit", "-m", "gone")
    said = mvc("restore", "params.yaml", code=1).err
    assert "HEAD has no params.yaml" in said
    assert "v2 had it last" in said
    assert "mvc log params.yaml" in mvc("cat", "params.yaml", code=1).err
    command = said.split("help: mvc ")[1].split("  (")[0]
    assert "1 file written" in mvc(*command.split()).out
    assert "kept" not in mvc(*command.split()).out  # the second time there is nothing to overwrite
    mvc("restore", "v1", ".")
    assert "HEAD has no nowhere" in mvc("restore", "--source", "HEAD", "nowhere", code=1).err


def test_which_paths(mvc: Mvc, saved: Path) -> None:
    assert "which version?" in mvc("checkout", code=2).err


def test_a_branch_goes_before_a_file_of_its_name(mvc: Mvc, saved: Path) -> None:
    mvc("branch", "params.yaml", "v1")
    assert "On branch params.yaml, at v1" in mvc("checkout", "params.yaml").out
    assert "On branch main" in mvc("switch", "-").out


def test_a_version_is_no_branch(mvc: Mvc, saved: Path) -> None:
    assert "mvc checkout v1  (that version)" in mvc("switch", "v1", code=1).err
    assert "mvc switch -c nowhere" in mvc("switch", "nowhere", code=1).err


def test_a_branch_of_a_remote_goes_before_a_file_of_its_name(
    mvc: Mvc, saved: Path, tmp_path: Path
) -> None:
    mvc("branch", "data", "v1")
    mvc("clone", str(saved), str(tmp_path / "copy"))
    os.chdir(tmp_path / "copy")
    assert (tmp_path / "copy" / "data").is_dir()
    assert "On branch data, at v1" in mvc("checkout", "data").out


# -------------------------------------------------------------------- back and forth


def test_dash_is_where_head_was(mvc: Mvc, saved: Path) -> None:
    assert "HEAD has been nowhere else" in mvc("switch", "-", code=1).err
    mvc("switch", "-c", "side", "v1")
    assert "On branch main, at v2" in mvc("switch", "-").out
    assert "On branch side, at v1" in mvc("checkout", "-").out
    mvc("switch", "main")
    mvc("checkout", "v1")
    assert "On branch main" in mvc("switch", "-").out
    assert "On an old version, at v1" in mvc("switch", "-").out
    mvc("switch", "main")
    mvc("branch", "-D", "side")
    assert "On an old version, at v1" in mvc("switch", "-").out


# -------------------------------------------------------------------- pull


def test_pull_merges_when_it_is_told_to(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("clone", str(saved), str(tmp_path / "copy"))
    write(saved, {"params.yaml": "lr: 7\n"})
    mvc("commit", "-m", "theirs")
    os.chdir(tmp_path / "copy")
    write(tmp_path / "copy", {"model.py": "layers = 9\n"})
    mvc("commit", "-m", "ours")
    assert "or at once: mvc pull --merge" in mvc("pull", code=1).err
    assert "[main] v4 " in mvc("pull", "--merge").out
    assert (tmp_path / "copy" / "params.yaml").read_text() == "lr: 7\n"
    assert (tmp_path / "copy" / "model.py").read_text() == "layers = 9\n"
    assert "main is up to date" in mvc("pull", "--merge").out


def test_pull_names_conflicts(mvc: Mvc, saved: Path, tmp_path: Path) -> None:
    mvc("clone", str(saved), str(tmp_path / "copy"))
    write(saved, {"params.yaml": "lr: 7\n"})
    mvc("commit", "-m", "theirs")
    os.chdir(tmp_path / "copy")
    write(tmp_path / "copy", {"params.yaml": "lr: 8\n"})
    mvc("commit", "-m", "ours")
    refused = mvc("pull", "--merge", code=1).err
    assert "conflict  params.yaml" in refused
    assert "help: mvc merge origin/main --ours params.yaml" in refused
    mvc("pull", "--merge", "--theirs", "params.yaml")
    assert (tmp_path / "copy" / "params.yaml").read_text() == "lr: 7\n"
    assert "go with --merge" in mvc("pull", "--theirs", "x", code=2).err


# -------------------------------------------------------------------- log


def test_log_takes_paths(mvc: Mvc, saved: Path) -> None:
    write(saved, {"data/third.csv": "x\n"})
    mvc("commit", "-m", "third")
    assert [line.split()[0] for line in mvc("log", "data", "--oneline").out.splitlines()] == [
        "v3",
        "v2",
        "v1",
    ]
    assert "v3" not in mvc("log", "params.yaml", "--oneline").out
    assert "v3" in mvc("log", "params.yaml", "data/third.csv", "--oneline").out
    os.chdir(saved / "data")
    assert mvc("log", "third.csv", "--oneline").out.startswith("v3 ")
    assert mvc("log", "v2", "--", "third.csv", "--oneline").out == ""


def test_log_finds_a_file_that_is_gone(mvc: Mvc, saved: Path) -> None:
    os.remove(saved / "params.yaml")
    mvc("commit", "-m", "gone")
    assert mvc("log", "params.yaml", "--oneline").out.startswith("v3 ")
    assert "no version is named 'never-was'" in mvc("log", "never-was", code=1).err


GRAPH = """\
* v5 (HEAD -> main) five
*   v4 merge side
├─╮
│ * v3 (side) side two
│ * side one
* │ v2 two
├─╯
* v1 one
"""


def test_log_draws_how_lines_part_and_merge(mvc: Mvc, work: Path) -> None:
    mvc("init")
    write(work, {"a": "1", "b": "1"})
    mvc("add", ".")
    mvc("commit", "-m", "one")
    write(work, {"a": "2"})
    mvc("commit", "-m", "two")
    mvc("checkout", "-b", "side", "v1")
    for text in ("side one", "side two"):
        write(work, {"b": text})
        mvc("commit", "-m", text)
    mvc("switch", "main")
    mvc("merge", "side", "-m", "merge side")
    write(work, {"a": "3"})
    mvc("commit", "-m", "five")
    drawn = mvc("log", "--graph", "--oneline").out
    assert re.sub(r" [0-9a-f]{10}", "", drawn) == GRAPH
    theirs = next(line for line in drawn.splitlines() if "side one" in line).split()[2]
    mvc("switch", "side")
    assert f"v2 {theirs} " in mvc("log", "--oneline").out
    mvc("switch", "main")
    whole = mvc("log", "--graph").out.splitlines()
    assert any(re.fullmatch(r"│ │ +side one", line) for line in whole), whole
    assert "--graph shows every version" in mvc("log", "--graph", "a", code=2).err


# -------------------------------------------------------------------- picks, stash


def test_cherry_pick_and_revert(mvc: Mvc, saved: Path) -> None:
    mvc("switch", "-c", "side")
    write(saved, {"params.yaml": "lr: 7\n"})
    mvc("commit", "-m", "a better rate")
    mvc("switch", "main")
    assert mvc("cherry-pick", "side").out.startswith("[main] v3 ")
    assert (saved / "params.yaml").read_text() == "lr: 7\n"
    assert "(cherry-picked from v3 " in mvc("log", "-n", "1").out
    assert "nothing of side to take over" in mvc("cherry-pick", "side", code=1).err
    mvc("revert", "HEAD")
    assert (saved / "params.yaml").read_text() != "lr: 7\n"
    write(saved, {"params.yaml": "lr: 8\n"})
    mvc("commit", "-m", "another rate")
    refused = mvc("cherry-pick", "side", code=1).err
    assert "conflict  params.yaml  hyperparameters  changed here, changed there" in refused
    assert mvc("cherry-pick", "side", "--json", code=1).err.startswith('{"schema_version": 1')
    done = mvc("cherry-pick", "side", "--theirs", "params.yaml", "--json").json
    assert done["resolved"][0]["side"] == "theirs"
    assert done["commit"]["number"] == 6


def test_stash(mvc: Mvc, saved: Path) -> None:
    before = (saved / "params.yaml").read_text()
    assert "There are none." in mvc("stash", "list").out
    assert "there is no unsaved work" in mvc("stash", code=1).err
    write(saved, {"params.yaml": "lr: 7\n"})
    assert "Put aside as stash 1: half of it\n" in mvc("stash", "-m", "half of it").out
    assert (saved / "params.yaml").read_text() == before
    write(saved, {"params.yaml": "lr: 8\n"})
    mvc("stash", "push")
    listed = mvc("stash", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == ["2", "1"]
    assert listed[0].endswith("work on main, at v2")
    assert "lr      0.05  ->  7" in mvc("stash", "show", "1").out
    assert mvc("stash", "show", "--json").json["hyperparameters"]
    assert "it is still there" in mvc("stash", "apply", "1").out
    assert (saved / "params.yaml").read_text() == "lr: 7\n"
    assert "would overwrite unsaved work in params.yaml" in mvc("stash", "pop", code=1).err
    mvc("restore", ".")
    assert mvc("stash", "pop", "--json").json["stash"]["number"] == 2
    assert mvc("stash", "drop").out == "Dropped stash 1: half of it\n"
    assert "there is no stash 1" in mvc("stash", "drop", "1", code=1).err
    assert "there is no stash" in mvc("stash", "show", code=1).err
    mvc("undo")
    assert mvc("stash", "list").out.startswith("1 ")
    mvc("du")


# -------------------------------------------------------------------- what is not there


def test_a_missing_directory_is_said_to_be_missing(mvc: Mvc, work: Path) -> None:
    assert f"error: there is no directory {work}/gone" in mvc("watch", "gone", code=10).err
    assert "cause: there is no such directory" in mvc("clone", str(work / "gone"), "x", code=13).err
    with pytest.raises(Failure, match=f"{work}/gone does not exist") as caught:
        Repo("gone")
    assert caught.value.help == f"mkdir -p {work}/gone"
    assert caught.value.__context__ is None


def test_a_misspelt_directory_does_not_mean_the_workspace(saved: Path, mvc: Mvc) -> None:
    with pytest.raises(NoRepository, match="there is no directory"):
        Repo.open(saved / "mising")
    assert "there is no directory" in mvc("watch", "mising", code=10).err


def test_a_written_page_makes_its_directory(saved: Path, mvc: Mvc) -> None:
    mvc("card", "-o", "../a/b/card.md")
    assert (saved / "../a/b/card.md").is_file()
    (saved / "../a/file").write_text("")
    refused = mvc("card", "-o", "../a/file/card.md", code=1).err
    assert "a/file" in refused and ".tmp" not in refused


def test_no_error_brings_another_librarys_along(saved: Path) -> None:
    """What a library raised is told in the cause; a traceback of two errors tells none."""
    with pytest.raises(RemoteUnreachable) as caught, Repo.open(saved) as repo:
        repo.push(remote="grpc://127.0.0.1:9/iris")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_doctor_tells_of_another_projects_mvc(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "site" / "mvc-2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: mvc\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(str(other.parent))
    told = mvc("doctor", code=1).out
    assert "another project's package mvc 2.0 is installed over this one's" in told


# -------------------------------------------------------------------- safe by default


def test_git_beside_mvc_does_not_see_the_store(mvc: Mvc, work: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    mvc("init")
    write(work, {"a": "1"})
    mvc("add", ".")
    mvc("commit", "-m", "one")
    said = subprocess.run(["git", "status", "--short"], capture_output=True, text=True, check=True)
    assert said.stdout == "?? a\n"


def test_a_secret_is_told_when_it_is_first_saved(mvc: Mvc, saved: Path) -> None:
    write(saved, {".env": "TOKEN=1", "wandb/run/x.json": "{}"})
    told = mvc("commit", "-m", "x")
    assert (
        "warning: .env is saved too: a secret, by its name. To leave it out: mvc undo" in told.err
    )
    assert "wandb/ is saved too: records of Weights & Biases" in told.err
    write(saved, {".env": "TOKEN=2"})
    assert mvc("commit", "-m", "y").err == ""


def test_an_ignored_path_that_is_named_is_told(mvc: Mvc, work: Path) -> None:
    mvc("init")
    write(work, {".mvcignore": "*.bin\n", "a.bin": "1", "b.txt": "1"})
    told = mvc("add", "a.bin", "b.txt").err
    assert told == (
        "warning: a.bin is left out by .mvcignore:1: *.bin, and tracked since you name it: mvc untrack a.bin\n"
    )


# -------------------------------------------------------------------- settings


def test_settings_are_a_schema(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine.toml"))
    refused = mvc("config", "set", "user.nam", "Ada", code=2).err
    assert "cause: did you mean user.name?" in refused
    assert "is true or false" in mvc("config", "set", "commit.sign", "perhaps", code=2).err
    mvc("config", "set", "user.name", "Ada")
    mvc("config", "set", "--user", "user.name", "Grace")
    listed = mvc("config", "list", "--show-origin").out.splitlines()
    assert f"{saved}/.mvc/config.toml  user.name = Ada" in listed
    assert listed[-1].split() == [str(tmp_path / "mine.toml"), "user.name", "=", "Grace"]
    shown = mvc("config", "--help").out
    assert [key.name for key in KEYS if not key.internal and key.name not in shown] == []


def test_a_key_of_mvc_toml_that_means_nothing_is_told(mvc: Mvc, saved: Path) -> None:
    write(saved, {"mvc.toml": "[metrics]\nmian = 'a'\n"})
    said = "'mian' in [metrics] means nothing; did you mean main?"
    assert said in mvc("status").out
    assert said in mvc("commit", "-m", "x", code=1).err
    assert said in mvc("doctor", code=1).out


# -------------------------------------------------------------------- status, amend, aliases


def test_short_status(mvc: Mvc, saved: Path) -> None:
    write(saved, {"params.yaml": "lr: 1", "new.txt": "n"})
    os.remove(saved / "data" / "train.csv")
    assert mvc("status", "-s").out.splitlines() == [
        "M  params.yaml",
        "A  new.txt",
        "D  data/train.csv",
    ]


def test_amend_writes_the_message_beside_the_version(mvc: Mvc, saved: Path) -> None:
    id = mvc("log", "--oneline", "-n", "1").out.split()[1]
    mvc("commit", "--amend", "-m", "better words")
    shown = mvc("log", "-n", "1").out
    assert id in shown
    assert "described: better words" in shown
    write(saved, {"params.yaml": "lr: 1"})
    refused = mvc("commit", "--amend", "-m", "more", code=1).err
    assert "there are changes, and --amend takes only a message" in refused
    assert "described: better words" in mvc("log", "-n", "1").out


def test_a_message_goes_to_the_version_that_mvcd_made_of_this_state(mvc: Mvc, saved: Path) -> None:
    write(saved, {"params.yaml": "lr: 3\n"})
    with Repo(saved) as repo:
        context = repo._context()
        commit.commit(repo._core, "checkpoint", context=context, trigger=Trigger.AUTO)
    assert mvc("commit", "-m", "the good one").out.startswith(
        "This state is saved already: your message is on v3 "
    )
    assert "described: the good one" in mvc("log", "-n", "1").out
    assert "nothing to commit" in mvc("commit", "-m", "another", code=1).err


def test_aliases(mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine.toml"))
    mvc("config", "set", "--user", "alias.lg", "log --oneline")
    mvc("config", "set", "--user", "alias.one", "lg -n 1")
    assert len(mvc("lg").out.splitlines()) == 2
    assert len(mvc("one").out.splitlines()) == 1
    mvc("config", "set", "alias.one", "lg -n 2")
    assert len(mvc("one").out.splitlines()) == 2
    monkeypatch.chdir("/")
    assert len(mvc("-C", str(saved), "one").out.splitlines()) == 2
    mvc("config", "set", "--user", "alias.log", "status")
    assert "second" in mvc("-C", str(saved), "log").out


@pytest.mark.parametrize(
    "said, cause",
    [
        ("b", "leads back to itself: a -> b -> a"),
        ("", "it is empty"),
        ("log 'x", "no closing quotation"),
    ],
)
def test_an_alias_that_makes_no_sense(
    mvc: Mvc, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, cause: str
) -> None:
    monkeypatch.setenv("MVC_CONFIG", str(tmp_path / "mine.toml"))
    mvc("config", "set", "--user", "alias.a", said)
    mvc("config", "set", "--user", "alias.b", "a")
    assert cause in mvc("a", code=2).err
