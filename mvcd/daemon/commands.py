"""What a process runs, by its command line: the words of the command, its interpreter's version, and whether
it is one that writes checkpoints at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

_BYSTANDERS = frozenset(
    """sh bash dash zsh fish ksh mksh ash tcsh csh busybox nu pwsh xonsh elvish login su sudo doas sshd
    vi vim vim.basic vim.tiny nvim view vimdiff nano emacs emacsclient micro hx helix kak ed joe mcedit code
    code-server codium cursor subl gedit kate zed pycharm idea node
    tmux screen zellij byobu dtach abduco mosh-server script
    cat tee ts pv head tail less more most watch man grep rg sed awk gawk mawk sort find fzf ls du df
    top htop btop nvtop nvidia-smi mc git tig lazygit gdb strace perf wandb-core pyright-langserver
    env nohup nice ionice time timeout stdbuf setsid taskset numactl chrt unbuffer systemd systemd-run
    uv uvx pixi mamba micromamba docker podman make ninja just""".split()
)
"""Shells, editors, terminal multiplexers; what looks on, or passes on what others write; what starts a program
and waits for it. All of them stand in workspaces, and hold logs open that they do not write."""

_TOOLS = frozenset(
    """mvc mvcd tensorboard jupyter jupyter-lab jupyter-notebook jupyterhub-singleuser jupyter_server
    jupyterlab wandb wandb-service gpustat nvitop ranger py-spy pylsp ruff mypy dmypy poetry pdm hatch pipenv
    conda""".split()
)
"""The same among programs in Python, ourselves first: names of scripts without ".py", and of packages."""

_LAUNCHERS = frozenset(
    """torchrun accelerate accelerate-launch deepspeed horovodrun mpirun mpiexec orterun srun
    torch.distributed.run torch.distributed.launch torch.distributed.elastic accelerate.commands.launch
    deepspeed.launcher.launch deepspeed.launcher.runner""".split()
)
"""What starts the ranks of one training. They write nothing; the ranks are one program."""

_PYTHON = re.compile(r"(?:python|pypy)(\d(?:\.\d+)?)?[td]?(?:\.exe)?")
_OF_PARENT = ("from multiprocessing.", "from joblib.externals.loky", "joblib.externals.loky")
_VERSION = r"\d+\.\d+\.\d+"
_OF_VENV = re.compile(rf"^version(?:_info)?\s*=\s*({_VERSION})", re.MULTILINE)
_OF_PATH = re.compile(rf"/(?:cpython-({_VERSION})[^/]*|versions/({_VERSION}))/bin/[^/]*$")
_OF_CONDA = re.compile(rf"python-({_VERSION})-.*\.json")
_SITE = re.compile(r"(/.*)/lib/python\d\.\d+/site-packages/")
_LIBRARY = re.compile(r"/libpython(\d\.\d+)")


def words(exe: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Returns the words as a Python program finds them in sys.argv, the first without its directory; of `python
    -m pkg.train` the name of the module, since its place is not told."""
    if not is_python(exe, argv):
        return (_base(argv[0]), *argv[1:])
    position, kind = _script(argv)
    if kind == "c":
        return ("-c", *argv[position:])
    found = argv[position:] or [_base(argv[0])]
    return (found[0] if kind == "m" else _base(found[0]), *found[1:])


def is_python(exe: str, argv: Sequence[str]) -> bool:
    return bool(_PYTHON.fullmatch(_base(exe)) or _PYTHON.fullmatch(_base(argv[0])))


def bystander(exe: str, argv: Sequence[str]) -> bool:
    """Whether it writes no checkpoints, or those of others."""
    return launcher(exe, argv) or not _names(exe, argv).isdisjoint(
        _TOOLS if is_python(exe, argv) else _BYSTANDERS | _TOOLS
    )


def launcher(exe: str, argv: Sequence[str]) -> bool:
    return not _names(exe, argv).isdisjoint(_LAUNCHERS)


