"""Whatever the environment says, whichever streams are closed, in any locale: a command answers or says why.

Each runs as a process of its own, for all of this is decided before the first line of a verb.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.commandline import AUTHOR, Mvc
from tests.support.memory import in_memory

NOT_UTF8 = b"caf\xe9"
BAD = os.fsdecode(NOT_UTF8)
PROGRAM = [sys.executable, "-P", "-m", "mvc"]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where the machine has such a place: many commands run here that make things durable."""
    with in_memory() as directory:
        yield directory


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "MVC_RUNTIME_DIR": str(tmp_path / "run"),
        "MVC_STATE_DIR": str(tmp_path / "state"),
        "MVC_AUTHOR": AUTHOR,
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }


def run(
    *words: str | bytes, cwd: Path, env: Mapping[str, str | bytes], **options: object
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [*PROGRAM, *words], cwd=cwd, env=env, timeout=120,
        **{"capture_output": True, "stdin": subprocess.DEVNULL, **options},  # type: ignore[call-overload]
    )  # fmt: skip
    said = (done.stdout or b"") + (done.stderr or b"")
    for defect in (b"Traceback", b"defect of mvc", b"Exception ignored"):
        assert defect not in said, said.decode(errors="replace")
    assert 0 <= done.returncode < 128 and done.returncode != 120, (
        done
    )  # 120: a stream broke at the end
    return done


@pytest.fixture
def work(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "work"))


# -------------------------------------------------------------------- the environment

ODD = (
    "", "nowhere", "/nonexistent/dir", "\x01\x7f", "x" * 5000, BAD, "-1", "/dev/null",
    "a b;$(c)", "utf-8:strict", "latin-1", "en_US", "C", "9" * 24, "\u00e9",
)  # fmt: skip
VARIABLES = (
    "TZ", "HOME", "TMPDIR", "COLUMNS", "LINES", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TERM", "EDITOR",
    "VISUAL", "PAGER", "LESS", "PYTHONIOENCODING", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
    "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "USER", "LOGNAME", "SHELL", "MVC_AUTHOR", "MVC_CONFIG",
    "MVC_RUNTIME_DIR", "MVC_STATE_DIR", "MVC_TOKEN", "NO_COLOR", "FORCE_COLOR", "GIT_DIR",
    "GIT_CONFIG_GLOBAL", "PWD", "http_proxy",
)  # fmt: skip
VERBS: tuple[tuple[str, ...], ...] = (
    ("commit", "-m", "x", "--allow-empty"), ("status",), ("log",), ("log", "--json"), ("show",), ("diff", "v1"),
    ("run", "-m", "m", "--", "true"), ("watch", "--status"), ("config", "list"), ("whoami",), ("doctor",),
    ("verify",), ("gc",), ("du",), ("plot", "lr"), ("card",), ("catalogue",), ("compare", "v1", "v2"),
    ("lineage",), ("export", "v1", "OUT"), ("branch",), ("check-ignore", "a"),
    ("config", "set", "--user", "user.name", "N"), ("completion", "bash"), ("--help",), ("--version",),
)  # fmt: skip
QUICK = [
    (variable, ODD[(3 * at) % len(ODD)], VERBS[at % len(VERBS)])
    for at, variable in enumerate(VARIABLES)
]


def _at(case: tuple[str, str, Sequence[str]], work: Path, surroundings: Mapping[str, str]) -> None:
    variable, value, verb = case
    given = dict(surroundings) | {variable: value}
    for instead in {"HOME": ("MVC_STATE_DIR",), "XDG_STATE_HOME": ("MVC_STATE_DIR",)}.get(
        variable, ()
    ):
        del given[instead]
    if variable in ("USER", "LOGNAME", "GIT_CONFIG_GLOBAL"):
        del given["MVC_AUTHOR"]
    if variable == "HOME" and verb[:1] == ("config",):
        given["MVC_CONFIG"] = str(
            work.parent / "settings"
        )  # never the person's own who runs the tests
    run(*verb, cwd=work, env=given)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, id=f"{case[0]}-{case[2][0]}", marks=pytest.mark.thorough if at % 3 else ()
        )
        for at, case in enumerate(QUICK)
    ],
)
def test_an_odd_variable_is_no_defect(
    case: tuple[str, str, Sequence[str]], work: Path, surroundings: dict[str, str]
) -> None:
    _at(case, work, surroundings)


