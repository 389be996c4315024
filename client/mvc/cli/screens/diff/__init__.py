"""The difference of two versions, one module a part.

whole       all parts on one screen
stat        one line a component
values      settings and metrics
weights     tensors of changed weight files
amounts     by how much each of them changed
architecture  layers, parameters, configuration, environment
data        tables, images, equal files, splits
checkpoints  one of several checkpoints of a model speaks for all
absent      what could not be compared, since it is not here
markdown    for a pull request
folding     long lists of names in few lines
marks       signs, colours and counts that all parts share
"""
