"""A store in a bucket of objects: S3 and what speaks it, GCS, Azure, a directory of a network file system
(BUCKET.md).

    blobs       what a bucket has to do, as a protocol
    directory   one in a directory of any file system, without locks
    chain       one name of it whose content is swapped, with the proof
"""
