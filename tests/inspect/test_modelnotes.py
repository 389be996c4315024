"""READMEs of models: the head of the Hub's model cards, and the text below it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvcd.inspect.modelnotes import ModelNotes, model_notes

CARD = """---
license: apache-2.0
thumbnail: "pictures/front.png"
tags:
- iris
---
# Iris

![a flower](flower.png)

## Uses

For flowers.

## Intended uses & limitations

<!-- say what it is for -->

To tell **three kinds** of [iris](https://example.org)
from four lengths.

Not for medicine.
"""


def test_a_card_of_the_hub() -> None:
    assert model_notes(CARD) == ModelNotes(
        "apache-2.0", "To tell three kinds of iris from four lengths.", "pictures/front.png"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ModelNotes()),
        ("# Iris\n\nlicense: mit\n", ModelNotes()),
        ("---\nlicense: other\nlicense_name: 'our terms'\n---\n", ModelNotes("our terms")),
        ("---\r\nlicense: mit\r\n---\r\n", ModelNotes("mit")),
        ("---\nlicense: mit\nno end", ModelNotes()),
        ("### Direct Use\n\nHere.\n", ModelNotes("", "Here.")),
        ("## Intended use\n\n[More Information Needed]\n\n## Uses\nFlowers.", ModelNotes("", "Flowers.")),
        ("![x](https://example.org/x.png)", ModelNotes()),
        ("![x](../x.png) ![y](y.png)", ModelNotes()),
        ("![x](<a/b.png> 'title')", ModelNotes("", "", "a/b.png")),
    ],
)  # fmt: skip
def test_other_readmes(text: str, found: ModelNotes) -> None:
    assert model_notes(text) == found


@given(st.text(alphabet="-#!\n\r[]()<>*_`: licenseintdu.", max_size=300))
def test_any_text_is_read(text: str) -> None:
    found = model_notes(text)
    assert not found.picture.startswith("/") and len(found.intended_use) <= 600
