"""What people type who know git, DVC, jj or hg, and the words for it here.

A word of another tool that mvc has no verb for is answered with the command that does the same.
"""

from __future__ import annotations

VERBS: dict[str, str] = {
    # git
    "rm": "delete the file, then mvc commit; to keep it and stop tracking: mvc untrack PATH",
    "mv": "mv OLD NEW: commit sees that the content is the same; nothing has to be told",
    "reset": "mvc undo  (takes the last operation back), or mvc restore PATH  (files as last saved)",
    "reflog": "mvc op log",
    "clean": "mvc status  (lists what is not under care), then rm; .mvcignore leaves files out",
    "amend": "mvc commit --amend -m TEXT  (another message), or mvc undo, then mvc commit",
    "rebase": "mvc merge REV, or mvc cherry-pick REV: versions are never rewritten",
    "worktree": "mvc workspace add DIR",
    "annotate": "mvc blame NAME",
    "whatchanged": "mvc log --touching NAME",
    "rev-parse": "mvc show REV --json",
    "ls-files": "mvc ls",
    "shortlog": "mvc log --oneline",
    "archive": "mvc export REV DIR",
    "fsck": "mvc verify",
    "grep": "mvc log --where EXPR  (over versions), mvc cat PATH  (of a file)",
    "notes": "mvc note",
    "difftool": "mvc diff",
    "count-objects": "mvc du",
    "br": "mvc branch",
    "co": "mvc checkout REV, mvc switch BRANCH",
    "ci": "mvc commit",
    "st": "mvc status",
    "di": "mvc diff",
    # hg, svn
    "shelve": "mvc stash",
    "unshelve": "mvc stash pop",
    "update": "mvc pull, or mvc checkout REV",
    "incoming": "mvc fetch, then mvc log origin/main",
    "outgoing": "mvc push --dry-run",
    "paths": "mvc remote",
    "backout": "mvc revert REV",
    "heads": "mvc branch",
    "bookmark": "mvc branch",
    "bookmarks": "mvc branch",
    "forget": "mvc untrack PATH",
    "remove": "delete the file, then mvc commit; to keep it: mvc untrack PATH",
    "graft": "mvc cherry-pick REV",
    # jj
    "new": "mvc switch -c NAME REV",
    "abandon": "mvc undo, or mvc branch -d NAME",
    "squash": "mvc commit --amend -m TEXT; content: versions are never rewritten",
    "file": "mvc ls, mvc cat PATH",
    "operation": "mvc op log",
    "evolog": "mvc op log",
    "desc": "mvc describe",
    # DVC, MLflow, W&B, restic
    "repro": "mvc reproduce REV, or mvc run COMMAND",
    "reproduction": "mvc reproduce REV",
    "exp": "mvc run COMMAND, mvc compare, mvc log --metrics",
    "experiments": "mvc compare, mvc log --metrics",
    "stages": "mvc stage",
    "metrics": "mvc log --metrics, mvc compare",
    "params": "mvc compare, mvc diff",
    "plots": "mvc plot METRIC",
    "get": "mvc export REV DIR, or mvc clone --only weights URL",
    "get-url": "mvc import, or mvc clone URL",
    "import-url": "mvc import, or mvc clone URL",
    "cache": "mvc du",
    "track": "mvc add PATH",
    "migrate": "mvc import lfs SRC",
    "artifacts": "mvc catalogue",
    "register": "mvc promote REV STAGE",
    "models": "mvc catalogue",
    "download": "mvc clone URL, or mvc pull",
    "upload": "mvc push",
    "sync": "mvc push, mvc pull",
    "backup": "mvc commit, mvc push; of a server: mvc admin backup",
    "snapshots": "mvc log",
    "search": "mvc log --where EXPR",
    "find": "mvc log --where EXPR  (versions), mvc ls  (files)",
    "best": "mvc log --best METRIC",
    "top": "mvc log --best METRIC",
    "leaderboard": "mvc log --best METRIC",
    "df": "mvc du",
    "size": "mvc du",
    "list": "mvc ls, mvc log",
    "history": "mvc log",
    "save": "mvc commit",
    "daemon": "mvc watch --status",
}
"""The verb of another tool, and the command here."""

