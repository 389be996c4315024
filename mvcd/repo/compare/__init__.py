"""What differs between two versions, or a version and the workspace.

sides       what is compared, read in one way
narrowing   a part of a side, or one directory or file of it
earlier     which checkpoint went before one that came
diff        the five differences, from records and manifests
tensorchanges  which tensors changed, names and counts
weights     the tensors of both sides
modelfiles  what weight files say of a network
architecture  what changed in the network
dumped      settings that a library wrote down whole
data        what changed in the data
tablechanges  tables before and after
"""
