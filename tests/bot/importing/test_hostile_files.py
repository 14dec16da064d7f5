"""Whatever a file is, it is refused in one sentence, by a child that its own limits keep small and short."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from bot.errors import UserError
from bot.importing import child
from bot.importing.checking import FileCheck
from tests.bot.importing.hostile import BOMBS, hostile_files
from tests.bot.importing.measuring import check_measured

MOST_MIB = 256
FILES = hostile_files()


def test_the_limits_are_those_that_the_figures_promise() -> None:
    assert child.MEMORY_BYTES <= (MOST_MIB - 64) * 1024**2  # what Python and numpy take is far less than the rest
    assert child.CPU_S == 1


def test_at_least_two_hundred_files_are_refused_in_a_sentence_each(tmp_path: Path) -> None:
    said, measured = check_measured(FILES, tmp_path)
    assert len(said) == len(FILES) >= 200
    assert [name for name, each in said.items() if each.found is not None] == []
    for name, each in said.items():
        assert each.error is not None
        assert re.fullmatch(r"`x\.safetensors` .*: .*\.", each.error), name
        assert each.error.isprintable(), name
        assert len(each.error) < 500, name
    assert measured.peak_mib <= MOST_MIB
    assert list(tmp_path.glob("*-kept")) == []


@pytest.mark.parametrize("name", BOMBS)
async def test_no_header_takes_more_than_a_second_and_256_mib(tmp_path: Path, name: str) -> None:
    """The child's own limit of processor time is the proof: beyond a second it is dead, and the file refused."""
    path, kept = tmp_path / "in", tmp_path / "kept"
    path.write_bytes(BOMBS[name]())
    with pytest.raises(UserError, match=r"^`x\.safetensors` .*: .*\.$"):
        await FileCheck().check(path, "x.safetensors", kept)
    assert not kept.exists()


def test_the_greediest_headers_stay_below_256_mib(tmp_path: Path) -> None:
    for name in ("8 MB of lists", "8 MB of pairs", "8 MB of texts", "20,000 long names of layers"):
        said, measured = check_measured({name: BOMBS[name]()}, tmp_path)
        assert said[name].error if measured.returncode == 0 else measured.returncode == -signal.SIGKILL
        assert measured.peak_mib <= MOST_MIB


async def test_a_child_that_dies_takes_nothing_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.importing.checking.CHILD", "bot.importing.no_such_module")
    (tmp_path / "in").write_bytes(b"x")
    with pytest.raises(UserError, match="`x` takes longer to read than any adapter does: choose another file"):
        await FileCheck().check(tmp_path / "in", "x", tmp_path / "kept")
