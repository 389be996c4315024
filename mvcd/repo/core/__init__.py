"""What every verb stands on.

core        an open repository: store, place, HEAD, and how changes are recorded
location    where it lives
config      its settings, `.mvc/config.toml`
lock        one verb at a time
remotes     names for other repositories' addresses
connecting  from an address to a peer
wanted      which content a clone brings, and which it leaves out
promised    what was left out, fetched when it is asked for
"""
