"""What a shell's prompt says of a repository: the branch, read in a few ms and without opening the repository.

The functions for shells look for a repository themselves, so that elsewhere no process is started, and one in
a repository. They are called as git's `__git_ps1` is, with a format.
"""

from __future__ import annotations

_BASH = """\
__mvc_ps1() {
    local at=$PWD
    while [[ -n $at && ! -e $at/.mvc/config.toml ]]; do at=${at%/*}; done
    [[ -n $at ]] || return 0
    local head
    head=$(mvc prompt 2> /dev/null)
    [[ -n $head ]] && printf -- "${1:- (%s)}" "$head"
    return 0
}
"""
_ZSH = """\
__mvc_ps1() {
    local at=$PWD head
    while [[ -n $at && ! -e $at/.mvc/config.toml ]]; do at=${at%/*}; done
    [[ -n $at ]] || return 0
    head=$(mvc prompt 2> /dev/null)
    [[ -n $head ]] && printf -- "${1:- (%s)}" "${head//\\%/%%}"
    return 0
}
setopt PROMPT_SUBST
"""
_FISH = """\
function __mvc_ps1
    set -l at $PWD
    while test -n "$at"; and not test -e "$at/.mvc/config.toml"
        set at (string replace -r '/[^/]*$' '' -- $at)
    end
    test -n "$at"; or return 0
    set -l head (mvc prompt 2> /dev/null)
    set -l format ' (%s)'
    set -q argv[1]; and set format $argv[1]
    test -n "$head"; and printf -- $format $head
    return 0
end
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def place() -> str:
    """The branch and a line end, or the beginning of an id; "" outside of repositories, and where it cannot be
    read."""
    from mvc.api.glimpse import Glimpse  # late: start-up

    try:
        head = Glimpse().head()
    except (OSError, ValueError):  # this directory is gone
        return ""
    return "" if head is None else "".join(c if c.isprintable() else "?" for c in head) + "\n"
