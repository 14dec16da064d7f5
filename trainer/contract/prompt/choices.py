"""Choices: ``{a|b|c}``, ``{2$$a|b|c}`` and the server's lists, ``__list__``, as sd-dynamic-prompts documents them.

The dice are the caller's, seeded by the picture's seed, and thrown from left to right; only what was chosen is thrown
for further. So a prompt, a seed and the lists make one text, on every machine.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from trainer.contract.prompt.errors import MAX_PROMPT, PromptError, short
from trainer.contract.prompt.tags import strip_comments

MAX_CHOICES = 500  # thrown for one prompt; lists that name lists several times over grow without end
MAX_STARS = 2  # in a name: with each, a name that does not match takes a power of its length longer
MAX_DEPTH = 20  # choices within choices, and lists within lists
SEPARATOR = ", "
_LIST = re.compile(r"__(?P<list>[^\W_][\w/*-]*?|\*[\w/*-]*?)__")
_PIECE = re.compile(rf"\\.|{_LIST.pattern}|(?P<mark>[{{}}|])|[^\\{{}}|_]+|.", re.DOTALL)
_COUNT = re.compile(
    r"\s*(?:(?P<least>\d{0,4})-(?P<most>\d{0,4})|(?P<exactly>\d{1,4}))\$\$(?:(?P<separator>[^${}|]*)\$\$)?"
)
_WEIGHT = re.compile(r"\s*(?P<weight>\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})::")


@dataclass(frozen=True)
class Resolved:
    """A prompt without choices. ``ignored`` says which lists there are not, a sentence each."""

    text: str
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class _List:
    name: str


@dataclass(frozen=True)
class _Option:
    nodes: tuple[_Node, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class _Choice:
    """``{least-most$$separator$$options}``; None as the most is all of them."""

    options: tuple[_Option, ...]
    least: int = 1
    most: int | None = 1
    separator: str = SEPARATOR


@dataclass(frozen=True)
class _Line:
    """A line of a list, read only if it is chosen."""

    text: str


_Node = str | _List | _Choice | _Line


def resolve(prompt: str, lists: Mapping[str, Sequence[str]], dice: Random) -> Resolved:
    """Choose. ``lists`` maps names to lines; blank ones and those that begin with ``#`` are none.

    ``__name__`` is one of the lines, and ``*`` in a name stands for any names. A list that there is not is
    text. Raises :class:`PromptError`: a list that calls itself, more than MAX_CHOICES choices, choices deeper than
    MAX_DEPTH, weights that leave nothing to choose, or a text longer than MAX_PROMPT.
    """
    if len(prompt) > MAX_PROMPT:
        raise PromptError(f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,}, so shorten it")
    prompt = strip_comments(prompt)
    check_lists(lists, find_lists(prompt))
    throw = _Throw(lists, dice)
    return Resolved(throw.make(_read(prompt), 0), tuple(dict.fromkeys(throw.ignored)))


def find_lists(text: str) -> list[str]:
    """The names of the lists that a text calls, each once, in their order."""
    matches = _PIECE.finditer(text)
    return list(dict.fromkeys(match["list"] for match in matches if match["list"] is not None))


def check_lists(lists: Mapping[str, Sequence[str]], names: Iterable[str] | None = None) -> None:
    """Raises :class:`PromptError` where one of ``names``, or of all, calls itself, or lists are nested too deep."""
    checked: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            cycle = " → ".join(f"`__{short(each)}__`" for each in (*path[path.index(name) :], name))
            raise PromptError(f"the list `__{short(name)}__` calls itself: {cycle}; take one of them out of its list")
        if len(path) > MAX_DEPTH:
            raise PromptError(
                f"the list `__{short(path[0])}__` calls others, more than {MAX_DEPTH} deep; make them flatter"
            )
        if name not in checked:
            for called in dict.fromkeys(called for line in lists[name] for called in find_lists(strip_comments(line))):
                for each in _matching(lists, called):
                    visit(each, (*path, name))
            checked.add(name)

    for name in lists if names is None else names:
        for each in _matching(lists, name):
            visit(each, ())


def _matching(lists: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """The lists that a name means: itself, or with a ``*`` any number; ``**`` goes into folders, too."""
    if "*" not in name:
        return [each for each in (name, name.lower()) if each in lists][:1]
    if len(re.findall(r"\*+", name)) > MAX_STARS:
        return []
    pattern = re.compile(re.escape(name).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"), re.IGNORECASE)
    return sorted(each for each in lists if pattern.fullmatch(each))


@dataclass
class _Throw:
    """One prompt's choices being made."""

    lists: Mapping[str, Sequence[str]]
    dice: Random
    ignored: list[str] = field(default_factory=list)
    choices: int = 0
    length: int = 0

    def make(self, nodes: Sequence[_Node], depth: int) -> str:
        """The text of what stands side by side."""
        return "".join(self._make_one(node, depth) for node in nodes)

    def _make_one(self, node: _Node, depth: int) -> str:
        if isinstance(node, str):
            return self._written(node)
        if depth > MAX_DEPTH:
            raise PromptError(f"choices are nested more than {MAX_DEPTH} deep; take some brackets out")
        if isinstance(node, _Line):
            return self.make(_read(node.text), depth)
        choice = node if isinstance(node, _Choice) else _Choice((_Option((node,)),))
        texts = [self.make(option.nodes, depth + 1) for option in self._choose(choice)]
        return self._written(choice.separator, len(texts) - 1).join(texts)

    def _choose(self, choice: _Choice) -> list[_Option]:
        """As many as there are to be, none twice, in the order in which they were drawn."""
        left = self._options(choice)
        most = len(left) if choice.most is None else min(choice.most, len(left))
        least = min(choice.least, most)
        count = least if least == most else least + int(self.dice.random() * (most - least + 1))
        self.choices += max(count, 1)
        if self.choices > MAX_CHOICES:
            raise PromptError(f"the prompt makes more than {MAX_CHOICES} choices; take some out of it or of its lists")
        chosen = []
        for _ in range(count):
            sums = list(accumulate(option.weight for option in left))
            if not sums[-1]:
                raise PromptError("nothing is left to choose where all weights are 0; give one of them another weight")
            chosen.append(left.pop(bisect(sums, self.dice.random() * sums[-1])))
        return chosen

    def _options(self, choice: _Choice) -> list[_Option]:
        """What there is to choose from: of a list alone its lines, or its name where there is no such list."""
        nodes = choice.options[0].nodes
        if len(choice.options) > 1 or len(nodes) != 1 or not isinstance(nodes[0], _List):
            return list(choice.options)
        name = nodes[0].name
        named = (line for each in _matching(self.lists, name) for line in self.lists[each])
        lines = [line for line in (strip_comments(line).strip() for line in named) if line]
        if not lines:
            self.ignored.append(f"There is no list `__{short(name)}__`, so it is text.")
        return [_Option((_Line(line),)) for line in lines] or [_Option((f"__{name}__",))]

    def _written(self, text: str, times: int = 1) -> str:
        """``text``, once it is known that there is room for it."""
        self.length += len(text) * max(times, 0)
        if self.length > MAX_PROMPT:
            raise PromptError(
                f"the choices make a prompt of more than {MAX_PROMPT:,} characters; shorten what they choose from"
            )
        return text


