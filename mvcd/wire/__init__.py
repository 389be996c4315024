"""gRPC at the border: the eight calls of proto/mvcd/wire/v1/remote.proto, served and called.

    host.py     what a server is given: repositories, and who may do what
    server.py   the calls over any host
    front.py    calls that wait for messages and readers without a thread
    admission.py how many calls there may be, and whose
    handlers.py its methods, made from the descriptor; requests parsed
    uploads.py  what clients have put and not yet named
    replies.py  what updates were answered, for a week
    below.py    what lies below objects, before it is asked for
    tidying.py  what they leave, freed
    patience.py how often a call is made again
    client.py   a peer at the other end of a channel
    status.py   errors as status and back
    address.py  addresses without secrets, and the proxy on the way
    diagnosis.py why a server does not answer
    dial.py     from an address to a peer
    schemes.py  kinds of addresses, and what is to know of each
    ssh.py      a connection through the system's ssh
    limits.py   what may be in one call
    ids.py      packed digests and bitmaps

Nothing else in the engine knows gRPC. What it says on stderr is not for the people who use us: errors come as
errors.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
