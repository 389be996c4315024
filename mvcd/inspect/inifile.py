"""Settings in INI files, `section.key` with typed values: what `configparser` reads, within bounds."""

from __future__ import annotations

import json

from mvcd.inspect.lastrows import cell

MAX_CHARACTERS = 256 << 10


def load(text: str) -> dict[str, object]:
    """Sections of keys; keys above the first section, as `.env` and Java's properties have them, stand alone.

    Values of JSON (spaCy writes `[1, 2]` and `"en"`) are what they say; others are numbers, booleans or text.
    Interpolation is left as written. Raises ValueError.
    """
    import configparser  # late: start-up

    class Parser(configparser.RawConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return optionstr  # letter case is kept

    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"INI of more than {MAX_CHARACTERS >> 10} KiB")
    top = "\0"
    parser = Parser(strict=False, allow_no_value=True, default_section="\1")
    try:
        parser.read_string(f"[{top}]\n{text}")
    except (
        AttributeError
    ):  # of the parser itself, up to Python 3.12, for a value below a key without one
        raise ValueError("a line that belongs to no key") from None
    except configparser.Error as error:
        raise ValueError(str(error).split("\n", 1)[0].replace("'<string>'", "the file")) from None
    found: dict[str, object] = {}
    for section in parser.sections():
        values = {key: _value(text) for key, text in parser.items(section)}
        if section == top:
            found |= values
        else:
            found[section] = values
    return found


def _value(text: str | None) -> object:
    if text is None:
        return True
    if text[:1] in '["{':
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return cell(text) if text else ""
