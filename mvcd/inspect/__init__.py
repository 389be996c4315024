"""What a file means: tensors, hyperparameters, metrics, tables. Content is hostile: readers have bounds.

By its path:
    components  which of the five components a file belongs to
    patterns    globs that match in bounded time
    splits      which split and class a data file belongs to

Tensors:
    layout      where they lie in a file, by its content
    spans       what a reader of a format reports
    tensorfile  one value for all formats
    tensorfiles  reading it
    safetensors, gguf, npz, onnx, tfcheckpoint    formats
    torchzip, torchlegacy, torchexport    files of torch, since 1.6 | before | of torch.export
    dcp, dcpshard  torch.distributed.checkpoint: its index | what lies in its shards
    torchpickle, torchviews  what their pickle describes | which bytes each tensor has
    hdf5, hdf5chunks    datasets of HDF5, of Keras | those in chunks
    flaxpack    MessagePack of Flax
    orbax, zarr    checkpoints of Orbax | arrays in directories of chunks
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
    zipmembers, protowire, cursor    what formats are made of
    tensors     which came, went and changed, by name
    layers      layers compared by form
    compare, _compare    two runs of elements compared, in Python | in C
    statistics  what a change did, in figures

Values, tables and text:
    values      settings and metrics as flat keys
    yaml12      YAML 1.2 in bounded time
    direction   whether more of a metric is better
    tables      CSV, TSV and JSON lines
    arrow       Parquet and Arrow, the only user of pyarrow
    table       what is known of a table in any format
    columns     what stands in a column
    environment  packages that a requirements or lock file asks for
    notebook    the source of a notebook
    textdiff    text line by line
"""
