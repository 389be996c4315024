"""`mvcd serve`: repositories on the network, for a team or for a peer.

    command    the verb serve
    admin      the verbs of mvc admin under the name mvcd
    run        the life of a server: self-test, serve, drain
    frame      the gRPC server: limits, health, reflection
    health     grpc.health.v1
    connections  how many there may be, and which go
    remote     the calls of mvcd.wire, over a team's host or a peer's
    peer       one's own repositories, served to a peer
    stdio      the far side of ssh://
    listen     where; which places are safe without TLS
    tls        certificates from files, read again when they change
    calls      one log line and one count for each call
    logs       JSON lines, or text
    metrics    counters in Prometheus' text format
    probe      a call to itself, for /readyz
    web        /healthz /readyz /metrics
    asgiserver  an application of HTTP beside gRPC; knows uvicorn
    httpcalls  one log line and one count for each request to one
    hubserver  clients of the Hugging Face Hub and of Git LFS (mvcd.hub)
    pageserver  the page of a team server (mvc.web)
    sealing    signed heads of the audit logs, to a place elsewhere
    inbucket   what a server over a bucket needs of its machine
    lock       one server a directory
    copyroot   a whole root copied to another place, also into a bucket or out of one
    backup     a copy of a server directory while it serves, and the way back

What is served is handed in (`run.Served`): to processes, sockets and signals it is all the same.
Beside `mvcd.wire` it alone imports gRPC.
"""
