"""Files and directories as the system has them.

paths       paths of a workspace
statcache   what one directory looked like, as one row
_scan       listings of directories in one call, in C
lister      those of many directories, on two threads
ground      what lies at a path, never through a link
below       what is below a directory
folding     names that a file system takes for one
unreadable  what is there and cannot be read
reading     small files whole, or not at all
_read       that, in C
writing     files that do not exist yet
_write      many small ones in one call, in C
keeping     a file as it is now, whatever its owner does next
"""
