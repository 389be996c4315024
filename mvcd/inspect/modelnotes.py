"""What a README says of a model, in the form that the Hugging Face Hub gave model cards: a head of YAML between
two lines of dashes, then Markdown (huggingface.co/docs/hub/model-cards).

Of the head one reads lines `KEY: VALUE` alone; of the text the first paragraph under a heading such as
"Intended use", and the first picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_BYTES = 256 << 10
"""A longer README is read up to here."""
_MAX_CHARACTERS = 600

_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^([a-z_]+):[ \t]*(\S.*?)[ \t]*\r?$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_USE = re.compile(
    r"(?:\d+\.?\s*)?(?:intended (?:use|uses|usage)\b.*|direct use|uses?)", re.IGNORECASE
)
_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")


@dataclass(frozen=True, slots=True)
class ModelNotes:
    """What somebody wrote about a model; "" for what is not there. `picture` is a path beside the README."""

    license: str = ""
    intended_use: str = ""
    picture: str = ""


NO_NOTES = ModelNotes()


def model_notes(text: str) -> ModelNotes:
    """Reads a README."""
    head = _HEAD.match(text)
    fields = dict(_FIELD.findall(head[1])) if head else {}
    body = _COMMENT.sub("", text[head.end() :] if head else text)
    license = _unquoted(fields.get("license", ""))
    if license.lower() == "other":
        license = _unquoted(fields.get("license_name", license))
    picture = _PICTURE.search(body)
    shown = _unquoted(fields.get("thumbnail", "")) or (picture[1] if picture else "")
    return ModelNotes(license[:_MAX_CHARACTERS], _use(body), "" if _leads_away(shown) else shown)


def _use(body: str) -> str:
    """The first paragraph under the heading that says it most plainly."""
    headings = [(m, m[1].strip()) for m in _HEADING.finditer(body)]
    fitting = [m for m, title in headings if _USE.fullmatch(title)]
    fitting.sort(key=lambda m: not m[1].lower().startswith("intended"))
    for heading in fitting:
        following = _HEADING.search(body, heading.end())
        below = body[heading.end() : following.start() if following else None]
        for paragraph in re.split(r"\n\s*\n", below):
            plain = _EMPHASIS.sub("", _LINK.sub(r"\1", " ".join(paragraph.split())))
            if plain and not plain.lower().startswith("[more information needed"):
                return plain[:_MAX_CHARACTERS]
    return ""


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _leads_away(path: str) -> bool:
    """Whether a picture is somewhere else than beside the README."""
    return ":" in path or path.startswith(("/", "\\")) or ".." in path.split("/")
