"""What people see: values in, lines out. Nothing here prints or opens anything.

status, log, show, blame, compare, plot, tensors    looking
diff/, patch    the differences | as a unified diff
commit, moved, bisect    saving | moving | looking for a culprit
transfer, verified, login, admin    remotes and servers
stages, deploy, cards, signature    releases
lineage, reproduce    runs
watch, demo    the daemon | the demo's story
"""
