"""`mvcd serve --hub`: a team server's repositories for clients of the Hugging Face Hub and of Git LFS (HUB.md).

    groups      the groups of the Hub and of Git LFS
    app         one ASGI application, into which groups of routes are mounted
    site        what every group of routes is given: the host, uploads, passes
    callers     who calls, from the headers of a request
    answers     errors as HTTP answers
    bodies      what comes in a request, within bounds
    passes      the right of a caller to one repository, in an address of its own
    spool       uploaded contents that wait for their commit
    repoids     the Hub's names of repositories and revisions
    lookups     the version that a request is about, and its files
    digested    the digests by which the Hub names files
    whoroutes   /api/whoami-v2 and what else is about no repository
    reporoutes  repositories made, removed and described
    treeroutes  trees, paths, refs and commits
    told        moments and messages as the Hub tells them
    pullroutes  pull requests, which are branches
    refroutes   branches and tags
    commitroutes  preupload and commit
    payload     the lines of a commit
    resolveroutes  the bytes of files, whole and in ranges
    lfsroutes   Git LFS: batch, upload, download, verify
    xetroutes   uploads by Xet (XET.md): a pass, xorbs, shards, questions for chunks
    xetuploads  what they do in one repository
    xetbuild    files of a shard, made of chunks
    xetnotes    what is to be remembered of them
    xetshard    the bytes of shards
    xetxorb     the bytes of xorbs
    xethash     Xet's hashes
    xettable    what is known of xorbs, in rows of the store's cache
    xetshelf    bodies of xorbs that wait for files
    xetcontents  contents by their SHA-256, waiting or in versions
    filestream  bytes of a stored file as an answer
    making      versions that requests make

Only this package knows starlette, an extra. It knows no server of HTTP: `mvcd.daemon.serve` runs one.
"""
