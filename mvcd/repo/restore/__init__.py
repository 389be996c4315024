"""From versions to files.

planning    what a move of files writes and removes, and what stands in its way
staging     files written where nobody looks for them
checkout    those, renamed into place
early       large files, written while a fetch still brings others
early_tree  small ones
early_home  where they lie until a checkout takes them
"""
