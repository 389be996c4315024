"""What a file means: tensors, hyperparameters, metrics, tables. Content is hostile: readers have bounds.

Which part it is:
    components  which of the five components a file belongs to, and by which rule
    kinds       what its content says of that
    company     what lies around it
    understood  how a file was read, and what was not understood
    trainingstate  told apart from the model, by names
    checkpoints  which files are one model at several moments
    patterns    globs that match in bounded time
    pathglobs   those of the settings, which read as in .mvcignore
    dubious     what is seldom meant to be versioned: secrets, caches, other tools' records
    splits      which split and class a data file belongs to

Tensors:
    layout      where they lie in a file, by its content
    spans       what a reader of a format reports
    tensorfile  one value for all formats
    tensorfiles, tensorreaders  reading it, if it may have any | the readers of all formats
    beginnings  how files begin that may have tensors
    safetensors, gguf, npz, onnx, tfcheckpoint    formats
    torchzip, torchlegacy, torchexport    files of torch, since 1.6 | before | of torch.export
    dcp, dcpshard  torch.distributed.checkpoint: its index | what lies in its shards
    torchpickle, torchviews  what their pickle describes | which bytes each tensor has
    hdf5, hdf5chunks    datasets of HDF5, of Keras | those in chunks
    lzf         the compression that h5py brings along
    kerasconfig  how a model of Keras is built, and was compiled
    flaxpack    MessagePack of Flax
    orbax, zarr, ocdbt    checkpoints of Orbax | arrays in directories of chunks | their database
    savedmodel  TensorFlow's graphs, saved and frozen
    tflite, flatbuffer    TensorFlow Lite | what it is made of
    xgboost, lightgbm    trees: what their models say of themselves
    jsonwalk    JSON and UBJSON of any size
    picklefile  arrays within pickles, and joblib's files
    packedpickle    the same, compressed
    unpickle    pickles read without running any of them
    slices      a tensor kept in pieces
    turning     axes brought into the order of the shape
    onnxtensor  a tensor of an ONNX model
    zipmembers, protowire, thriftwire, cursor, crc32c    what formats are made of
    tensors     which came, went and changed, by name
    layers      layers compared by form
    compare, _compare    two runs of elements compared, in Python | in C
    blocks      quantised blocks of GGUF as numbers
    statistics  what a change did, in figures

Values, tables and text:
    recorded    what one file records: settings, metrics or both
    runfiles    files of training libraries, by name, and the runs they belong to
    values      settings and metrics by a file's suffix
    flatten     nested values as flat keys
    lastrows    metrics in rows: each column's last value
    axes        which numbers count steps or tell times
    yaml12, inifile    YAML 1.2 in bounded time | INI
    tfevents    event files of TensorBoard
    pickledargs  attributes of a pickled object, which is never run
    direction   whether more of a metric is better
    delimited   rows of CSV and TSV in all dialects
    tables      CSV, TSV and JSON lines
    arrow       Parquet and Arrow, the only user of pyarrow
    parquetfooter, parquetpages  what a Parquet file claims, checked
    samples     tars of samples, as WebDataset reads them
    shardsets   files that are one table
    table       what is known of a table in any format
    columns     what stands in a column
    environment  packages that a requirements or lock file asks for
    notebook    the source of a notebook
    modelnotes  what a README says of a model
    textdiff    text line by line
"""
