"""How cards look, shared by bot and worker, for both write to the same card in turn: colours and ways of writing."""

from __future__ import annotations

import re

# 0xRRGGBB
WAITING = 0x8A8F98
WORKING = 0xE0A03B
DONE = 0x46A76F
FAILED = 0xD0433B
STOPPED = 0x8A8F98
NOT_SHOWN = "What came of this is not shown. `/jobs` tells its member why."
IGNORED = "What was ignored"  # above what a prompt or pasted settings say to no effect

LONGEST_PROMPT = 1_500  # of an embed's 4,096 characters: the whole prompt is under the settings button
_CONFUSING = str.maketrans({character: f"\\{character}" for character in "\\*_~`|<>[]()#-"})


_JOINERS = "\u200c\u200d"  # letters of Persian and families of emoji need them, so they stay
_UNSEEN = re.compile(  # controls, what turns the writing round, what has no width, lone surrogates, tags
    "[\x00-\x08\r\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_ACCENT = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACKED = re.compile(f"({_ACCENT}{{4}}){_ACCENT}+")


def clean(text: str) -> str:
    """``text`` without what nobody sees and what turns the writing round (UAX #9); line breaks and tabs stay.

    Of accents stacked on one letter four stay. All that members type passes through here, before anything else is done.
    """
    return _STACKED.sub(r"\1", _LINE_BREAK.sub("\n", _UNSEEN.sub("", text)))


def plain(text: str) -> str:
    """``text`` as it is, whatever Markdown it holds."""
    return clean(text).translate(_CONFUSING)


def units(text: str) -> int:
    """How long Discord takes a text to be: in UTF-16 code units, of which an emoji has two or more."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, longest: int) -> str:
    """``text``, of at most so many UTF-16 code units; what is cut off is told by an ellipsis.

    It is never cut within a character, nor between a backslash and what it hides.
    """
    if units(text) <= longest:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (longest - 1)].decode("utf-16-le", "ignore").rstrip(_JOINERS)
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept[: len(kept) - backslashes % 2] + "…"


def sentence(text: str) -> str:
    """``text`` with a capital first and an end: errors are raised as parts of sentences."""
    return text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".")


def duration(seconds: float) -> str:
    """Seconds in words as people say them: 40 s, 3 min, 1 h 20 min."""
    whole = max(1, round(seconds))
    if whole < 90:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    words = (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")
    return " ".join(word for word in words if word)


def size(size_bytes: int) -> str:
    """How large a file is; one of kilobytes says so, for textual inversions are that small."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.0f} kB"


def memory(size_bytes: float) -> str:
    """How much memory something needs, as it is printed on graphics cards."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes < 10e9 else f"{size_bytes / 1e9:.0f} GB"


def percent(share: float) -> str:
    """A share of 0 to 1 as people say it: 82 %."""
    return f"{100 * share:.0f} %"


def quote(prompt: str) -> str:
    """A prompt as a quotation."""
    return "> " + one_line(prompt, LONGEST_PROMPT)


def one_line(text: str, longest: int) -> str:
    """``text`` as it is, on one line of at most so many UTF-16 code units."""
    return cut(plain(" ".join(clean(text).split())), longest)