def every_pair() -> Iterator[tuple[str, str, Sequence[str]]]:
    """850 cases with every pair of variable and verb, of variable and value, and of value and verb: 2 and the
    number of values have no common divisor, and there are more variables, and more verbs, than values."""
    for i, variable in enumerate(VARIABLES):
        for k, verb in enumerate(VERBS):
            yield variable, ODD[(i + 2 * k) % len(ODD)], verb


def test_every_pair_is_one() -> None:
    cases = list(every_pair())
    for a, b, domains in (
        (0, 1, (VARIABLES, ODD)),
        (0, 2, (VARIABLES, VERBS)),
        (1, 2, (ODD, VERBS)),
    ):
        assert {(case[a], case[b]) for case in cases} == set(itertools.product(*domains))


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_no_odd_variable_is_a_defect_of_any_verb(
    template: Path, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    for case in every_pair():
        work = Path(shutil.copytree(template, tmp_path / "work"))
        _at(case, work, surroundings)
        shutil.rmtree(work)


def test_python_in_the_c_locale_without_help(work: Path, surroundings: dict[str, str]) -> None:
    """`PYTHONUTF8=0` and no coercion: names would be ASCII."""
    (work / "d\u00e9").mkdir()
    (work / "d\u00e9" / "x").write_text("1")
    env = surroundings | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run("commit", "-m", "x", cwd=work, env=env)
    listed = run("ls", cwd=work, env=env).stdout
    assert "d\u00e9/x" in listed.decode()


# -------------------------------------------------------------------- the locale


@pytest.fixture
def latin1(tmp_path: Path, surroundings: dict[str, str]) -> dict[str, str]:
    """The environment of a session whose locale is ISO-8859-1."""
    place, name = tmp_path / "locales", "en_US.ISO-8859-1"
    place.mkdir()
    with contextlib.suppress(FileNotFoundError):
        words = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(place / name)]
        subprocess.run(words, capture_output=True)
    env = surroundings | {"LOCPATH": str(place), "LC_ALL": name}
    ask = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"]
    if subprocess.run(ask, env=env, capture_output=True).stdout != b"iso8859-1\n":
        pytest.skip("no such locale can be made here (localedef)")
    return env


@pytest.mark.thorough
def test_names_are_the_same_bytes_in_every_locale(
    tmp_path: Path, surroundings: dict[str, str], latin1: dict[str, str]
) -> None:
    work = tmp_path / "names"
    work.mkdir()
    run("init", cwd=work, env=latin1)
    run("add", ".", cwd=work, env=latin1)
    (work / "\u00e9.txt").write_text("1")
    (work / "d\u00e9").mkdir()
    (work / "d\u00e9" / "\u03b1").write_text("2")
    run("commit", "-m", "caf\u00e9", cwd=work, env=latin1)
    assert run("ls", cwd=work, env=surroundings).stdout.decode().split() == [
        "d\u00e9/\u03b1",
        "\u00e9.txt",
    ]
    assert "caf\u00e9" in run("log", cwd=work, env=surroundings).stdout.decode()
    (tmp_path / "\u00e9").mkdir()
    run("clone", ".", "../\u00e9/there", cwd=work, env=latin1)
    for words in ("verify", "doctor"):
        run(words, cwd=tmp_path / "\u00e9/there", env=latin1)
    run("clone", ".", "../clone", cwd=work, env=latin1)
    found = {os.path.relpath(p, tmp_path / "clone") for p in (tmp_path / "clone").rglob("*")}
    assert {"\u00e9.txt", "d\u00e9/\u03b1"} <= found
    clean = run("status", "--json", cwd=tmp_path / "clone", env=latin1).stdout
    assert b'"clean": true' in clean or b'deleted": []' in clean


def test_a_library_user_is_told_of_the_locale(work: Path, latin1: dict[str, str]) -> None:
    program = "import mvc\ntry: mvc.Repo('.')\nexcept mvc.MvcError as e: print(e.kind, e.cause)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=work, env=latin1, capture_output=True, check=True
    )
    assert done.stdout == b"locale so the locale says: LC_ALL=en_US.ISO-8859-1\n"


def test_the_command_that_is_run_keeps_its_locale(work: Path, latin1: dict[str, str]) -> None:
    """We start again in another mode, and those whom we start do not."""
    ask = "import sys; sys.exit(0 if sys.getfilesystemencoding() == 'iso8859-1' else 1)"
    assert (
        run("run", "-m", "r", "--", sys.executable, "-c", ask, cwd=work, env=latin1).returncode == 0
    )


