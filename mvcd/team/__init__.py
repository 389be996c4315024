"""Who may do what on a team server: accounts, tokens, roles, rules of refs, quotas, the audit log (TEAM.md).

    globs       patterns of repository and ref names
    roles       roles, actions, and `authorize`, which everything asks
    records     what the accounts store keeps, to and from bytes
    accounts    the accounts store: each change one commit with its row of the audit log
    known       what calls ask of it again and again, kept while nothing changes
    sessions    what browsers hold instead of tokens
    root        the directory of a server: repositories by name, and the accounts
    bucketroot  the same in a bucket, for any number of servers (STATELESS.md)
    draftroot   a root that is being copied to (COPY.md)
    unfinished  what keeps it from being served before it is one
    usage       how much a repository holds, and who put it there
    policy      what a push has to satisfy before its refs move
    auditlog    rows of the audit log, and whether they hold
    seals       signed heads of it, to be kept elsewhere
    host        all of it behind `mvcd.wire.host.Host`
    buckethost  the same for one of the servers that share a bucket
    doneupdates  what any of them answered to an update that is repeated
    visible     a store as one caller may see it
    teamcore    a repository of it for the verbs of mvcd.repo, on behalf of a caller

No process of its own: the server and `mvc admin` open the same directory, and what one changes the other obeys
at its next call.
"""
