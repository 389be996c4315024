"""The command line. It knows the engine only through `mvc.api`.

start       `mvc --version`, before anything is imported
main        entry point: parses, runs, turns every error into a message and an exit code
examples    an example of each verb, for its help
habits      words of git, DVC and others, and the command here
aliases     verbs of one's own, from the settings
picked      conflicts, and options about them
asking      choosing at a terminal
prompting   where HEAD is, for the prompt of a shell
completing, shells    what may stand at the cursor | how shells ask for it
words       which words of a command line are versions, and which paths
verbs       the table of verbs in workflow order, one line each
commands/   one file a verb: arguments, help and run together
options     options that every verb takes, and the class of a verb
face        what these options say, and where output goes
progress    the monitor that draws on a terminal
errors      the one table from error class to exit code, and the three lines people see
signals     being told to end
text        sizes, times, names and tables as people read them
manual/     manual pages and the reference, made from the commands
screens/    what log, status and diff look like
documents, diff_document    JSON shapes (stable; `schema_version` 1) | that of `mvc diff`
page_shapes  hands them to the page of `mvc ui`
team_page    the page of a team server, which `mvcd serve --web` finds by its name
demo_saves, demo_shares    `mvc demo`: each iteration becomes a version | and is shared
demo_bucket    and through which bucket
own_process, own_daemon, own_server, own_follower    processes for one command alone
tethered    a module that ends when whoever started it has ended
"""
