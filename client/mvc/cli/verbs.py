"""The verbs in the order of work, with at most eight words each: `mvc --help` imports no command."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "make a repository in this directory",
        "demo": "watch mvc at work on a real training",
    },
    "Save": {
        "add": "start tracking files or directories",
        "untrack": "stop tracking paths; the files stay",
        "status": "show what changed since the last version",
        "commit": "save everything tracked as a new version",
        "run": "run a command and save what it did",
        "watch": "save complete checkpoints automatically",
        "unwatch": "stop saving checkpoints automatically",
    },
    "Look": {
        "log": "show versions, newest first",
        "show": "show one version in full",
        "diff": "compare two versions in five parts",
        "compare": "table settings and metrics of many versions",
        "plot": "draw metrics over history",
        "blame": "show which version last changed something",
        "bisect": "find the version where something went wrong",
        "lineage": "show where a version came from",
        "reproduce": "run a version's command again and compare",
        "ls": "list the files of a version",
        "cat": "print a file of a version",
        "explain": "show which part a file is, and why",
    },
    "Move": {
        "checkout": "bring files and HEAD to a version",
        "restore": "restore single files or components",
        "rollback": "save an old version's content as the newest",
        "undo": "undo the last operation",
        "op": "show the log of operations",
        "workspace": "have several versions checked out at once",
    },
    "Name": {
        "branch": "list, make, rename or delete branches",
        "switch": "move to a branch",
        "tag": "list, make or delete tags",
        "sign": "sign a version with an SSH key",
        "verify-signature": "show who signed a version or tag",
    },
    "Share": {
        "remote": "manage the names of other repositories",
        "clone": "copy a repository, whole or in part",
        "fetch": "bring a remote's versions here",
        "pull": "fetch, then move branch and files forward",
        "merge": "merge the changes of another branch",
        "push": "send versions, with proof that they arrived",
        "follow": "keep a deployed copy equal to a ref",
        "ls-remote": "list the refs of a remote",
    },
    "Release": {
        "promote": "promote a version to a stage, after checks",
        "stage": "show, roll back or withdraw stages",
        "export": "write a clean copy to be deployed",
        "verify-deploy": "check a deployed copy without a repository",
        "card": "print the model card of a version",
        "catalogue": "list the published models in a table",
    },
    "Serve": {
        "login": "store a token for a server",
        "logout": "delete the stored token for a server",
        "whoami": "show who you are on a server",
        "admin": "manage the accounts and repositories of a server",
        "audit": "show or check who changed what",
    },
    "Care": {
        "verify": "re-hash all content and report damage",
        "repair": "make a damaged repository open again",
        "gc": "free content that nothing reaches",
        "doctor": "check the repository and its surroundings",
        "config": "read and write settings",
        "check-ignore": "show which rule ignores a path",
        "completion": "print a completion script for your shell",
        "version": "show the versions of mvc and its parts",
        "help": "show the manual page of a verb",
    },
}

SUMMARIES = {verb: text for verbs in SECTIONS.values() for verb, text in verbs.items()}
