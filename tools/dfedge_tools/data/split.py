"""Divide samples into train, val and test without dividing a person or a source video.

Samples that share an identity (target or source), a clip or the original behind a fake belong
together, and so do all that these tie to one another: the connected components of that graph. A
component goes to one side whole. Which one, a hash of its people decides, so that data added later
move nothing that was there, unless they tie it to people who were not.

Where everybody's face was put on everybody (DFD, Celeb-DF, KoDF) all fakes are one component. Then
`drop_crossing` divides the targets alone and leaves out the fakes whose source is on another side.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dfedge.errors import UsageError
from dfedge_tools.data.manifest import Sample, Split, held_back

SIDES: tuple[Split, ...] = ("train", "val", "test")

Node = tuple[str, str, str]
"""``identity`` or ``clip``, data set, name."""


@dataclass(frozen=True, slots=True)
class Division:
    """Samples with their split, and those that fit on no side.

    Attributes:
        samples: In the order they came in.
        left_out: Whose identities or clips are on several sides.
        components: How many groups of samples belong together.
        largest: Samples in the largest of them.
    """

    samples: tuple[Sample, ...]
    left_out: tuple[Sample, ...]
    components: int
    largest: int


def divide(
    samples: Sequence[Sample],
    *,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    held: float = 0.0,
    balanced: bool = False,
    drop_crossing: bool = False,
) -> Division:
    """Give every sample without a split one; those that have one keep it, and draw theirs along.

    Args:
        shares: Of train, val and test; only their ratio counts.
        seed: Of the hash.
        held: Share of the genuine stills of each source that is kept back as ``held``.
        balanced: Fill the sides one component after the other, largest first, so that the shares
            hold as well as they can for every source, method and compression. Good for few
            components; samples added later may move others.
        drop_crossing: Divide targets alone and leave out fakes whose source is on another side.

    Raises:
        UsageError: Shares that cannot be kept.
    """
    fit = len(shares) == len(SIDES) and all(0 <= share < math.inf for share in shares)
    if not fit or sum(shares) == 0:
        raise UsageError(f"shares {list(shares)}: give three numbers from 0 for train, val, test")
    samples = _hold_back(samples, held, seed)
    groups = _components(samples, tie_sources=not drop_crossing)
    side_of = _sides(samples, groups, shares, seed, balanced=balanced)
    kept: list[Sample] = []
    left_out: list[Sample] = []
    for sample in samples:
        sides = {side_of[node] for node in _nodes(sample)}
        if sample.split:
            kept.append(sample)
        elif len(sides) == 1 and "" not in sides:
            kept.append(replace(sample, split=sides.pop()))
        else:
            left_out.append(sample)
    sizes = Counter(groups[_nodes(sample)[0]] for sample in samples)
    return Division(tuple(kept), tuple(left_out), len(sizes), max(sizes.values(), default=0))


def _hold_back(samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """Stills that nothing else is tied to, by source."""
    if share == 0:
        return list(samples)
    free = [
        sample
        for sample in samples
        if (sample.kind, sample.label, sample.split, sample.target_id) == ("still", 0, "", "")
    ]
    tied = Counter(node for sample in samples for node in set(_nodes(sample)))
    items = [(s.path, s.source) for s in free if all(tied[node] == 1 for node in _nodes(s))]
    held = held_back(items, share, seed)
    return [replace(s, split="held") if s.path in held else s for s in samples]


def _nodes(sample: Sample) -> list[Node]:
    """What ties a sample to others; the clip it is of comes first, the source last."""
    names = (
        ("clip", sample.video_id),
        ("clip", sample.original),
        ("identity", sample.target_id),
        ("identity", sample.source_id),
    )
    return [(kind, sample.source, name) for kind, name in names if name]


def _components(samples: Iterable[Sample], *, tie_sources: bool) -> dict[Node, Node]:
    """The same node for all nodes of a component."""
    above: dict[Node, Node] = {}

    def top(node: Node) -> Node:
        above.setdefault(node, node)
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for sample in samples:
        nodes = _nodes(sample)
        if sample.source_id and not tie_sources:
            top(nodes.pop())
        for node in nodes:
            above[top(node)] = top(nodes[0])
    return {node: top(node) for node in above}


def _sides(
    samples: Sequence[Sample],
    groups: Mapping[Node, Node],
    shares: Sequence[float],
    seed: int,
    *,
    balanced: bool,
) -> dict[Node, Split]:
    """Side of every node; empty where samples that had a split put it on several."""
    given: dict[Node, set[Split]] = defaultdict(set)
    for sample in samples:
        for node in _nodes(sample) if sample.split else ():
            given[groups[node]].add(sample.split)
    sides: dict[Node, Split] = {
        group: splits.copy().pop() if len(splits) == 1 else "" for group, splits in given.items()
    }
    keys = _keys(samples, groups, seed)
    free = [group for group in sorted(keys, key=keys.__getitem__) if group not in sides]
    if balanced:
        sides |= _balanced(samples, groups, free, sides, shares)
    else:
        # Hashed once more, as the smallest of many hashes is not evenly spread.
        sides |= {group: _by_hash(_hash(seed, "side", keys[group]), shares) for group in free}
    return {node: sides[group] for node, group in groups.items()}


def _keys(samples: Sequence[Sample], groups: Mapping[Node, Node], seed: int) -> dict[Node, str]:
    """The smallest hash in each component: of its people, else its originals, else its clips.

    So another clip of a person, or another fake of an original, changes nothing.
    """
    originals = {("clip", sample.source, sample.original) for sample in samples}
    keys: dict[Node, str] = {}
    for node, group in groups.items():
        rank = "0" if node[0] == "identity" else "1" if node in originals else "2"
        keys[group] = min(rank + _hash(seed, *node), keys.get(group, "~"))
    return keys


def _by_hash(digest: str, shares: Sequence[float]) -> Split:
    place = int(digest[:13], 16) / 16**13 * sum(shares)
    for side, share in zip(SIDES, shares, strict=True):
        place -= share
        if place < 0:
            return side
    return SIDES[max(n for n, share in enumerate(shares) if share > 0)]


def _balanced(
    samples: Sequence[Sample],
    groups: Mapping[Node, Node],
    free: Sequence[Node],
    sides: Mapping[Node, Split],
    shares: Sequence[float],
) -> Iterator[tuple[Node, Split]]:
    """Each free component to the side that lacks most of what it holds, the largest first.

    The last ones go to sides that have nothing yet.
    """
    held: dict[Node, Counter[tuple[object, ...]]] = defaultdict(Counter)
    total: Counter[tuple[object, ...]] = Counter()
    for sample in samples:
        stratum = (sample.source, sample.label, sample.method, sample.compression)
        held[groups[_nodes(sample)[0]]][stratum] += 1
        total[stratum] += 1
    have: dict[Split, Counter[tuple[object, ...]]] = {side: Counter() for side in SIDES}
    for group, side in sides.items():
        if side in have:
            have[side] += held[group]
    wanted = {s: share / sum(shares) for s, share in zip(SIDES, shares, strict=True) if share > 0}
    for done, group in enumerate(sorted(free, key=lambda group: -held[group].total())):
        counts = held[group]

        def lacking(side: Split, counts: Counter[tuple[object, ...]] = counts) -> float:
            return sum(
                n * (wanted[side] - have[side][stratum] / total[stratum]) / total[stratum]
                for stratum, n in counts.items()
            )

        empty = [side for side in wanted if not have[side]]
        side = max(empty if len(free) - done <= len(empty) else wanted, key=lacking)
        have[side] += counts
        yield group, side


def _hash(seed: int, *words: str) -> str:
    return hashlib.sha256("\0".join((str(seed), *words)).encode()).hexdigest()
