"""gRPC at the border: the eight calls of proto/mvcd/wire/v1/remote.proto, served and called.

The server:
    host        what it is given: repositories, and who may do what
    server      the calls over any host
    handlers    its methods, made from the descriptor; requests parsed
    door        who makes a call, before its message is there
    front       calls that wait for messages and readers without a thread
    admission   how many calls there may be, and whose
    uploads     what clients have put and not yet named
    together    puts of one upload that become durable together
    replies     what updates were answered, for a week
    tidying     what uploads leave, freed

The client:
    dial        from an address to a peer
    client      a peer at the other end of a channel
    pages       lists that come page by page, none without an end
    portions    how many chunks one call brings
    stall       a stream that stalls is ended
    patience    how often a call is made again
    diagnosis   why a server does not answer
    ssh         a connection through the system's ssh

Both:
    address     addresses without secrets, and the proxy on the way
    schemes     kinds of addresses, and all that each needs
    limits      how much one message may hold
    lookahead   what lies below objects, before it is asked for
    carriers    the messages that carry frames, without protobuf's copies
    status      errors as status and back
    ids         packed digests and bitmaps
    v1/         generated from the schema

Nothing else in the engine knows gRPC. What it says on stderr is not for the people who use us: errors come as
errors.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
