"""The command line. It knows the engine only through `mvc.api`.

main       entry point: parses, runs, turns every error into a message and an exit code
verbs      the table of verbs in workflow order, one line each
options    options that every verb takes, and the class of a verb
face       what these options say, and where output goes
errors     the one table from error class to exit code, and the three lines people see
documents  JSON shapes (stable; `schema_version` 1)
text       sizes, times, names and tables as people read them
progress   the monitor that draws on a terminal
screens/   what log, status and diff look like
commands/  one file a verb: arguments, help and run together
manual/    pages made from the commands: mvc help VERB, docs/reference, docs/man
"""
