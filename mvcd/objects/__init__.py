"""The immutable values of a repository and their exact bytes; TREE.md specifies the hash-cut tree.

    version     a point of history: parents, five manifests, who, when, why
    ancestry    versions between heads and what is known
    manifest, entry    the sorted entries of a component | one of them
    difference  what differs between two manifests
    reserved    names that no version may hold
    recipe, chunklist    the segments of a file | long lists of their chunks
    tree        one construction for long manifests and long chunk lists
    _small      ids and recipes of many small files, and what cuts manifests, in C
    promotion   a step in the history of a stage
    canonical   protobuf messages with one form only
    messages    their classes, loaded when the first is needed
    _version    the bytes of a version, read without them, in C
    glance      one field of an object, without the rest
    closure     what an object refers to
    v1/         generated from proto/mvcd/objects/v1

Nothing here reads a disk or a network: objects come through a `Fetch` and leave through a `Sink`.
"""
