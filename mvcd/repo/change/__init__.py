"""Verbs that make versions, move names and rewrite files.

commit      versions of the workspace's state, and of old content again
partly      a version of some of the workspace's changes
anew        what a commit does about content that is known to be damaged
outside     versions that are made without a workspace: of files from anywhere, on any branch
edits       what such a version is edited by
signing     signing versions and tags
annotating  text under keys on a version
captures    complete states that wait to be made versions
captured    making a version of one
branches    branches and tags
choosing    which files a person means
moves       checkout, switch, restore, rollback
placebefore  where HEAD was before: `switch -`
rewriting   their common part: files, then refs and operation
"""
