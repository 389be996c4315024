"""Saving by itself: `mvcd` watches workspaces and commits each complete state, never a torn one.

    main        the program `mvcd`: run, start, stop, restart, status, logs
    starting    starting in the background: until it serves, or it is known why it does not
    service     all workspaces under care, the control socket, shutdown
    keeper      one workspace: looks, waits, captures
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
    settle      which sets may be saved now, and when to look again (pure; time is an argument)
    writers     whether some process still has a file open for writing
    capture     one save: what is taken, what is held back, equal stats before and after
    message     what a version says of itself: its first line is headline's, with metrics from measures;
                words of each component are in parts, safe text and widths in cells
    origins     which process wrote what is saved, by /proc: processes reads it, commands what they run
    surroundings    host, time zone and git commit of a version
    control     JSON lines on a Unix socket
    registry    which workspaces are under care, across restarts
    limits      the [watch] table of mvc.toml
    config      the only reader of environment and home
    hooks       what happens after a save
    pushing     pushes to a remote, after saves
    notify, priority    systemd's readiness protocol; a low place in the queues for disk and processor

Theory of operation. Events are hints, the stat scan is the truth: a lost event, a full queue, a restart or a
missing inotify only decide *when* a scan happens, never what it finds. A scan yields candidates; they are
sorted into sets; a set is saved when it is complete (rule, or closed bracket, or quiet), no process holds a
file of it open for writing, and the stats of all its files are equal before and after reading. What is not
fit is held back: in the version it keeps the entry it had.

The promise: every version's changed sets are states in which all files of the set co-existed unchanged from
the first stat to the last, with no open writer (open logs excepted, see rules.LOG_SUFFIXES). Not claimed: a
writer that pauses between files longer than `settle`, of a format without a completion rule.
"""
