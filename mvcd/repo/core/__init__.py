"""What every verb stands on.

core        an open repository: store, place, HEAD, and how changes are recorded
creation    one made
otherworkspaces  the other ones on its store
location    where it lives
config      its settings, `.mvc/config.toml`
configkeys  which settings there are, and what each means
settingskeys  which tables and keys `mvc.toml` may have
lock        one verb at a time
upstream    how far a branch and that of a remote are apart
remotes     names for other repositories' addresses
connecting  from an address to a peer
wanted      which content a clone brings, and which it leaves out
kept_here   whether content that was pruned still is here
promised    what was left out, fetched when it is asked for
"""
