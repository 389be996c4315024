"""Verbs that make versions, move names and rewrite files.

commit      versions of the workspace's state, and of old content again
anew        what a commit does about content that is known to be damaged
signing     signing versions and tags
captures    complete states that wait to be made versions
captured    making a version of one
branches    branches and tags
choosing    which files a person means
moves       checkout, switch, restore, rollback
rewriting   their common part: files, then refs and operation
merge       what another line did, taken over
"""
