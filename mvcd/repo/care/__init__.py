"""Looking for damage, healing it, and getting rid of what nothing needs.

gc          what must stay: the mark phase of collection
verify      every stored byte and every link, and whom damage hurts
healing     good bytes from the workspace's own files and from remotes
repair      a repository that does not open
doctor      what can be wrong around a repository
"""
