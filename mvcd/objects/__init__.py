"""The immutable values of a repository and their exact bytes; TREE.md specifies the hash-cut tree.

    version.py     a point of history: parents, five manifests, who, when, why
    manifest.py    the sorted entries of a component   (entry.py, difference.py)
    recipe.py      the segments of a file              (chunklist.py)
    tree.py        one construction for long manifests and long chunk lists
    canonical.py   protobuf messages with one form only
    closure.py     what an object refers to

Nothing here reads a disk or a network: objects come through a `Fetch` and leave through a `Sink`.
"""
