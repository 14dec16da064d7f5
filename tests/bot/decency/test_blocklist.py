from __future__ import annotations

import pytest

from bot.decency.blocklist import find_blocked, read_regex, read_word
from bot.errors import UserError
from bot.store.records import BlockedWord


def _word(pattern: str, *, regex: bool = False) -> BlockedWord:
    kept = read_regex(pattern) if regex else read_word(pattern)
    return BlockedWord(id=1, guild_id=1, pattern=kept, is_regex=regex, added_by=1, added_at=0.0)


def _is_found(pattern: str, text: str, *, regex: bool = False) -> bool:
    return find_blocked([_word(pattern, regex=regex)], [text]) is not None


@pytest.mark.parametrize("text", ["a spider on a wall", "SPIDER", "sp1der", "s p i d e r", "spіder", "(spi:1.2)der"])
def test_a_word_is_found_however_it_is_written(text: str) -> None:
    assert _is_found("Spider", text)


def test_a_word_is_found_as_a_word() -> None:
    assert not _is_found("ass", "a class of assassins")
    assert _is_found("big spider", "a Big  spider!")
    assert not _is_found("big spider", "a big red spider")
    assert _is_found("蜘蛛", "壁の蜘蛛です")
    assert _is_found("🕷", "a 🕷 here")


def test_an_expression_is_found_without_regard_to_case_and_in_what_is_hidden() -> None:
    assert _is_found(r"spiders?\b", "Two SPIDERS", regex=True)
    assert _is_found(r"spider", "a ｓｐｉｄｅｒ", regex=True)
    assert not _is_found(r"^spider$", "a spider", regex=True)


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "x*", ".*", "", "a" * 201, "(a{1000}){1000}"])
def test_what_is_no_expression_or_finds_everything_is_refused(pattern: str) -> None:
    with pytest.raises(UserError):
        read_regex(pattern)


def test_an_expression_that_would_take_for_ever_elsewhere_ends() -> None:
    assert not _is_found(r"(a+)+$|(a|aa)+$|(.*a){12}b", "a" * 4_000 + "!", regex=True)


@pytest.mark.parametrize("word", ["", "  ", "\u200b", "x" * 201])
def test_what_is_no_word_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="can't be blocked"):
        read_word(word)
