"""The engine of mvc. Upper layers import lower ones, never back; those in one line are strangers.

    daemon      saving by itself; and repositories on the network (`serve`)
    hub         a team server for clients of the Hugging Face Hub and of Git LFS
    team        who may do what on a team server
    repo        policy: what a repository promises
    inspect     what a file means: tensors, hyperparameters, metrics
    sync, wire  what travels between two repositories | how it crosses a network
    store       where objects and refs rest
    objects, codec, chunking    immutable values | stored bytes | cut points
    disk        files that last: replaced, moved, synced and locked
    ids         digests: the names of objects
    process     what a process of ours sees to before it does anything
    extras      libraries that an extra has
    errors      what is raised
    monitor, waiting    what is told | what a person sees while a program waits
    heap, _heap    how the C library keeps freed blocks | what asks it to
    lateclasses    dataclasses that are written when they are used, rows whose types are not read
    amounts     numbers of bytes in units

Above it stand the packages of the client, of which only `mvc.api` imports `mvcd`. The layers are import-linter
contracts in `pyproject.toml`; the tests run them.
"""

__version__ = "0.1.0"