def _read(text: str) -> tuple[_Node, ...]:
    """Choices and lists in a text, in one pass. What is never closed, or was never opened, is text."""
    opened: list[list[list[_Node]]] = [[[]]]  # by bracket, by option
    for match in _PIECE.finditer(text):
        mark, options = match["mark"], opened[-1]
        if mark == "{":
            opened.append([[]])
        elif mark == "|" and len(opened) > 1:
            options.append([])
        elif mark == "}" and len(opened) > 1:
            opened.pop()
            opened[-1][-1].append(_read_choice(options))
        else:
            _append(options[-1], match[0] if match["list"] is None else _List(match["list"]))
    while len(opened) > 1:
        options = opened.pop()
        for index, option in enumerate(options):
            for node in ("|" if index else "{", *option):
                _append(opened[-1][-1], node)
    return tuple(opened[0][0])


def _append(nodes: list[_Node], node: _Node) -> None:
    """Text grows, so that what stands at the front of an option is in one piece."""
    if nodes and isinstance(node, str) and isinstance(last := nodes[-1], str):
        nodes[-1] = last + node
    else:
        nodes.append(node)


def _read_choice(options: list[list[_Node]]) -> _Choice:
    count = _cut(options[0], _COUNT)
    read = []
    for option in options:
        weight = _cut(option, _WEIGHT)
        read.append(_Option(tuple(option), float(weight["weight"]) if weight else 1.0))
    if count is None:
        return _Choice(tuple(read))
    separator = SEPARATOR if count["separator"] is None else count["separator"]
    if count["exactly"]:
        return _Choice(tuple(read), int(count["exactly"]), int(count["exactly"]), separator)
    return _Choice(tuple(read), int(count["least"] or 1), int(count["most"]) if count["most"] else None, separator)


def _cut(nodes: list[_Node], front: re.Pattern[str]) -> re.Match[str] | None:
    """Take away what stands in front of an option's text."""
    match = front.match(nodes[0]) if nodes and isinstance(nodes[0], str) else None
    if match is not None:
        rest = match.string[match.end() :]
        nodes[:1] = [rest] if rest else []
    return match
