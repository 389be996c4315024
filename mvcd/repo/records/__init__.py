"""Refs and the operation log: what their bytes mean. Nothing here touches files.

refs        names of refs, and their values
stages      refs that tell who held a stage
operations  what every verb did, so that it can be undone
revisions   how people name a version
moments     how people name a point in time
results     what verbs answer
"""
