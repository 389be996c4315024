"""The limits of the protocol, version 1: what may be in one call. proto/README.md has them as a table.

What holds without gRPC too is said where it is kept, and named again here: of objects and frames in `codec` and
`store`, of ids in one question to any peer in `store.peer`. A test compares each row of the table with this
module.
"""

from __future__ import annotations

from mvcd.codec.encoded import MAX_RAW_SIZE
from mvcd.objects.canonical import MAX_SIZE
from mvcd.store.frames import FRAME_SIZE, MAX_FRAME_RAW_SIZE, MAX_FRAME_SIZE
from mvcd.store.peer import Limits
from mvcd.store.record import MAX_BODY_SIZE
from mvcd.store.refs import MAX_NAME_SIZE, MAX_VALUE_SIZE

MESSAGE_BYTES = 4 << 20
"""Longest message, both ways; gRPC's own limit where nothing else is said."""
FRAME_BYTES = MAX_FRAME_SIZE
FRAME_ENDS_BYTES = FRAME_SIZE
FRAME_RAW_BYTES = MAX_FRAME_RAW_SIZE
OBJECT_RAW_BYTES = MAX_RAW_SIZE
OBJECT_BUT_CHUNK_RAW_BYTES = MAX_SIZE
BODY_BYTES = MAX_BODY_SIZE

HAS_IDS = Limits().has_ids
GET_IDS = Limits().get_ids
LOG_VERSIONS = Limits().log_versions
"""In one reply, in `heads`, in `haves`."""
REF_UPDATES = Limits().ref_updates
FEWEST = 64
"""Ids, versions or updates that each server takes in a call, whatever its limits: for so few nobody waits to
hear them."""

REF_NAME_BYTES = MAX_NAME_SIZE
REF_VALUE_BYTES = MAX_VALUE_SIZE
REPO_NAME_CHARACTERS = 500
TEXT_CHARACTERS = 4096
"""Longest `author` and `detail`."""
ID_BYTES = 16
"""Exact length of a `session` and of a `request_id`."""
