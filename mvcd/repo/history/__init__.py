"""Questions over many versions, and runs.

whereabouts  pruned versions, and who has their content
walk        versions at a glance, for questions that look at all of them; what is found, kept for many
history     versions in the order people read them
listing     the files of one version, and their bytes
subject     what one can ask for: a path, a tensor, a hyperparameter, a metric
search      versions that fulfil a condition, the best, those that touched a thing
query/      the language of those conditions, `--where`
blame       which version last changed a thing
comparison  many versions in one table
series      metrics as lines to draw, and how far values reach
curve       one metric of one version over its steps
bisect      where something went wrong
runs        commands recorded with what they read and wrote
lineage     what made a version, and what was made from it
"""
