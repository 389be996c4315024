"""The files of a version, and their bytes as chunks.

files       a version's files, looked up, listed and compared
content     one file, read in any place
flatvalues  settings and metrics, from the files that hold them
problems    which of those files were not understood
drafts      the recipe of a file in the making
pieces      the bytes of tensors, chunk by chunk
wholefiles  files read whole, for checkout and for digests
digests     by which others name files: sha256, git, md5
unpacking   what a packed range of a file holds
distribution  how the values of a tensor are distributed
tensors     of a file, by recipe and header
overlaps    what splits of the data share
pipeline    work done by several threads, answered in order
"""
