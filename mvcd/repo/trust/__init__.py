"""Signatures (SIGNING.md), what is demanded of refs that others push, and what can no longer be relied on.

sshsig      the format of signatures, read strictly
keygen      the system's `ssh-keygen`
signatures  where they rest, and what exactly is signed
judging     whether they hold
incoming    what a repository demands of refs that others push
receiving   the same where nobody but the file system guards it
harms       whom damage hurts: versions and files that need what is broken
"""
