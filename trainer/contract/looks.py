"""How cards look, shared by bot and worker, for both write to the same card in turn: colours and ways of writing."""

from __future__ import annotations

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


def plain(text: str) -> str:
    """``text`` as it is, whatever Markdown it holds."""
    return text.translate(_CONFUSING)


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
    """``text`` as it is, on one line of at most so many characters; never cut between a backslash and what it hides."""
    shown = plain(" ".join(text.split()))
    if len(shown) <= longest:
        return shown
    cut = shown[: longest - 1]
    backslashes = len(cut) - len(cut.rstrip("\\"))
    return cut[: len(cut) - backslashes % 2] + "…"