# -------------------------------------------------------------------- words that are not UTF-8


def test_a_run_keeps_words_that_are_not_utf8(work: Path, surroundings: dict[str, str]) -> None:
    words = ["sh", "-c", 'printf %s "$1" | od -An -tx1 > words.txt', "sh", NOT_UTF8]
    run("run", "--", *words, cwd=work, env=surroundings)
    assert (work / "words.txt").read_text().split() == ["63", "61", "66", "e9"]
    assert rb"caf\xe9" in run("log", "-n", "1", cwd=work, env=surroundings).stdout
    again = run("reproduce", "HEAD", "--yes", cwd=work, env=surroundings)
    assert again.returncode == 0, again


@pytest.mark.parametrize(
    "words",
    [
        ("commit", "--allow-empty", "-m", BAD), ("commit", "-m", "y", "--author", f"{BAD} <a@b>"),
        ("checkout", BAD), ("show", BAD), ("diff", BAD), ("log", BAD), ("log", "--where", BAD), ("add", BAD),
        ("tag", "t", "-m", BAD), ("config", "set", "user.name", BAD), ("remote", "add", "q", BAD),
        ("clone", ".", BAD), ("run", "-m", BAD, "--", "true"), ("init", BAD), (BAD,), ("--color", BAD, "log"),
        ("-C", BAD, "log"),
    ],
    ids=lambda words: ascii(" ".join(words)),
)  # fmt: skip
def test_a_word_that_is_not_utf8_is_named(words: tuple[str, ...], saved: Path, mvc: Mvc) -> None:
    said = mvc(*words, code=2).err
    assert r"caf\xe9" in said
    assert "is not UTF-8" in said


def test_a_message_that_is_not_utf8_is_refused(work: Path, surroundings: dict[str, str]) -> None:
    (work.parent / "m").write_bytes(b"\xff\xfe")
    done = run("commit", "--allow-empty", "-F", "../m", cwd=work, env=surroundings)
    assert done.returncode == 2
    assert b"the message in ../m is not UTF-8" in done.stderr


def test_a_workspace_below_a_name_that_is_not_utf8(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    work = tmp_path / BAD
    work.mkdir()
    (work / "a").write_text("1")
    for words in (
        ("init",),
        ("add", "."),
        ("commit", "-m", "1"),
        ("verify",),
        ("export", "v1", "../out"),
    ):
        assert run(*words, cwd=work, env=surroundings).returncode == 0
    assert (tmp_path / "out" / "a").read_text() == "1"
    refused = run("clone", ".", "../c", cwd=work, env=surroundings)
    assert refused.returncode == 2
    assert b"remote.origin.url" in refused.stderr


# -------------------------------------------------------------------- closed and full streams


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)], ids=str)
def test_closed_streams(closed: tuple[int, ...], work: Path, surroundings: dict[str, str]) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    (work / "model.py").write_text("layers = 4\n")
    for words in (("commit", "-m", "x"), ("log", "--json")):
        assert run(*words, cwd=work, env=surroundings, preexec_fn=close).returncode == 0
    assert run("show", "v3", cwd=work, env=surroundings).returncode == 0
    assert run("checkout", "nowhere", cwd=work, env=surroundings, preexec_fn=close).returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
@pytest.mark.parametrize(
    "words", [("log", "--json"), ("--version",), ("cat", "v1:model.py")], ids=str
)
def test_a_full_disk_behind_stdout_is_told(
    words: tuple[str, ...], work: Path, surroundings: dict[str, str]
) -> None:
    with open("/dev/full", "wb") as full:
        done = run(
            *words,
            cwd=work,
            env=surroundings,
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1
    assert b"no space left on device" in done.stderr


def test_a_device_is_never_replaced_by_a_file(work: Path, surroundings: dict[str, str]) -> None:
    """Who is root could: `MVC_CONFIG=/dev/null`, `-o /dev/null`. Here a link to it stands for it."""
    device = work.parent / "null"
    device.symlink_to(os.devnull)
    done = run(
        "config", "set", "--user", "user.name", "N", cwd=work,
        env=surroundings | {"MVC_CONFIG": str(device)},
    )  # fmt: skip
    assert done.returncode == 1
    assert b"is not a file" in done.stderr
    assert run("card", "-o", str(device), cwd=work, env=surroundings).returncode == 0
    assert device.is_symlink()
