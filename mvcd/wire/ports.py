"""The ports that an address without one means, and where a server listens unless it is told otherwise. Nothing
of gRPC is needed to know them."""

PORTS = {"grpc": 7400, "grpcs": 7443}
"""By scheme: plain text, TLS."""
