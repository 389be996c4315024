"""Where the bytes of a file are cut into chunks (CHUNKING.md).

params      how large chunks may be
cut         where a chunk ends: the executable specification
_cut        the same in C
chunker     from buffers, streams and spans to chunks
"""
