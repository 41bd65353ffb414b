"""Colours that readers of any colour vision can tell apart.

Up to eight are the set of Okabe and Ito (2008, "Color universal design"). Up to fifteen were chosen to
maximise the least CIEDE2000 difference of any two, and of each from white, as seen with normal vision and
with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009, severity 1): it is above
13, where the set of eight has 10. More cannot be told apart by colour alone: they run along viridis, from
dark to light for readers of any colour vision (Smith and van der Walt 2015, "A better default colormap for
matplotlib"), and drawings number them.
"""

from __future__ import annotations

from itertools import pairwise

TOLD_BY_COLOUR = 15
DIFFERENT = 240

_EIGHT = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
_FIFTEEN = (
    *("#770066", "#eeee00", "#9999ff", "#667711", "#1100dd", "#bbeeaa", "#eeccff", "#444400"),
    *("#6666dd", "#ee6677", "#bb3366", "#77bbaa", "#997799", "#bbaa00", "#005544"),
)
# Every eighth of viridis.
_VIRIDIS = (
    *("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"),
)


def colours(number: int) -> tuple[str, ...]:
    """So many colours, as ``#rrggbb``; different ones up to 240, easily told apart up to 15.

    >>> colours(2)
    ('#000000', '#e69f00')
    """
    if number <= len(_EIGHT):
        return _EIGHT[:number]
    if number <= len(_FIFTEEN):
        return _FIFTEEN[:number]
    return _along(_VIRIDIS, number)


def greys(number: int) -> tuple[str, ...]:
    """So many greys from dark to light."""
    return _along(("#404040", "#d8d8d8"), number)


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on ``colour``.

    >>> ink_on("#f0e442"), ink_on("#0072b2")
    ('#000000', '#ffffff')
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The contrast (lighter + 0.05) / (darker + 0.05) of WCAG 2 is the same for both where luminance is 0.179.
    return "#000000" if luminance > 0.179 else "#ffffff"


def _along(anchors: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Evenly spaced colours on the polyline through the anchors, both ends among them."""
    steps = list(pairwise(map(_rgb, anchors)))
    found = []
    for at in range(number):
        place = at * len(steps) / max(number - 1, 1)
        low, high = steps[min(int(place), len(steps) - 1)]
        part = place - min(int(place), len(steps) - 1)
        mixed = (a + (b - a) * part for a, b in zip(low, high, strict=True))
        found.append("#" + "".join(f"{round(255 * c):02x}" for c in mixed))
    return tuple(found)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
