"""What a chunk may be stored as a difference from.

finding     the same piece of the same tensor, before
others      files in which the same tensor is looked for
chains      how deep differences of differences may get
newest      bases the other way round, for what is read most
casts       F32 tensors beside their BF16 copies
masters     F32 tensors that were there before their BF16 copies
thisrun     tensors that were read earlier in the same run
past        weights that the version before has no more
neighbours  chunks of a file that was edited
namesakes   the tensors of a file by name, kind and place
sketches    tensors found by what they hold
named       the model that a model was made from
stated      the base that mvc.toml says
likepaths   how like two paths are
"""
