"""The catalogue: what people wrote about a model, on its card, in its JSON and on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mvc import Repo
from tests.support.commandline import write
from tests.support.page import Served

README = """---
license: apache-2.0
---
![a picture](./pictures/front.png)

## Intended use

To tell three kinds of iris.
"""
PNG = "\x89PNG"


@pytest.fixture
def model(own: Repo) -> Repo:
    write(Path(own.root), {"README.md": README, "pictures/front.png": PNG, "results/a.png": PNG})
    own.add(".")
    own.commit("described")
    own.tag("v1.0", "HEAD")
    return own


def test_a_card_says_what_people_wrote(model: Repo) -> None:
    card = model.card("v1.0")
    assert card.notes.license == "apache-2.0"
    assert card.notes.intended_use == "To tell three kinds of iris."
    assert card.notes.picture == "pictures/front.png"
    assert "apache-2.0" in card.markdown() and "To tell three kinds of iris." in card.html()
    assert model.card("v1").notes.license == ""
    assert "license" not in model.card("v1").markdown()


def test_an_annotation_goes_before_the_readme(model: Repo) -> None:
    model.annotate("v1.0", {"license": "ours", "intended_use": "Nothing else."})
    (card,) = model.catalogue().cards
    assert (card.notes.license, card.notes.intended_use) == ("ours", "Nothing else.")


def test_without_its_picture_it_has_the_first_of_the_results(model: Repo) -> None:
    (Path(model.root) / "pictures/front.png").unlink()
    model.commit("gone")
    assert model.card().notes.picture == "results/a.png"
    (Path(model.root) / "results/a.png").write_bytes(bytes((1 << 20) + 1))
    model.commit("too large")
    assert model.card().notes.picture == ""


def test_the_page_has_what_mvc_catalogue_has(
    page: Served, said: Callable[..., object], serve: Callable[..., Served], model: Repo
) -> None:
    assert page.api("/r/catalogue") == said("catalogue")
    (one,) = serve(Path(model.root)).let_in().api("/r/catalogue")["models"]
    assert (one["model"], one["license"], one["picture"]) == (
        "v1.0",
        "apache-2.0",
        "pictures/front.png",
    )
    assert one["leading_metrics"] == ["val_acc"]
    assert json.dumps(one["intended_use"]) == '"To tell three kinds of iris."'
