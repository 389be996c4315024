"""The limits of the protocol, version 1: what may be in one call. proto/README.md has them as a table.

What holds without gRPC too is said where it is kept, and named again here: of objects and frames in `codec` and
`store`, of ids in one question to any peer in `store.peer`. A test compares each row of the table with this
module.
"""

from __future__ import annotations

from mvcd.codec.encoded import MAX_RAW_BYTES
from mvcd.objects.canonical import MAX_OBJECT_BYTES
from mvcd.store.frames import FRAME_END_BYTES, MAX_FRAME_BYTES, MAX_FRAME_RAW_BYTES
from mvcd.store.peer import CallLimits
from mvcd.store.record import MAX_BODY_BYTES
from mvcd.store.refs import MAX_NAME_BYTES, MAX_VALUE_BYTES

MESSAGE_BYTES = 4 << 20
"""Longest message, both ways; gRPC's own limit where nothing else is said."""
FRAME_BYTES = MAX_FRAME_BYTES
FRAME_ENDS_BYTES = FRAME_END_BYTES
FRAME_RAW_BYTES = MAX_FRAME_RAW_BYTES
OBJECT_RAW_BYTES = MAX_RAW_BYTES
OBJECT_BUT_CHUNK_RAW_BYTES = MAX_OBJECT_BYTES
BODY_BYTES = MAX_BODY_BYTES

HAS_IDS = CallLimits().has_ids
GET_IDS = CallLimits().get_ids
LOG_VERSIONS = CallLimits().log_versions
"""In one reply, in `heads`, in `haves`."""
REF_UPDATES = CallLimits().ref_updates
FEWEST_IDS = 64
"""Ids, versions or updates that each server takes in a call, whatever its limits: for so few nobody waits to
hear them."""

REF_NAME_BYTES = MAX_NAME_BYTES
REF_VALUE_BYTES = MAX_VALUE_BYTES
REPO_NAME_CHARACTERS = 500
TEXT_CHARACTERS = 4096
"""Longest `author` and `detail`."""
ID_BYTES = 16
"""Exact length of a `session` and of a `request_id`."""
