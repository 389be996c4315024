"""What a repository promises: policy over a store, one room a theme.

A verb is a function of a `Core`, which `open_at` (core/core.py) and `create` (core/creation.py) give; its
errors are those of mvcd/errors.py. One that changes something takes a `Context` and holds the workspace lock.

    undo        an operation taken back; that is an operation too
    care/       looking for damage, healing it, and getting rid of what nothing needs
    share/      other repositories, and other workspaces on the same store
    release/    what goes out: stages and their gates, deployment copies, model cards
    mentions/   where words, or the bytes of a file, are mentioned in history
    history/    questions over many versions, and runs
    joining/    what other lines and single versions did, taken over; unsaved work put aside
    change/     verbs that make versions, move names and rewrite files
    compare/    what differs between two versions
    tensors/    what became of every tensor between two sides
    restore/    from versions to files
    workspace/  from files to versions: what lies in the workspace, and what of it is new
    versions/   which version a number or a path means
    core/       what every verb stands on: where a repository lives, its settings, its store, its remotes
    trust/      signatures, and what is demanded of refs that others push
    intake/     files into objects
    bases/      what a chunk may be stored as a difference from
    contents/   the files of a version, and their bytes as chunks
    records/    refs and the operation log: what their bytes mean
    ondisk/     files and directories as the system has them

Rooms import those below them, never back; the three at the bottom are strangers to each other. The contract is
in `pyproject.toml`. Packages hold no imports of their own: each would be paid for by every command.
"""
