"""The bar that shows how far a long run is, how fast it goes and when it will end."""

from __future__ import annotations

from tqdm import tqdm


def progress_bar(label: str, unit: str, total: int, reused: int, *, show: bool) -> tqdm:
    """A bar on stderr, if that is a terminal; what is reused counts for how far, not how fast."""
    bar: tqdm = tqdm(
        desc=label,
        unit=unit,
        total=total,
        initial=reused,
        mininterval=0.5,
        dynamic_ncols=True,
        disable=None if show else True,
    )
    return bar
