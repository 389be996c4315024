"""Other repositories, and other workspaces on the same store.

addresses   names of remotes, and the refs that stand at an address
cloning     a new repository that has what another one has
fetching    what a remote has comes here: fetch and pull
pushing     what a remote lacks goes there
noting      annotations come here and go there
remote_damage  what a remote knows to be damaged, healed by who pushes
follow      a directory that is a copy of what a remote's ref points to
presigning  links by which a bucket is read without its keys
verify_remote  whether a remote holds what its refs reach
workspaces  several workspaces on one store
bringing    the names that come with an import from something else than mvc
"""
