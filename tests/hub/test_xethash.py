"""Hashes of Xet, against what a client of theirs sent."""

from __future__ import annotations

import random
import struct
from itertools import accumulate

import pytest

from mvcd.errors import UsageError
from mvcd.hub import xethash
from mvcd.hub.xethash import HashTree, from_hex, is_asked_for, range_hash, to_hex, xorb_hash
from tests.hub.xetmade import recorded

ENTRY = struct.Struct("<32sIIII")


def lists(shard: bytes) -> list[list[tuple[bytes, int, int, int, int]]]:
    """The entries of a shard's two lists."""
    found: list[list[tuple[bytes, int, int, int, int]]] = [[]]
    for row in ENTRY.iter_unpack(shard[48:]):
        if row[0] == b"\xff" * 32:
            found.append([])
        else:
            found[-1].append(row)
    return found[:2]


@pytest.mark.parametrize("name", ["shard", "long_shard"])
def test_xorbs_and_ranges_have_the_names_that_the_client_gives_them(name: str) -> None:
    files, rows = lists(recorded(name))
    xorbs = {}
    while rows:
        (digest, _, many, _, _), rows = rows[0], rows[1:]
        xorbs[digest] = [(row[0], row[2]) for row in rows[:many]]
        assert xorb_hash(xorbs[digest]) == digest
        rows = rows[many:]
    assert xorbs
    while files:
        (digest, _, many, _, _), terms, proofs = files[0], files[1:], files[1:]
        tree = HashTree()
        for (xorb, _, size, start, end), proof in zip(terms[:many], proofs[many:], strict=False):
            leaves = xorbs[xorb][start:end]
            assert range_hash(each for each, _ in leaves) == proof[0]
            assert sum(size for _, size in leaves) == size
            for leaf in leaves:
                tree.add(*leaf)
        assert tree.file_hash() == digest
        files = files[2 * many + 2 :]


def test_a_tree_is_cut_by_the_rule_at_once_and_bit_by_bit() -> None:
    """Level by level over all nodes, as the specification tells it."""
    rng = random.Random(5)
    for count in [*range(1, 30), 100, 1000]:
        leaves = [(rng.randbytes(32), rng.randrange(1, 9000)) for _ in range(count)]
        level = leaves
        while len(level) > 1:
            groups: list[list[tuple[bytes, int]]] = [[]]
            for node in level:
                groups[-1].append(node)
                last = int.from_bytes(node[0][24:], "little")
                if len(groups[-1]) == 9 or (len(groups[-1]) >= 3 and last % 4 == 0):
                    groups.append([])
            level = [parent(group) for group in groups if group]
        assert xorb_hash(leaves) == level[0][0]


def parent(group: list[tuple[bytes, int]]) -> tuple[bytes, int]:
    text = "".join(f"{to_hex(digest)} : {size}\n" for digest, size in group)
    digest = xethash.blake3(text.encode(), key=xethash._NODE_KEY).digest()
    return digest, list(accumulate(size for _, size in group))[-1]


def test_a_tree_holds_a_few_nodes_a_level() -> None:
    tree = HashTree()
    rng = random.Random(1)
    for _ in range(20_000):
        tree.add(rng.randbytes(32), 1)
        assert sum(map(len, tree._levels)) <= 8 * 15


def test_nothing_has_the_hash_zero() -> None:
    assert xorb_hash([]) == HashTree().file_hash() == bytes(32)


def test_a_hash_in_an_address_has_the_bytes_of_each_eight_in_reverse() -> None:
    digest = bytes(range(32))
    assert to_hex(digest).startswith("0706050403020100" + "0f0e")
    assert from_hex(to_hex(digest)) == digest
    for wrong in ("", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 64 + "\n", "\u0660" * 64):
        with pytest.raises(UsageError):
            from_hex(wrong)


def test_clients_ask_for_one_chunk_of_1024() -> None:
    assert is_asked_for(bytes(24) + (2048).to_bytes(8, "little"))
    assert not is_asked_for(bytes(24) + (2049).to_bytes(8, "little"))
