"""Stored bytes: how chunks are compressed, and back (CODEC.md).

encoded     the stored form of one object, and the numbers of the codecs
alone       which codec, by a sample, for what rests on no other
encode      as a delta where a base is offered, or alone
recode      in fewer bytes than an older encoder made
widened     F32 elements beside a BF16 copy of them
likeness    how large a difference would be, guessed
decode      raw bytes again, within the size that was declared
planes, tiers    elements by the significance of their bytes: the definition, and the oracle of the tests
rans        differences by their size and what the base leads one to expect: the same
_planes, _rans    what they compute, in C
"""
