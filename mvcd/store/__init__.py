"""Where objects and refs rest: packs of records, and an index in LMDB (FORMAT.md).

What a store is, and the three there are:
    api         a store and its session, as protocols
    reports     what looking after a store answers
    stores      one opened or made by its address
    lmdb_store  on a local disk
    memory_store  in memory, what the others are compared with
    bucket      in a bucket of objects, where nothing runs
    bucket/     in a bucket of objects
    peer        the other side of a transfer

The parts of an open store, and who works with them:
    parts       index, packs, journal, directories
    reader      objects looked up, read, decoded, checked
    levels, baselevels    what one rests on | what many rest on, read together
    readorder   in which order they are read, and what is told ahead
    session     objects appended; rows and refs in one transaction
    arrivals    checked objects on their way into a session
    reliance    what a session relies on: leased, and still here as it commits
    reuse       packs that changed unseen are read before a session counts on them
    stamp, stretches    how a pack was when it was read | where it is bad
    check       every invariant
    collect, repack    what nothing needs goes | the disk space comes back
    marking, idset    what that may be | sets of ids in few bytes
    collected, placed    what the last collection knew | the objects of one pack
    optimizer   what is there in fewer bytes
    rebaser     other bases for chunks that rest on each other
    lookedinto  packs where that was tried already
    salvage     what a killed writer left

Packs:
    record, frames    the bytes of one | whole records in a row
    _records    the records of a frame, in C
    readymade   records that a worker makes, for a session to take as a whole
    older       records for peers that know fewer codecs
    pack        files of them
    writers     who may append to which

The index:
    index       the LMDB environment
    opening, beside    for writing, or for reading | beside writers who cannot see us
    rows, meta  values of its tables | its counters
    refs        refs, operations and cache rows
    refnames    names of refs, for completion: without opening the store
    audit       the audit chain
    takenover   refs, operations and audit rows of another store, as a whole
    cacherows   the cache table as users see it
    damage      what is known to be damaged

The second copy, and recovery:
    journal, journal_check    refs, operations and audit log again | whether it tells the same
    rebuild     a new index from packs and journal
    harvest     what a damaged index still tells
    repair      a store that does not open
    backup      a copy while others write

Between processes, and with the system:
    lease       what live sessions rely on
    rwlock      a lock that many threads hold at once, or one alone
    opened      stores that a server keeps open
    apart       work that may end its process, in one of its own
    trouble     what LMDB refuses, told apart from damage
    steps       named moments between two states of the disk, for tests of crashes
    _faults     faults of mapped pages survived, in C
"""
