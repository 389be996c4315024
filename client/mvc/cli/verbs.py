"""The verbs in the order of work, with at most eight words each: `mvc --help` imports no command."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "make a repository in this directory",
        "demo": "watch mvc version a real training run",
    },
    "Save": {
        "add": "put files or directories under care",
        "untrack": "take paths out of care, keep the files",
        "status": "show what changed since the last version",
        "commit": "save everything tracked as a new version",
        "run": "run a command, save what it did",
        "watch": "save complete checkpoints by itself",
        "unwatch": "stop saving by itself",
    },
    "Look": {
        "log": "show versions, newest first",
        "show": "show one version whole",
        "diff": "compare two versions in five parts",
        "compare": "table settings and metrics of many versions",
        "plot": "draw metrics over history",
        "blame": "tell which version last changed a thing",
        "bisect": "find the version where something went wrong",
        "lineage": "tell what made a version, what followed",
        "reproduce": "run a version's command again and compare",
        "ls": "list the files of a version",
        "cat": "print a file of a version",
    },
    "Move": {
        "checkout": "bring files and HEAD to a version",
        "restore": "bring single files or components back",
        "rollback": "make old content the newest version",
        "undo": "take back the last operation",
        "op": "show the log of operations",
        "workspace": "have several versions checked out at once",
    },
    "Name": {
        "branch": "list, make, rename or delete branches",
        "switch": "move to a branch",
        "tag": "list, make or delete tags",
        "sign": "sign a version with an SSH key",
        "verify-signature": "tell who signed a version or tag",
    },
    "Share": {
        "remote": "name other repositories",
        "clone": "copy a repository, whole or in part",
        "fetch": "bring a remote's versions here",
        "pull": "fetch, then move branch and files forward",
        "merge": "take over what another line changed",
        "push": "send versions, with proof that they arrived",
        "follow": "keep a deployed copy equal to a ref",
        "ls-remote": "list the refs of a remote",
    },
    "Release": {
        "promote": "put a version on a stage, with proof",
        "stage": "show, roll back or withdraw stages",
        "export": "write a clean copy to be deployed",
        "verify-deploy": "check a deployed copy, without a repository",
        "card": "make the model card of a version",
        "catalogue": "make a table of the published models",
    },
    "Serve": {
        "login": "keep a token for a server",
        "logout": "forget the token for a server",
        "whoami": "ask a server who you are there",
        "admin": "keep accounts and repositories of a server",
        "audit": "show or check who changed what",
    },
    "Care": {
        "verify": "re-hash all content, name what is damaged",
        "repair": "make a damaged repository open again",
        "gc": "free content that nothing reaches",
        "doctor": "check that all is set up well",
        "config": "read and write settings",
        "check-ignore": "tell which rule leaves a path out",
        "completion": "print a completion script for your shell",
        "version": "show the versions of mvc and its parts",
    },
}

SUMMARIES = {verb: text for verbs in SECTIONS.values() for verb, text in verbs.items()}