def of_its_parent(argv: Sequence[str]) -> bool:
    """Whether it is a worker that its parent's program started afresh instead of by fork."""
    return "--multiprocessing-fork" in argv or any(word.startswith(_OF_PARENT) for word in argv[:5])


def _names(exe: str, argv: Sequence[str]) -> set[str]:
    """What it may be known by: of a Python program its script, or its module and the package of that."""
    if not is_python(exe, argv):
        return {_base(exe), _base(argv[0]).lstrip("-").lower()}
    name = words(exe, argv)[0]
    return {name, name.partition(".")[0]} if _script(argv)[1] == "m" else {name}


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _script(argv: Sequence[str]) -> tuple[int, str]:
    """Where the script stands (or the module, or the first word after the code), and "m", "c" or "": by the
    interpreter's own rules (python --help). Options may be run together, as in -um."""
    position = 1
    while position < len(argv) and argv[position].startswith("-") and argv[position] != "-":
        option = argv[position]
        position += 1
        if option.startswith("--"):
            position += option == "--check-hash-based-pycs"
            continue
        for index, letter in enumerate(option[1:], 2):
            if letter in "cmWX":
                joined = index < len(option)
                if letter == "c":
                    return position + (not joined), "c"
                if letter == "m" and not joined:
                    return position, "m"
                if letter == "m":
                    return position - 1, ""  # -mpkg.train, which nobody writes
                position += not joined
                break
    return position, ""


# -------------------------------------------------------------------- the interpreter's version


def python_version(
    exe: str, argv: Sequence[str], directory: str, mapped: Callable[[], Iterable[str]]
) -> str:
    """ "3.11.7", "3.11" if no more is to be known, "" if it is no Python.

    `directory` is the process's current one, `mapped` reads the lines of its mapped files, 1 ms for a thousand.
    Nothing is run. A virtual environment says which Python made it, unless the program's own name denies that;
    then the places say it where pyenv, uv and conda put interpreters.
    """
    short = _short(exe, mapped)
    if not short and not is_python(exe, argv):
        return ""
    for prefix in _prefixes(exe, argv, directory, mapped):
        if (found := _of_prefix(prefix)) and (not short or found.startswith(short + ".")):
            return found
    if (by_path := _OF_PATH.search(exe)) is not None:
        return by_path[1] or by_path[2]
    return short


def _short(exe: str, mapped: Callable[[], Iterable[str]]) -> str:
    name = _PYTHON.fullmatch(_base(exe))
    if name is not None and name[1] and "." in name[1] and name[0].startswith("python"):
        return name[1]
    return next((m[1] for line in mapped() if (m := _LIBRARY.search(line))), "")


def _prefixes(
    exe: str, argv: Sequence[str], directory: str, mapped: Callable[[], Iterable[str]]
) -> Iterator[str]:
    """Where an environment's files may lie: above the path that it was started by; if that was a bare name,
    found by PATH, above the extension modules that it has loaded; above the interpreter itself."""
    if "/" in argv[0] and (argv[0].startswith("/") or directory):
        yield os.path.dirname(os.path.dirname(os.path.join(directory, argv[0])))
    yield from dict.fromkeys(m[1] for line in mapped() if (m := _SITE.search(line)))
    yield os.path.dirname(os.path.dirname(exe))


def _of_prefix(prefix: str) -> str:
    path = os.path.join(prefix, "pyvenv.cfg")
    try:
        if os.path.isfile(path):  # a pipe of that name would hold us
            with open(path, encoding="utf-8", errors="replace") as file:
                found = _OF_VENV.search(file.read(4096))
                return found[1] if found else ""
        names = os.listdir(os.path.join(prefix, "conda-meta"))
    except OSError:
        return ""
    return next((m[1] for name in names if (m := _OF_CONDA.fullmatch(name))), "")
