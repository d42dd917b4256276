"""A document's Markdown cut into chunks for retrieval: along headings, within a budget of tokens, each with a breadcrumb in front.

``chunks()`` is pure, reads nothing but its arguments, never raises, and takes time linear in the text. Costs are those of
``content.tokens``, an estimate.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

from airflow_provider_confluence.content.leaves import leaves
from airflow_provider_confluence.content.tokens import QUARTERS, cost, reach
from airflow_provider_confluence.documents import Chunk

_SEPARATOR = " > "
_LEFT_OUT = "…"
_PART_CHARS = 1_000  # of a title or heading, for the breadcrumb
# (Here and below, a run of signs is looked at from its first one only: from each, time would grow with the square of its length.)
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"')\]»”’*_]*\s+|[。！？]+[」』）”]*\s*|(?:\r\n?|\n)[ \t]*")
_WORD_END = re.compile(r"\s+")
_MARKED = re.compile(r"#{1,6}(?:[ \t]+|$)(.*?)(?:(?:^|[ \t]+)#+)?$")
_INLINE = re.compile(
    r"\\([!-/:-@\[-`{-~])"  # an escaped sign
    r"|(?:(?<!`)|(?<=\\`))(`+)(?!`)(.+?)(?<!`)\2(?!`)"  # code; a sign that is escaped is of no run
    r"|!?\[((?:\\.|[^\[\]\\])*)\]\((?:<[^<>]*>|[^\s()<>]*)(?: \"[^\"]*\")?\)"  # a link or picture
    r"|<([a-z][a-z0-9+.-]*://[^\s<>]*)>"  # an address
    r"|(?:(?<=\S)|(?=\*+\S)|(?=~~\S))(?:\*{1,3}|~~)"  # bold, italic, struck through
)


def chunks(content: str, budget: int, names: Sequence[str] = ()) -> tuple[Chunk, ...]:
    """Return a Markdown text as chunks in its order; none for a blank one.

    The slices ``content[start:end]`` follow one another without a gap and are together the whole content. Each stays within one section of
    the text, or holds whole neighbouring sections below one heading. Where a section is too large it is cut between its blocks, then
    between the items of lists and the rows of tables, then between sentences, lines and words. A table's row and a fenced code block
    are never cut.

    :param budget: the most tokens of a chunk's ``text``, at least 64. Only a row or code block that is larger by itself exceeds it; its
        chunk is ``oversized``.
    :param names: what the breadcrumb begins with: the space, what the document stands below, and last its own title.
    """
    return _Cutter(content, max(budget, 64), names).chunks() if content and not content.isspace() else ()


@dataclass(slots=True)
class _Section:
    """A heading with all below it, as leaves ``first`` to ``end``."""

    level: int
    path: tuple[str, ...]
    first: int
    end: int = 0
    children: list[_Section] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    """A chunk that is being filled: what stands in front of the slice, what it has cost, and how much more it holds."""

    start: int
    leaf: int
    front: str
    header: str
    room: int
    spent: int = 0
    only_headings: bool = True


class _Cutter:
    def __init__(self, content: str, budget: int, names: Sequence[str]) -> None:
        self._content = content
        self._budget = budget * QUARTERS
        self._half = budget // 2 * QUARTERS
        self._names = tuple(name for name in (" ".join(name[:_PART_CHARS].split()) for name in names) if name)
        self._leaves = leaves(content)
        self._costs = [0, *accumulate(cost(content[leaf.start : leaf.end]) for leaf in self._leaves)]
        self._paths: list[tuple[str, ...]] = []
        self._headers: list[int] = []
        self._above: dict[int, tuple[str, ...]] = {}
        self._fronts: dict[tuple[str, ...], tuple[str, int]] = {}
        self._tops: dict[int, tuple[str, int]] = {}
        self._piece: _Piece | None = None
        self._done: list[tuple[_Piece, int]] = []

    def chunks(self) -> tuple[Chunk, ...]:
        self._section(self._outline())
        self._flush(len(self._content))
        starts = [leaf.start for leaf in self._leaves]
        return tuple(self._chunk(position, piece, end, starts) for position, (piece, end) in enumerate(self._done))

    def _outline(self) -> _Section:
        """Return the sections as a tree, and note what stands above every leaf: headings, and the header of a row's table."""
        root = _Section(0, (), 0)
        way = [root]
        header = -1
        for index, leaf in enumerate(self._leaves):
            if leaf.kind == "heading":
                while way[-1].level >= leaf.level:
                    way.pop().end = index
                text = heading_text(self._content[leaf.start : leaf.end])
                self._above[index] = way[-1].path
                section = _Section(leaf.level, (*way[-1].path, text) if text else way[-1].path, index)
                way[-1].children.append(section)
                way.append(section)
            header = index if leaf.kind == "header" else header
            self._paths.append(way[-1].path)
            self._headers.append(header if leaf.kind == "row" else -1)
        for section in way:
            section.end = len(self._leaves)
        return root

    # -------------------------------------------------------------------------------------- from sections to pieces
    def _section(self, section: _Section) -> None:
        """Place a section: as many of its parts together as there is room for, and a part alone that is too large."""
        body_end = section.children[0].first if section.children else section.end
        if body_end > section.first:
            self._part(section.first, body_end, None)
        for child in section.children:
            self._part(child.first, child.end, child)

    def _part(self, first: int, end: int, section: _Section | None) -> None:
        if self._joined(first, end):
            return
        if self._piece is not None and not self._piece.only_headings:
            self._flush(self._leaves[first].start)
            if self._joined(first, end):
                return
        if section is not None:
            self._section(section)
        else:
            self._place(first, end)
        self._flush(self._leaves[end].start if end < len(self._leaves) else len(self._content))

    def _joined(self, first: int, end: int) -> bool:
        """Put leaves into the piece, or into a new one where there is none, if they fit; and say whether they did."""
        spent = self._costs[end] - self._costs[first]
        piece = self._piece or self._opened(first)
        if piece.spent + spent > piece.room:
            return False
        self._take(piece, spent, first, end)
        return True

    def _take(self, piece: _Piece, spent: int, first: int, end: int) -> None:
        piece.spent += spent
        piece.only_headings = piece.only_headings and all(leaf.kind == "heading" for leaf in self._leaves[first:end])
        self._piece = piece

    # -------------------------------------------------------------------------------------- within a section
    def _place(self, first: int, end: int) -> None:
        """Place leaves of one section: blocks that fit as they are, others by what is in them."""
        waiting = [(first, end)]
        while waiting:
            first, end = waiting.pop()
            if self._joined(first, end):
                continue
            piece = self._piece
            kind = self._leaves[first].kind
            spent = self._costs[end] - self._costs[first]
            fits_alone = spent <= self._opened(first).room
            after_text = piece is not None and not piece.only_headings
            if fits_alone and (after_text or (end - first == 1 and kind != "text")):
                # Headings are left alone only by what cannot be cut and has no room beside them.
                self._flush(self._leaves[first].start)
                self._joined(first, end)
            elif end - first > 1:
                waiting.extend(reversed(list(self._blocks(first, end))))
            elif kind in ("text", "heading"):
                self._cut(first)
            else:
                if after_text:
                    self._flush(self._leaves[first].start)
                self._take(self._piece or self._opened(first), spent, first, end)

    def _blocks(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the outermost blocks of a range of leaves."""
        shared = [leaf.shared for leaf in self._leaves[first + 1 : end]]
        least = min(shared)
        start = first
        for index, depth in enumerate(shared, first + 1):
            if depth == least:
                yield start, index
                start = index
        yield start, end

    def _cut(self, index: int) -> None:
        """Place a leaf of text that is too large for the piece, and maybe for any."""
        leaf = self._leaves[index]
        position = leaf.start
        while position < leaf.end:
            piece = self._piece or self._opened(index, position)
            room = piece.room - piece.spent
            # What comes after something is cut within a sentence only to keep a heading company, and not for a few words.
            few = not piece.only_headings or room < piece.room // 2
            end = self._border(position, leaf.end, room, within=piece.spent == 0 or not few)
            if end == position:
                self._flush(position)
                continue
            self._take(piece, cost(self._content[position:end]), index, index + 1)
            piece.only_headings = False
            if end < leaf.end:
                self._flush(end)
            position = end

    def _border(self, start: int, end: int, room: int, *, within: bool) -> int:
        """Return where to cut text that begins at ``start``, for at most so much room; ``start`` where it cannot be cut.

        :param within: cut where a word ends, and within a word, where no sentence or line ends.
        """
        if room <= 0:
            return start
        furthest = min(reach(self._content, start, room), end)
        if furthest == end:
            return end
        for pattern in (_SENTENCE_END, _WORD_END) if within else (_SENTENCE_END,):
            borders = [match.end() for match in pattern.finditer(self._content, start, furthest)]
            if borders:
                return borders[-1]
        return furthest if within else start

    # -------------------------------------------------------------------------------------- pieces and chunks
    def _opened(self, leaf: int, position: int | None = None) -> _Piece:
        """Return a new piece that begins with a leaf, or at a position within it."""
        start = self._leaves[leaf].start if position is None else position
        is_heading = leaf in self._above and start == self._leaves[leaf].start
        front, price = self._front(self._above[leaf] if is_heading else self._paths[leaf])
        room = self._budget - price
        if self._headers[leaf] >= 0:
            header, more = self._top(self._headers[leaf])
            row = self._costs[leaf + 1] - self._costs[leaf]
            if price + more <= self._half and more + row <= room:
                return _Piece(start, leaf, front, header, room - more)
        return _Piece(start, leaf, front, "", room)

    def _front(self, path: tuple[str, ...]) -> tuple[str, int]:
        """Return the breadcrumb as it stands in front of a chunk, and its cost."""
        if path not in self._fronts:
            text = breadcrumb(self._names, path, self._half - 2)
            front = f"{text}\n\n" if text else ""
            self._fronts[path] = front, cost(front)
        return self._fronts[path]

    def _top(self, header: int) -> tuple[str, int]:
        """Return the header of a table as it stands above rows that were parted from it, and its cost."""
        if header not in self._tops:
            text = self._slice(self._leaves[header].start, self._leaves[header].end) + "\n"
            self._tops[header] = text, cost(text)
        return self._tops[header]

    def _flush(self, end: int) -> None:
        if self._piece is not None:
            self._done.append((self._piece, end))
            self._piece = None

    def _chunk(self, position: int, piece: _Piece, end: int, starts: Sequence[int]) -> Chunk:
        text = f"{piece.front}{piece.header}{self._slice(piece.start, end)}"
        return Chunk(
            text=text,
            headings=self._common_path(piece.leaf, bisect_left(starts, end)),
            position=position,
            start=piece.start,
            end=end,
            oversized=cost(text) > self._budget,
        )

    def _slice(self, start: int, end: int) -> str:
        return self._content[start:end].rstrip().lstrip("\r\n")

    def _common_path(self, first: int, end: int) -> tuple[str, ...]:
        """Return the headings that all text of some leaves stands below; where there are headings alone, those above all of them."""
        paths = [self._paths[i] for i in range(first, end) if self._leaves[i].kind != "heading"] or self._paths[
            first:end
        ]
        low, high = min(paths), max(paths)
        common = 0
        while common < min(len(low), len(high)) and low[common] == high[common]:
            common += 1
        return low[:common]


def heading_text(written: str) -> str:
    """Return the words of a heading as it stands in Markdown, without markup."""
    lines = written[:_PART_CHARS].strip().splitlines()
    if lines and (marked := _MARKED.match(lines[0].rstrip())):
        return plain(marked[1])
    return plain(" ".join(lines[:-1]))


def plain(written: str) -> str:
    """Return the words of a line of Markdown: links by their text, code and addresses without what is around them."""
    return " ".join(_INLINE.sub(_words, written).split())


def _words(match: re.Match[str]) -> str:
    escaped, _, code, label, address = match.groups()
    return escaped or code or (_INLINE.sub(_words, label) if label else address or "")


def breadcrumb(names: Sequence[str], headings: Sequence[str], room: int) -> str:
    """Return names and headings in one line, for at most so many quarters of a token.

    What has no room is left out in this order, and an ellipsis stands for it: ancestors from the top, the space, outer headings, the title.
    What is left then, the last heading or the title, is cut.
    """
    parts = [name for name, _ in groupby(names)]
    title = len(parts) - 1
    parts = [part for part, _ in groupby([*parts, *headings])]
    if not parts:
        return ""
    order = [*range(1, title), *([0] if title > 0 else []), *range(title + 1, len(parts) - 1)]
    order += [title] if 0 <= title < len(parts) - 1 else []
    prices = [cost(part) for part in parts]
    between, gap = cost(_SEPARATOR), cost(_LEFT_OUT)
    total = sum(prices) + between * (len(parts) - 1)
    kept = [True] * len(parts)
    for index in order:
        if total <= room:
            break
        kept[index] = False
        gaps = sum(0 <= beside < len(parts) and not kept[beside] for beside in (index - 1, index + 1))
        total += (gap + between) * (1 - gaps) - prices[index] - between
    shown: list[str] = []
    for index, part in enumerate(parts):
        if kept[index]:
            shown.append(part)
        elif not shown or shown[-1] != _LEFT_OUT:
            shown.append(_LEFT_OUT)
    if total > room:
        left = room - (total - prices[-1]) - gap
        shown[-1] = shown[-1][: reach(shown[-1], 0, max(left, 0))].rstrip() + _LEFT_OUT
    return _SEPARATOR.join(shown)
