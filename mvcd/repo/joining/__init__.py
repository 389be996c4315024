"""What others did, or oneself elsewhere, taken over into what is here.

threeway    what one side changed since a base, taken over into another; conflicts
takeover    a version made of that
merge       what another line did
picking     cherry-pick and revert: what one version did, here or taken back
stash       unsaved work put aside under a number
"""
