"""Tables and keys of `mvc.toml`: what means nothing is told with what was probably meant; no commit is made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mvcd.daemon import limits
from mvcd.errors import Failure
from mvcd.objects.version import Trigger
from mvcd.repo.care import retention
from mvcd.repo.core.settingskeys import STAGE_RULES, TABLES, unknown_keys
from tests.support.workspace import Bench

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "settings.md"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[metric]\nmain = 'a'", "[metric] means nothing; did you mean [metrics]?"),
        ("[metrics]\nmian = 'a'", "'mian' in [metrics] means nothing; did you mean main?"),
        ("[watch]\nsetle = 1", "'setle' in [watch] means nothing; did you mean settle?"),
        (
            "[stages.live]\nsinged = true",
            "'singed' in [stages.live] means nothing; did you mean signed?",
        ),
        ("[digests]\nsha1 = true", "'sha1' in [digests] means nothing; did you mean git-sha1?"),
        ("author = 'x'", "author means nothing; there are bases, components,"),
        (
            "[components]\nmodels = ['a']",
            "'models' in [components] means nothing; there are architecture,",
        ),
    ],
)
def test_what_means_nothing_is_told(text: str, said: str) -> None:
    (found,) = unknown_keys(tomllib.loads(text))
    assert found.startswith(said)


def test_names_that_are_the_users_own_are_free() -> None:
    text = "[bases]\n'tunes/*' = 'base/'\n[stages.any-name]\nrequire = []\nsigned = true"
    assert list(unknown_keys(tomllib.loads(text))) == []


def test_the_example_of_the_page_has_every_table_and_no_other() -> None:
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    assert list(unknown_keys(example)) == []
    assert example.keys() == TABLES.keys()


def test_the_tables_are_those_that_are_read() -> None:
    assert TABLES["retention"] == set(retention._KEYS)
    for key in TABLES["watch"]:
        with pytest.raises((ValueError, TypeError, KeyError)):
            limits._parse({key: object()})
    with pytest.raises(ValueError, match="unknown: other"):
        limits._parse({"other": 1})
    assert {"require", "signed"} == STAGE_RULES


def test_a_commit_by_hand_is_refused_and_status_and_doctor_tell(bench: Bench) -> None:
    bench.save({"a": "1"})
    bench.write({"mvc.toml": "[metric]\nmain = 'a'\n", "a": "2"})
    with pytest.raises(
        Failure, match=r"mvc.toml: \[metric\] means nothing; did you mean \[metrics\]"
    ):
        bench.commit()
    assert bench.repo.status().unknown_settings == (
        "[metric] means nothing; did you mean [metrics]?",
    )
    checks = {check.name: check for check in bench.repo.doctor()}
    assert not checks["mvc.toml"].ok
    assert bench.commit(trigger=Trigger.AUTO).number == 2
