"""Saving by itself: `mvcd` watches workspaces and commits each complete state, never a torn one.

    main        the program `mvcd`: run, start, stop, restart, status, logs, read
    starting    starting in the background: until it serves, or it is known why it does not
    service     all workspaces under care, the control socket, shutdown
    keeper      one workspace: looks, waits, takes what is complete
    bell        what wakes a keeper, and how others wait for it
    vigil       whether a workspace is watched by events or polled
    watch       the kernel's file events: hints that it is time to look (the only user of watchdog)
    sets        what a scan found, sorted into sets: what becomes one version
    rules       when a format's files are complete: the table to read and to extend
    claims      the `mvc.checkpoint` blocks of training programs
    folder      a directory that a rule claims, and the shape of a rule
    marks       what a file vouches for that is written last, and how a copy is told from a save under way
    shards, tensorflow    rules of models in several files
    formats, lengths, walks    whether one file is whole, by its own format
    verdict     what rules and formats say
    settle      which sets may be taken now, and when to look again (pure; time is an argument)
    openfiles   whether some process still has a file open for writing
    taking      complete states out of their program's reach: held, queued (CAPTURES.md)
    accidents   what looks like an accident, and is not saved by itself
    reading     the reader process as the daemon sees it
    hearing     what it tells of a workspace
    reader      the program of that process: versions of what was taken
    tending     retention, collection and optimizing, by it at a quiet moment
    resting     whose turn that is when nothing is to be saved
    ledger      what was saved, what was missed and why
    state       what the status tells
    message     what a version says of itself
    headline, measures    its first line | with which metrics
    phrases, cells    words of each component | safe text and widths
    origins     which process wrote what is saved
    processes, commands    what /proc shows of processes | what they run
    surroundings    host, time zone and git commit of a version
    control     JSON lines on a Unix socket
    registry    which workspaces are under care, across restarts
    limits      the [watch] table of mvc.toml
    mounts      directories that other file systems are mounted on: one that went away has deleted nothing
    config      the only reader of environment and home
    hooks       what happens after a save
    pushing     pushes to a remote, after saves
    signals     being told to end
    notify, priority    systemd's readiness protocol; how important the reader is to the machine
    serve       the server of repositories, `mvcd serve`

Theory of operation. Events are hints, the stat scan is the truth: a lost event, a full queue, a restart or a
missing inotify only decide *when* a scan happens, never what it finds. A scan yields candidates; they are
sorted into sets; a set is complete by its rule, because its block was closed, or because it is quiet, and no
process holds a file of it open for writing. Then it is taken: its files get second names out of the program's
reach. A process of its own reads them from there in its own time, proves that they still are what was taken,
and makes a version: the branch's newest one, edited by what was taken. What is not fit is not taken: in the
version it keeps the entry it had.

The promise: every version's changed sets are states in which all files of the set co-existed unchanged when
they were taken, with no open writer (open logs excepted, see rules.LOG_SUFFIXES); and each state that was
complete for certain is either a version or told as missed. Not claimed: a writer that pauses between files
longer than `settle`, of a format without a completion rule.
"""
