"""What became of every tensor between two sides, whatever files it lies in.

tensortable  the tensors of one side, and whether they have figures
tensorrows   the tensors of files that differ, and of those that are equal
tensormatch  which tensor of one side is which of the other
sameness     whether a tensor is what it was
tensordiff   one tensor on both sides
differing    the tensors of files that differ, matched
figures      by how much tensors changed, read from the data
labelled     the tensors of both sides, by label
"""
