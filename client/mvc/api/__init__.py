"""The Python face of the engine, and the only package of `mvc` that imports `mvcd`.

The repository:
    repo        Repo, one method a verb
    opened      what its parts stand on: the engine's Core, held
    file_verbs, move_verbs, name_verbs, note_verbs, release_verbs, remote_verbs    its parts
    run_verbs, search_verbs, workspace_verbs    more of them
    pick_verbs  its part that takes over what single versions did, and puts work aside
    audit_verbs  its part that reads the audit log
    write_verbs  its part that makes versions without a workspace
    feed        operations as they happen
    places      repositories by their address; of servers, clones of the records in the cache
    import_verbs  its part that importers stand on
    signing     which key signs, which keys are trusted; signatures
    audit       the audit log of a repository
    team        the accounts of a team server
    lastasked   a small cache, for those who asked last
    hosting, hosted    a team server as its page asks it | a repository of it, for one caller
    care, backup    repositories that may not open | copies of a server's directory, a team that moves
    buckets     what lies in a bucket

What it answers; ids are hex strings, times are aware datetimes:
    public      one function that makes these values of the engine's
    results     of the verbs of every day, those of every minute by themselves:
    standing, versions, commits    where a workspace stands | versions | what became of a commit
    picks, workspaces, imported    of the verbs of these parts
    log         of `log`: a sequence that is read as it is asked for
    diskuse, pruning    of `disk_use` | of `prune`
    diff, weights    of `diff`; the second only it needs
    search, lineage, runs, stages, signatures, remotes, deploy, card    of the verbs of these names
    version_paths   REV:PATH taken apart; how the name of a ref is written
    metric_names    which are axes, and which several files have
    page        cards as Markdown and HTML
    shown       values in one line, as a small table in HTML, as a frame of pandas

Who acts, and how:
    context     who, when and from where: environment, configuration, git, clock
    interpreters  the Python that a command runs on, and its packages
    settings    the person's own settings file
    footing     what doctor looks at beside the repository
    glimpse     what can be named in a repository, read without opening it
    credentials  tokens, by server
    components, checkpoints    components by name | which files are one checkpoint

Of the engine, for the faces:
    errors      the exceptions; light, loaded by `import mvc`
    extras      libraries that an extra has
    amounts, cells    numbers of bytes in units | columns that text takes
    durable, process, heap    directories | what a program sees to as it starts | the C heap
    faults, waiting    what is said of a crash | what a person sees while a program waits

The engine reads no clock, no environment and no home directory; this package does, in `context` and `settings`.
"""