OPTIONS: dict[tuple[str, str], str] = {
    ("commit", "-a"): "everything under care is saved always: mvc commit -m TEXT",
    ("commit", "--all"): "everything under care is saved always: mvc commit -m TEXT",
    ("commit", "--no-verify"): "there are no hooks to leave out: mvc commit -m TEXT",
    ("push", "-f"): "mvc push --force-with-lease BRANCH",
    ("push", "-u"): "mvc push REMOTE: a branch has the same name at both ends",
    ("push", "--set-upstream"): "mvc push REMOTE: a branch has the same name at both ends",
    ("push", "-d"): "mvc push REMOTE :NAME",
    ("push", "--delete"): "mvc push REMOTE :NAME",
    ("push", "-r"): "mvc push REMOTE",
    ("pull", "-r"): "mvc pull REMOTE",
    ("fetch", "-r"): "mvc fetch REMOTE",
    ("remote add", "-d"): "mvc remote add origin URL: origin is what is meant where none is named",
    (
        "remote add",
        "--default",
    ): "mvc remote add origin URL: origin is what is meant where none is named",
    ("clone", "--filter"): "mvc clone --only COMPONENT,..., or --records-only",
    ("pull", "--rebase"): "mvc pull --merge: versions are never rewritten",
    ("diff", "--cached"): "nothing is staged first: mvc diff shows what commit would save",
    ("diff", "--staged"): "nothing is staged first: mvc diff shows what commit would save",
    ("diff", "--name-only"): "mvc diff --stat, or mvc diff --json",
    ("diff", "--name-status"): "mvc diff --stat, or mvc diff --json",
    ("add", "-A"): "mvc add .",
    ("add", "--all"): "mvc add .",
    ("add", "-u"): "what is under care is saved always: mvc commit -m TEXT",
    ("log", "-p"): "mvc diff REV~1 REV -p, or mvc show REV",
    ("log", "--stat"): "mvc show REV, or mvc diff REV~1 REV --stat",
    ("log", "--follow"): "mvc log PATH",
    ("log", "--grep"): "mvc log --where 'message ~ WORD'",
    ("log", "--author"): "mvc log --where 'author ~ NAME'",
    ("log", "--since"): "mvc log --where 'time > 2d'",
    ("log", "--until"): "mvc log --where 'time < 2026-11-01'",
    ("log", "--decorate"): "names are always shown: mvc log",
    ("checkout", "--ours"): "mvc merge REV --ours PATH",
    ("checkout", "--theirs"): "mvc merge REV --theirs PATH",
    ("checkout", "-B"): "mvc branch -d NAME, then mvc checkout -b NAME REV",
    ("checkout", "--track"): "mvc checkout NAME: a branch that only a remote has is made here",
    ("branch", "-a"): "mvc branch, and mvc ls-remote",
    ("branch", "--all"): "mvc branch, and mvc ls-remote",
    ("branch", "-r"): "mvc ls-remote",
    ("branch", "--show-current"): "mvc status",
    ("fetch", "--all"): "mvc fetch REMOTE, one at a time",
    ("status", "--porcelain"): "mvc status -s, or mvc status --json for programs",
    ("tag", "-a"): "mvc tag NAME -m TEXT",
    ("merge", "--abort"): "a merge with conflicts changes nothing: there is nothing to take back",
    ("merge", "--squash"): "mvc merge REV  (a version with two parents)",
    ("clone", "--depth"): "mvc clone --depth-of-content N  (history is always whole: it is small)",
    ("gc", "--aggressive"): "mvc optimize",
    (
        "gc",
        "--prune",
    ): "mvc gc frees all that nothing reaches; mvc prune lets go of old versions' content",
    ("prune", "--keep-last"): "[retention] in mvc.toml says what stays: mvc help prune",
    ("restore", "--from"): "mvc restore REV PATH",
    (
        "restore",
        "--staged",
    ): "nothing is staged first: mvc restore PATH brings a file back as last saved",
}
"""An option of another tool for a verb that is here too, and the command here."""

FILE_OF_A_VERSION = "mvc cat REV:PATH"
"""What git's `show REV:PATH` is here."""


def of_verb(name: str) -> str | None:
    """The command that does here what the verb `name` does elsewhere."""
    return VERBS.get(name)


def of_option(verb: str, option: str) -> str | None:
    """The command that does here what `verb` with `option` does elsewhere."""
    return OPTIONS.get((verb, option))
