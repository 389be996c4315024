"""The files of a version, and their bytes as chunks.

files       a version's files, looked up, listed and compared
content     one file, read in any place
flatvalues  settings and metrics, from the files that hold them
drafts      the recipe of a file in the making
pieces      the bytes of tensors, chunk by chunk
tensors     of a file, by recipe and header
bases       what a chunk may be stored as a difference from
pipeline    work done by several threads, answered in order
"""
