"""Files into objects: read, cut, digested, encoded, and given to a store or to nobody.

ingest      all of it, for many files
targets     where the objects go
recut       whether a file is what a recipe says that was cut along other lines
"""
