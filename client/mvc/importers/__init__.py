"""Importers: histories that other tools keep, made into versions.

history     `import_git`: git's commits, with what DVC or Git LFS point to
gitsource   a git repository, read by git's plumbing
gitrecords  what that plumbing writes, as values
commits     what each commit changes, once pointers are replaced
pointers    content that lies elsewhere than in git: what all kinds of pointers share
dvcfiles, lfsfiles    pointers of DVC | of Git LFS
dvcconfig   where DVC keeps content, as its settings say

folders     `import_folders`: directories whose names are versions
mlflowruns, mlflowstore    `import_mlflow`: runs as versions | as MLflow keeps them, in files or SQLite
hfsnapshots, hfcache        `import_hf`: snapshots as versions | as the Hugging Face cache keeps them
tfsteps, tfcheckpoints      `import_tf`: checkpoints as versions | as TensorFlow and Keras write them

target      the repository that is imported into: made, found again, at last given names
lines       versions on their way, on branches that only hold them
fetched     content on its way: read once, compared with its digest, held in memory or in a file
results     what an import answers
"""
