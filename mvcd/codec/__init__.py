"""Stored bytes: how chunks are compressed, and back (CODEC.md).

encoded     the stored form of one object, and the numbers of the codecs
encode      which codec, by a sample
decode      raw bytes again, within the size that was declared
planes, tiers    elements by the significance of their bytes: the definition, and the oracle of the tests
_planes     what both compute, in C
"""
