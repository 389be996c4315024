"""mvc inside the tools that people use already. `import mvc` loads none of it, and each names what it needs.

accelerate       a tracker; states are captured as they are saved
addresses        mvc://REPO@REV/PATH taken apart
attestations     statements about a version, signed; and signed ones compared with files
autolog          mvc.autolog(): all of these, for the libraries that a program imports
bundles          DSSE in Sigstore bundles, by ECDSA keys
fsspec_files     its files, and what of them becomes one version
fsspec_fs        the file system: pandas, pyarrow, torch, Lightning, Dask and Ray read and write versions
jupyter          %load_ext mvc
keras            a callback
lightgbm         a callback
lightning        a logger, a callback that adds it, and what saves and loads checkpoints
mlflow           artifacts of MLflow in versions; a run knows the version that it began at
mlflowaliases    aliases of registered models follow stages, and stages aliases
needed           what is said of a library that is missing
oci              versions to and from registries of OCI
ociartifact      a version as a manifest of ModelPack, and such a manifest as files
ociconnection    open connections, by TLS
ocilogins        logins that docker and oras keep
ociregistry      blobs and manifests of a registry
ocitokens        tokens, as registries ask for them
sklearn          a model with its settings
statements       a version as an in-toto statement: OpenSSF Model Signing, SLSA provenance
trainees         what all of them do: metrics by step, settings, checkpoints
transformers     a callback, and report_to="mvc"
upath            UPath("mvc://...")
xgboost          a callback
"""
