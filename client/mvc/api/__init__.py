"""The Python face of the engine, and the only package of `mvc` that imports `mvcd`.

    errors     the exceptions; light, loaded by `import mvc`
    results    what the verbs answer; ids are hex strings, times are aware datetimes
    public     how these values are made of the engine's
    repo       Repo, one method a verb
    context    who acts, when and from where: environment, configuration, git, clock
    settings   the person's own settings file

The engine reads no clock, no environment and no home directory; this package does, in `context` and `settings`.
"""
