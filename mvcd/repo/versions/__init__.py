"""Which version a number or a path means.

numbers   whether vN names a version
lastwith  which version had a path last
"""
