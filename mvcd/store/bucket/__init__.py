"""A store in a bucket of objects: S3 and what speaks it, GCS, Azure, a directory of a network file system
(BUCKET.md).

What a bucket is, and the kinds there are (PROVIDERS.md):
    blobs       what a bucket has to do, as a protocol
    addresses   one opened by its address
    probe       whether one keeps what a repository counts on
    objectstore  over obstore: S3, GCS, Azure, memory
    directory   in a directory of any file system, without locks
    linkedblobs, httpget  read by links, without keys | objects by addresses of the web
    chain       one name there whose content is swapped, with the proof

Their parts:
    options     what an address does not say, and no secret
    awsprofile  keys and settings in ~/.aws
    failures    what a refusal means, in our words
    silence     told to who waits, when a bucket does not answer
    ranges      what to read for the spans that are wanted
    workers     threads for calls that wait for a network

The store there (BUCKET.md):
    bucketopening  one opened or made by its address
    bucket_store  the store
    served      the same as a server has it open beside other servers
    bucketparts  its parts: state, index, packs; what swaps do
    bucketstate, swapping  the one object that is swapped | how it is
    seenrefs    this client's copy of it, which comes again only if it has changed
    bucket_session, packing  objects sent, then refs | packs on their way
    indexrun, merging  which object rests where | few runs instead of many
    runindex, blobpacks  this client's index of them | packs read by ranges
    logsegments  operations and audit rows
    bucket_takenover  those of another store, as a whole
    bucket_collect, moving  what nothing needs goes | what stays of packs that go
    bucket_check  every invariant
    links, linksigning  documents of links (LINKS.md) | how they are made

Where whoever has the bucket is to read nothing in it (SEALED.md):
    bucketseal  which are so, and how one becomes so
    sealed      objects encrypted and decrypted
    agekey      the bucket's key, for people's age or SSH keys
"""
