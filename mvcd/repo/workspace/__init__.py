"""From files to versions: what lies in the workspace, and what of it is new.

settings    `mvc.toml`
ignore      what is never versioned
linked      links to directories that are followed
candidates  one directory, entry by entry
found       what that gave, in few bytes a file; files under another name
scan        all of them: which files may differ
sorting     files into components, by rules, content and company
filesread   what was read of them, in few bytes a file
snapshot    the workspace's state as an unsaved version
recording   what its files record: settings and metrics
workspace   the files under care, and what is known of them
left_out    components that a workspace leaves out
explaining  which part a file is, and why
status      what differs from HEAD
"""
