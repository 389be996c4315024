"""Refs and the operation log: what their bytes mean. Nothing here touches files.

refs        names of refs, and their values
names       what branches and tags may be called, and how people write it
stages      refs that tell who held a stage
pruned      refs that tell whose content is not kept (PRUNED.md)
annotations  text under keys on a version, outside its identity (ANNOTATIONS.md)
operations  what every verb did, so that it can be undone
line        the version of a number, in long steps
revisions   how people name a version
moments     how people name a point in time
results     what verbs answer; of those of every minute:
standing    HEAD, branches, tags, status
versionentry  a version as history shows it
differences  what differs between two versions
committed   who commits, and what became of it
"""
