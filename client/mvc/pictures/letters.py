"""How wide text is in a proportional font, before anybody knows which one: the fonts of figures.

Widths are those of Helvetica's metrics (Adobe, 1997), which Arial, Liberation Sans and Nimbus Sans share, with
a sixth more for fonts like DejaVu Sans. What is wide in a terminal is as wide as it is high.
"""

from __future__ import annotations

from mvc.api.cells import columns

FAMILY = (
    "'Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans','Noto Sans','Noto Sans CJK SC',"
    "'PingFang SC','Microsoft YaHei',sans-serif"
)
_RESERVE_TIMES = 1.17
_ASCII = """
    278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556
    278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667
    611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833
    556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
""".split()
"""Thousandths of the font's size, of the space to the tilde."""


def width(text: str, size_pixels: float) -> float:
    """Pixels, seldom fewer than the text takes."""
    found = 0
    for character in text:
        index = ord(character) - 32
        known = 0 <= index < len(_ASCII)
        found += int(_ASCII[index]) if known else (0, 600, 1000)[min(columns(character), 2)]
    return found / 1000 * size_pixels * _RESERVE_TIMES
