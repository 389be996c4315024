"""Stages: who held them when, by which proof; that histories only grow and show what was done to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvcd.errors import Conflict, CorruptObject, Failure, MissingObject, UsageError
from mvcd.ids import Kind
from mvcd.objects.promotion import Promotion, Step
from mvcd.repo.records import stages
from mvcd.repo.records.results import Context
from mvcd.repo.records.stages import ref_name
from mvcd.repo.release.gate import GateFailed
from mvcd.repo.release.promotion import compensation
from mvcd.store.api import RefUpdate
from tests.repo.keys import make_key, trust
from tests.support.engine import Repository
from tests.support.memory import in_memory
from tests.support.workspace import Bench

DAY = 86_400_000_000


@pytest.fixture
def three(bench: Bench) -> Iterator[Bench]:
    """Versions v1 to v3 with val_acc 0.9, 0.93, 0.95."""
    for accuracy in (0.9, 0.93, 0.95):
        bench.save({"metrics.json": f'{{"val_acc": {accuracy}}}', "w.bin": f"{accuracy}" * 100})
    yield bench


def promote(
    bench: Bench, rev: str, stage: str = "production", **options: object
) -> stages.StageRecord:
    return bench.repo.promote(rev, stage, context=bench.context(), **options)  # type: ignore[arg-type]


def steps(bench: Bench, stage: str = "production") -> list[tuple[int, str, int]]:
    found = bench.repo.stage_history(stage)
    return [(r.promotion.number, r.promotion.step.name.lower(), r.generation) for r in found][::-1]


def store(bench: Bench) -> stages.Store:
    return bench.repo._core.store


# -------------------------------------------------------------------- promotion and the gate


def test_a_promotion_says_who_when_why_and_by_what(three: Bench) -> None:
    made = promote(three, "v2", require=["val_acc>=0.93"], reason="good enough").promotion
    assert made.version == three.repo.resolve("v2") == three.repo.resolve("production")
    assert made.author == "Ada Lovelace <ada@example.org>" and made.reason == "good enough"
    (requirement,) = made.requirements
    assert requirement.expression == "val_acc>=0.93" and requirement.found == {"val_acc": 0.93}
    assert "stage: production" in three.repo.show("v2").refs


def test_the_gate_refuses_and_says_each_requirement(three: Bench) -> None:
    with pytest.raises(GateFailed) as caught:
        promote(three, "v1", require=["val_acc>=0.93", "val_acc>0"])
    assert [(c.expression, c.met) for c in caught.value.checked] == [
        ("val_acc>=0.93", False), ("val_acc>0", True),
    ]  # fmt: skip
    assert caught.value.cause == "val_acc>=0.93: val_acc is 0.9"
    assert three.repo.stages() == ()


def test_rules_of_the_workspace_hold_for_their_stage(three: Bench) -> None:
    three.write({"mvc.toml": '[stages.production]\nrequire = ["val_acc>=0.93"]\n'})
    with pytest.raises(GateFailed):
        promote(three, "v1")
    promote(three, "v1", "staging")
    made = promote(three, "v2", require=["val_acc>=0.93", "val_acc<1"]).promotion
    assert [(r.expression, r.rule) for r in made.requirements] == [
        ("val_acc>=0.93", True), ("val_acc<1", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "table",
    [
        'stages = "production"',
        "[stages]\nproduction = 3",
        "[stages.production]\nrequire = 3",
        "[stages.production]\nrequire = [3]",
        '[stages.production]\nsigned = "yes"',
        "[stages.production]\nrequires = []",
        '[stages.production]\nrequire = ["val_acc"]',
    ],
)
def test_a_rule_that_cannot_be_understood_stops_a_promotion(three: Bench, table: str) -> None:
    three.write({"mvc.toml": table})
    with pytest.raises(Failure, match=r"table of mvc\.toml is wrong"):
        promote(three, "v2")


def test_a_signature_where_the_rule_asks_for_one(three: Bench, tmp_path: Path) -> None:
    three.write({"mvc.toml": "[stages.production]\nsigned = true\n"})
    ours, strange = make_key(tmp_path, "ours"), make_key(tmp_path, "strange")
    ask = {"trust": lambda: trust(ours.line())}
    with pytest.raises(GateFailed, match="v2 may not hold production") as caught:
        promote(three, "v2", **ask)
    assert caught.value.cause == "it has no good signature"
    three.repo.sign("v2", context=three.context(), signer=strange.signer)
    with pytest.raises(GateFailed) as caught:
        promote(three, "v2", **ask)
    assert caught.value.cause is not None and "unknown-key" in caught.value.cause
    _, fingerprint = three.repo.sign("v2", context=three.context(), signer=ours.signer)
    assert promote(three, "v2", **ask).promotion.signatures == (fingerprint,)
    with pytest.raises(GateFailed):
        promote(three, "v1")
    promote(three, "v1", "staging", trust=lambda: pytest.fail("nobody asked"))


def test_the_holder_is_the_measure(three: Bench) -> None:
    promote(three, "v2", require=["val_acc>=current"])
    with pytest.raises(GateFailed):
        promote(three, "v1", require=["val_acc>=current"])
    promote(three, "v3", require=["val_acc>=current"])


def test_who_holds_a_stage_is_not_promoted_again(three: Bench) -> None:
    promote(three, "v2")
    with pytest.raises(Failure, match="v2 holds production already"):
        promote(three, "v2")


@pytest.mark.parametrize("name", ["a/b", "HEAD", "v3", "@x", "", "a b", "a@b", ".x", "x" * 201])
def test_names_that_are_no_stages(three: Bench, name: str) -> None:
    with pytest.raises(UsageError):
        promote(three, "v2", name)


def test_the_empty_version_is_not_promoted(bench: Bench) -> None:
    with pytest.raises(Failure, match="empty version"):
        promote(bench, "HEAD")


def test_missing_content_is_named(three: Bench) -> None:
    chunk = next(
        id for id, info in store(three).ids() if id.kind is Kind.CHUNK and info.raw_size == 300
    )
    _lose(three, bytes(chunk))
    with pytest.raises(Failure) as caught:
        promote(three, "v1")
    assert (
        caught.value.kind == "missing-content"
        and caught.value.cause == "content is missing of w.bin"
    )


def _lose(bench: Bench, digest: bytes) -> None:
    """As if an object had never been fetched."""
    has = store(bench).has
    get = store(bench).get

    def without(ids: object) -> list[bool]:
        return [h and bytes(i) != digest for i, h in zip(ids, has(ids), strict=True)]  # type: ignore[call-overload]

    def absent(id: object) -> bytes:
        if id == digest:
            raise MissingObject("gone")
        return get(id)  # type: ignore[arg-type]

    store(bench).has = without  # type: ignore[method-assign,assignment]
    store(bench).get = absent  # type: ignore[method-assign,assignment]


def test_a_missing_recipe_or_manifest_is_named(three: Bench) -> None:
    root = next(
        r.root for r in three.repo.version(three.repo.resolve("v2")).components.values() if r.root
    )
    _lose(three, bytes(root))
    with pytest.raises(Failure, match="not whole here") as caught:
        promote(three, "v2")
    assert caught.value.cause is not None and "the list of" in caught.value.cause


# -------------------------------------------------------------------- rollback, withdrawal, undo


def test_rollback_brings_the_one_before_back_and_twice_the_one_before_that(three: Bench) -> None:
    for rev in ("v1", "v2", "v3"):
        promote(three, rev)
    for wanted in (2, 1):
        made = three.repo.stage_rollback("production", context=three.context())
        assert made.generation == wanted
    with pytest.raises(Failure, match="no other version held"):
        three.repo.stage_rollback("production", context=three.context())
    assert steps(three) == [
        (1, "promote", 1), (2, "promote", 2), (3, "promote", 3), (4, "rollback", 2), (5, "rollback", 1),
    ]  # fmt: skip
    assert three.repo.stage_check("production").ok


def test_rollback_to_a_record(three: Bench) -> None:
    for rev in ("v1", "v2", "v3"):
        promote(three, rev)
    made = three.repo.stage_rollback("production", to=1, context=three.context())
    assert (made.generation, made.promotion.restores) == (1, 1)
    again = three.repo.stage_rollback("production", to=3, context=three.context())
    assert again.generation == 3
    for number in (0, 9):
        with pytest.raises(Failure, match=f"no record {number}"):
            three.repo.stage_rollback("production", to=number, context=three.context())
    with pytest.raises(Failure, match="already"):
        three.repo.stage_rollback("production", to=5, context=three.context())


def test_a_withdrawn_stage_has_no_holder_until_it_is_brought_back(three: Bench) -> None:
    promote(three, "v2")
    three.repo.stage_withdraw("production", context=three.context(), reason="leaks")
    with pytest.raises(Failure, match="no version holds stage 'production'") as caught:
        three.repo.resolve("production")
    assert caught.value.cause is not None and "leaks" in caught.value.cause
    with pytest.raises(Failure):
        three.repo.stage_withdraw("production", context=three.context())
    assert not three.repo.stages()[0].live
    three.repo.stage_rollback("production", context=three.context())
    assert three.repo.resolve("production") == three.repo.resolve("v2")
    assert three.repo.stage_check("production").ok


def test_undo_adds_a_record_and_so_does_its_undo(three: Bench) -> None:
    promote(three, "v1")
    promote(three, "v2")
    three.repo.undo(context=three.context())
    assert three.repo.resolve("production") == three.repo.resolve("v1")
    three.repo.undo(context=three.context())
    with pytest.raises(Failure, match="no version holds"):
        three.repo.resolve("production")
    newest = next(three.repo.operations()).number
    three.repo.undo(newest, context=three.context())
    assert three.repo.resolve("production") == three.repo.resolve("v1")
    assert steps(three) == [
        (1, "promote", 1), (2, "promote", 2), (3, "rollback", 1), (4, "withdraw", 1), (5, "rollback", 1),
    ]  # fmt: skip
    assert three.repo.stage_check("production").ok


def test_undo_of_what_was_overtaken_is_refused(three: Bench) -> None:
    promote(three, "v1")
    number = next(three.repo.operations()).number
    promote(three, "v2")
    with pytest.raises(Conflict, match="cannot be undone any more"):
        three.repo.undo(number, context=three.context())
    assert len(steps(three)) == 2


def test_undo_of_another_verb_leaves_records_alone(three: Bench) -> None:
    """As a pull's: the records are other people's."""
    record = promote(three, "v1").promotion
    operation = next(three.repo.operations())
    foreign = operation._replace(verb="pull")
    assert compensation(three.repo._core, foreign, three.context()) == []
    assert stages.values(store(three), "production") == {1: record.encode()}


def test_collection_keeps_what_ever_was_on_a_stage(three: Bench) -> None:
    held = three.repo.resolve("v3")
    promote(three, "v3")
    promote(three, "v1")
    three.repo.checkout("v1", context=three.context())
    three.repo.create_branch("other", "v1", context=three.context())
    three.repo.switch("other", context=three.context())
    three.repo.delete_branch("main", context=three.context())
    three.repo.gc(context=three.context(), keep_operations_us=-DAY)
    assert three.repo.read("w.bin", held.hex()) == b"0.95" * 100
    three.repo.stage_rollback("production", context=three.context())


# -------------------------------------------------------------------- when


def at(bench: Bench, day: int, offset: int = 0) -> Context:
    return Context("Ada", time_us=day * DAY, utc_offset_minutes=offset)


def test_what_was_live_then(three: Bench) -> None:
    for day, rev in ((10, "v1"), (20, "v2")):
        three.repo.promote(rev, "production", context=at(three, day))
    three.repo.stage_withdraw("production", context=at(three, 30))
    resolve = three.repo.resolve
    assert resolve("production@{1970-01-11}") == resolve("v1")
    assert resolve("production@{1970-01-20}") == resolve("v1")
    assert resolve("@production@{1970-01-21}~1") == resolve("v1")
    assert resolve("production@{1970-01-21T00:00Z}") == resolve("v2")
    assert resolve("production@{1}") == resolve("v2") and resolve("production@{2}") == resolve("v1")
    for rev, why in (
        ("production@{1970-01-05}", "nothing had been promoted then"),
        ("production@{1970-02-05}", "no version held it then"),
        ("production@{0}", "no version held it then"),
        ("production@{7}", "not moved so often"),
        ("production@{soon}", "times are written like"),
    ):
        with pytest.raises(Failure) as caught:
            resolve(rev)
        assert caught.value.cause is not None and why in caught.value.cause
    on = three.repo.stage_history("production", at="1970-01-21")
    assert [r.promotion.number for r in on] == [2], "v1 ended as that day began"
    assert [
        r.promotion.number for r in three.repo.stage_history("production", at="1970-01-11")
    ] == [1]
    with pytest.raises(UsageError):
        three.repo.stage_history("production", at="soon")


def test_branches_understand_days_too(three: Bench) -> None:
    assert three.repo.resolve("main@{1970-01-02}") == three.repo.resolve("v3")


def test_branches_and_tags_come_first(three: Bench) -> None:
    promote(three, "v1", "main")
    three.repo.create_tag("staging", "v3", context=three.context())
    promote(three, "v2", "staging")
    resolve = three.repo.resolve
    assert resolve("main") == resolve("v3") and resolve("@main") == resolve("v1")
    assert resolve("staging") == resolve("v3") and resolve("@staging") == resolve("v2")


def test_a_near_miss_is_suggested(three: Bench) -> None:
    promote(three, "v1")
    with pytest.raises(Failure) as caught:
        three.repo.resolve("prodction")
    assert caught.value.cause == "did you mean production?"
    with pytest.raises(Failure) as caught:
        three.repo.stage_history("prod")
    assert caught.value.cause == "the stages are production"


# -------------------------------------------------------------------- tampering


def tamper(bench: Bench, number: int, value: bytes | None) -> None:
    name = ref_name("production", number)
    store(bench).update_refs([RefUpdate(name, store(bench).ref(name), value)])


@pytest.fixture
def history(three: Bench) -> Bench:
    for rev in ("v1", "v2", "v3"):
        promote(three, rev, reason=f"because of {rev}")
    assert three.repo.stage_check("production").ok
    return three


def test_a_changed_reason_is_found(history: Bench) -> None:
    record = Promotion.decode(stages.values(store(history), "production")[2])
    tamper(history, 2, replace(record, reason="because it was Monday").encode())
    assert history.repo.stage_check("production").problems == (
        "record 2 is not the one that record 3 followed",
    )


def test_a_changed_version_is_found(history: Bench) -> None:
    value = stages.values(store(history), "production")[1]
    tamper(history, 1, bytes(history.repo.resolve("v3")) + value[32:])
    assert not history.repo.stage_check("production").ok


def test_refs_that_are_no_records_are_not_looked_at(history: Bench) -> None:
    for name in (
        "stages/\x1b[31m/00000001",
        "stages/a/b/00000001",
        "stages/x/1",
        "stages/x/0000000a",
    ):
        value = bytes(history.repo.resolve("v1"))
        store(history).update_refs([RefUpdate(name, None, value)])
    assert stages.names(store(history)) == ["production"]
    assert history.repo.verify().ok


def test_verify_looks_at_histories_too(history: Bench) -> None:
    assert history.repo.verify().ok
    tamper(history, 2, None)
    (error,) = history.repo.verify().errors
    assert (error.problem, error.where) == (
        "broken history: record 2 is missing", "stage production",
    )  # fmt: skip
    tamper(history, 3, b"short")
    assert "ref stages/production/00000003" in [e.where for e in history.repo.verify().errors]


@pytest.mark.parametrize("how", ["delete", "move", "gap", "again", "other", "unchained"])
def test_no_verb_can_rewrite_a_history(history: Bench, how: str) -> None:
    core, found = history.repo._core, stages.values(store(history), "production")
    last = Promotion.decode(found[3])
    follows = replace(last, number=4, previous=last.digest)
    update = {
        "delete": RefUpdate(ref_name("production", 3), found[3], None),
        "move": RefUpdate(ref_name("production", 3), found[3], found[2]),
        "gap": RefUpdate(ref_name("production", 5), None, follows.encode()),
        "again": RefUpdate(ref_name("production", 3), None, found[3]),
        "other": RefUpdate(ref_name("staging", 4), None, follows.encode()),
        "unchained": RefUpdate(
            ref_name("production", 4), None, replace(follows, previous=b"x" * 32).encode()
        ),
    }[how]
    with pytest.raises(Conflict, match="only grows"):
        core.record(history.context(), "pull", "pull", [update])
    assert stages.values(store(history), "production") == found


def test_several_records_may_come_at_once(history: Bench) -> None:
    core, last = history.repo._core, history.repo.stage_history("production")[0].promotion
    fourth = replace(last, number=4, previous=last.digest)
    fifth = replace(last, number=5, previous=fourth.digest)
    first = replace(last, stage="staging", number=1, previous=b"")
    records = [fifth, first, fourth]
    updates = [RefUpdate(ref_name(r.stage, r.number), None, r.encode()) for r in records]
    core.record(history.context(), "pull", "pull", updates)
    assert history.repo.stage_check("production").records == 5
    assert history.repo.verify().ok
    history.repo.undo(context=history.context())
    assert history.repo.stage_check("production").records == 5, "a pull's records stay"


def test_a_missing_record_is_found(history: Bench) -> None:
    tamper(history, 2, None)
    assert history.repo.stage_check("production").problems == ("record 2 is missing",)


def test_a_record_of_another_stage_is_found(history: Bench) -> None:
    other = promote(history, "v1", "staging").promotion
    tamper(history, 1, other.encode())
    first, *_ = history.repo.stage_check("production").problems
    assert first == "record 1 was made as record 1 of 'staging'"


def test_garbage_is_found_and_nothing_trusts_it(history: Bench) -> None:
    tamper(history, 3, bytes(history.repo.resolve("v3")) + b"\xff")
    assert "record 3 cannot be read" in history.repo.stage_check("production").problems[0]
    with pytest.raises(CorruptObject):
        history.repo.resolve("production")
    with pytest.raises(CorruptObject):
        history.repo.stage_history("production")


def test_a_rollback_to_what_it_does_not_name_is_found(history: Bench) -> None:
    made = history.repo.stage_rollback("production", to=1, context=history.context()).promotion
    tamper(history, 4, replace(made, version=history.repo.resolve("v3")).encode())
    assert "but record 1 is of another" in history.repo.stage_check("production").problems[0]
    tamper(history, 4, replace(made, step=Step.WITHDRAW, restores=0).encode())
    assert "did not hold the stage" in history.repo.stage_check("production").problems[0]


# -------------------------------------------------------------------- any history


class Model:
    """What a stage should do, without records: a list of who held it after each step."""

    def __init__(self) -> None:
        self.held: list[str | None] = []
        self.origins: list[int] = []  # of each step, the promotion that it goes back to

    @property
    def holder(self) -> str | None:
        return self.held[-1] if self.held else None

    def promote(self, rev: str) -> bool:
        if self.holder == rev:
            return False
        self._add(rev, len(self.held))
        return True

    def withdraw(self) -> bool:
        if self.holder is None:
            return False
        self._add(None, len(self.held))
        return True

    def rollback(self) -> bool:
        if not self.held:
            return False
        now, end = self.holder, self.origins[-1]
        if now is None:
            end = len(self.held) - 1
        for index in range(end - 1, -1, -1):
            if self.held[index] is not None and (now is None or self.held[index] != now):
                self._add(self.held[index], self.origins[index])
                return True
        return False

    def go_back(self, length: int) -> None:
        """To where the stage stood after its first `length` steps."""
        self._add(
            *(
                (self.held[length - 1], self.origins[length - 1])
                if length
                else (None, len(self.held))
            )
        )

    def _add(self, rev: str | None, origin: int) -> None:
        self.held.append(rev)
        self.origins.append(origin)


@given(st.lists(st.sampled_from(["v1", "v2", "v3", "withdraw", "rollback", "undo"]), max_size=14))
@settings(max_examples=40, deadline=None)
def test_any_history_is_one_chain_and_only_grows(words: list[str]) -> None:
    with in_memory() as directory, Bench(directory / "x") as bench:
        for accuracy in ("1", "2", "3"):
            bench.save({"metrics.json": f'{{"acc": {accuracy}}}'})
        model, lengths = (
            Model(),
            list[int](),
        )  # the history's length before each step that can be undone
        for word in words:
            before = len(model.held)
            if _step(bench, model, lengths, word):
                assert len(model.held) == before + 1
            history = stages.values(store(bench), "production")
            assert len(history) == len(model.held)
            if model.held:
                assert bench.repo.stage_check("production").ok
            held = stages.holders(store(bench)).get("production")
            assert held == (None if model.holder is None else bench.repo.resolve(model.holder))


def _step(bench: Bench, model: Model, lengths: list[int], word: str) -> bool:
    """Does it on both; True if it was possible."""
    length = len(model.held)
    if word == "undo":
        if not lengths:
            return False
        model.go_back(lengths.pop())
        bench.repo.undo(context=bench.context())
        return True
    verb: dict[str, Callable[[], object]] = {
        "withdraw": lambda: bench.repo.stage_withdraw("production", context=bench.context()),
        "rollback": lambda: bench.repo.stage_rollback("production", context=bench.context()),
    }
    possible = model.promote(word) if word[0] == "v" else getattr(model, word)()
    if possible:
        verb.get(word, lambda: promote(bench, word))()
        lengths.append(length)
    else:
        with pytest.raises(Failure):
            verb.get(word, lambda: promote(bench, word))()
    return possible


# -------------------------------------------------------------------- at once

PROMOTER = """
import sys
from mvcd.repo.core.core import open_at
from mvcd.repo.records.results import Context
from mvcd.repo.release.promotion import promote
with open_at(sys.argv[1]) as core:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(5):
        for rev in ("v1", "v2"):
            try:
                promote(core, rev, "production", context=Context(sys.argv[2], time_us=1))
            except Exception as error:
                if getattr(error, "kind", "") not in ("holds-already", "ref-changed"):
                    raise
"""


def test_two_processes_at_once_make_one_whole_chain(three: Bench) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTER, str(three.root), who], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        for who in ("Ada", "Bob")
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        process.communicate("go\n", timeout=60)
    assert [p.returncode for p in running] == [0, 0]
    report = three.repo.stage_check("production")
    assert report.ok and report.records >= 10
    live = [r.promotion.version for r in three.repo.stage_history("production")]
    assert all(a != b for a, b in pairwise(live)), "each saw who held it before"


def test_a_record_made_meanwhile_is_a_conflict(three: Bench) -> None:
    """Two workspaces of one store do not share a lock: the store decides."""
    made = promote(three, "v1").promotion
    taken = RefUpdate(ref_name("production", 1), None, replace(made, reason="mine").encode())
    with pytest.raises(Conflict, match="has changed meanwhile"):
        store(three).update_refs([taken])


def test_history_survives_reopening(three: Bench, tmp_path: Path) -> None:
    promote(three, "v1")
    three.reopen()
    assert three.repo.stage_check("production").ok
    assert isinstance(three.repo, Repository) and os.path.isdir(three.root)
