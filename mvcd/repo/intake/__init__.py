"""Files into objects: read, cut, digested, encoded, and given to a store or to nobody.

ingest       all of it, for many files
smallfiles   small files without tensors, many in one call
pieceencoder  pieces as stored bytes, as differences where bases are proposed
loading      what is read of one file, who proposes bases for it, and what comes back
copiesfirst  the order of large files: copies before their masters
targets      where the objects go
recut        whether a file is what a recipe says that was cut along other lines
"""
