"""What people see: values in, lines out. Nothing here prints or opens anything.

status, log, show, blame, compare, plot, tensors    looking
diff/, patch    the differences | as a unified diff
graph       the lanes beside a log
commit, moved, stash, bisect    saving | moving | work put aside | looking for a culprit
transfer, verified, login, admin    remotes and servers
imports, artifacts    other tools
stages, deploy, cards, signature, attestations    releases
lineage, reproduce    runs
notes    text beside a version
watch, demo    the daemon | the demo's story
diskuse, pruning    what takes how many bytes | what goes of it
"""
