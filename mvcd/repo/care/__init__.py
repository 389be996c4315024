"""Looking for damage, healing it, and getting rid of what nothing needs.

gc          what must stay: the mark phase of collection
due         whether that is worth it by now
optimize    what is there in fewer bytes
verify      every stored byte and every link, and whom damage hurts
healing     good bytes from the workspace's own files and from remotes
repair      a repository that does not open
doctor      what can be wrong around a repository
prune       content of automatic versions that no rule keeps
retention   those rules: the `[retention]` table
diskuse     what takes which bytes, and what removing it would free
owners      who needs each object
keepers     who keeps versions
disk        the files of a repository, by purpose
growth      how fast it grows
"""
