"""The ground of everything that lasts: how files come to be, are replaced, moved, locked and made durable.

    replace       a file's content, replaced as a whole and durably, or placed where none is
    renames       a name, moved; with both directories made durable if that is asked for
    sync          a file, a directory, many of them, everything: durable when the call returns
    writeback     syncs that run while a file still grows, so that the last one finds little to do
    locks         flock: at once, within a time, shared; of a descriptor, a name, a directory; with the
                  holder's process in the file
    refusals      what the system refuses (memory, descriptors, permission, room), as people and programs see it
    room          free bytes, looked at before much is written
    directories   directories that are there after a power failure
    group         files that a group shares
    aside         damaged files, kept beside what takes their place
    wholes        directories that are there whole or not at all: filled beside, put there by one rename
    exchange      two directories, exchanged in one step
    filesystem    whether a directory is on another machine's file system
    uncached      reading and writing past the page cache, where the kernel can
    _io           many reads in one call, and write-back begun, in C

Only these modules call rename, fsync, sync and flock; a test sees to it. So there is one answer to each of the
questions whether it is durable, who else may see it, and what is left if it fails.
"""
