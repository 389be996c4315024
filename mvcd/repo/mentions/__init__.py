"""Where words, or the bytes of a file, are mentioned in history, version by version.

sought      what is looked for, and whether a text has it
looking     looks through versions, newest first, each thing once; reads only lists that differ
"""
