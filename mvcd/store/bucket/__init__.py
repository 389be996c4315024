"""A store in a bucket of objects: S3 and what speaks it, GCS, Azure, a directory of a network file system
(BUCKET.md).

    blobs       what a bucket has to do, as a protocol
"""
