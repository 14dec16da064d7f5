"""What members type, at its worst, through all that shows it: nothing breaks, nothing is forged, nobody is called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any, cast

import discord
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bot.client import DarkroomBot
from bot.drafts import Draft
from bot.errors import quoted
from bot.library import AdapterPage
from bot.moderation import Case
from bot.services import Services
from bot.store.records import (
    Adapter,
    AdapterPick,
    BlockedMember,
    BlockedWord,
    GuildSettings,
    ImagineSpec,
    Job,
    Parent,
    Report,
    Style,
    Wildcard,
)
from bot.ui import adapter_page, cards, described, guild_cards, keepsakes, moderating, refusals, views
from bot.ui.choices import job_choices
from bot.ui.typed import TextField, clean_options
from sandbox.rules import check_message
from tests.requests import picture_request
from trainer import cards as worker_cards
from trainer.contract import looks
from trainer.contract.drawings import AdapterUse, Drawing
from trainer.contract.events import Outcome, OutputFile
from trainer.contract.requests import Card
from trainer.delivery import Delivery, _embed

TEXTS = 10_000
PARTS = (
    "@everyone", "@here", "<@1>", "<@!1>", "<@&2>", "<#3>", "</imagine:4>", "<a:x:5>", "<t:2:R>",
    "[x](https://x.example)", "**", "__", "~~", "||", "`", "```", "```\n", "> ", ">>> ", "# ", "-# ", "- ", "1. ",
    "\\", "\\`", "\n", "\r\n", "\t", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u202d",
    "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u200c", "\u200d", "\ufeff", "\u00ad",
    "\U000e0041", "\ud800", "\udfff", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "𝕏", "𠮷", "e\u0301",
    "a" + "\u0336\u0489\u0300" * 30, "ﷺ", "نص", "עברית", "漢字", "<lora:x:1>", "(a:1.2)", "{a|b}", "{}", "%s", "{0}",
    "\\n", "a", " ", "x" * 300, "𝕏" * 700, "\\" * 200, "`" * 90, "fox",
)  # fmt: skip
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
CALLS = re.compile(r"(?<!\\)<(?:@[!&]?\d+|#\d+|/[\w-]+:\d+|a?:\w+:\d+|t:\d+)")
OWN = re.compile(r"<@9>|<t:1(?::R)?>|<@77>|<@&7>|<#8>")  # what the bot says itself
INLINE = re.compile(r"`[^`\n]+`")
BOX = re.compile(r"```\n.*?\n```", re.DOTALL)


class NoServices:
    """For a client that is never connected."""

    def __getattr__(self, name: str) -> None:
        return None


def texts(count: int) -> Iterator[str]:
    random = Random(5)
    for _ in range(count):
        yield "".join(random.choices(PARTS, k=random.randint(1, 12)))[:4_000]


def job_of(text: str, **changes: Any) -> Job:
    written = looks.clean(text) or "a"
    pick = AdapterPick(adapter_id="a", written="ada/thnos", blob="b", weight=1.0)
    drawing = Drawing(prompt=written, prompt_written=written, negative_prompt=written, seed=1)
    spec = ImagineSpec(
        prompt_written=written, negative_prompt=written, adapters=(pick,), seed=1, count=1, drawings=(drawing,),
        ignored=(quoted(text),) * 9,
    )  # fmt: skip
    job = Job(
        id="1", lane="imagine", state="queued", base="emoji-64", spec=spec, owner_id=9, owner_name="ada", guild_id=1,
        channel_id=8, upload_limit_bytes=1, token=None, created_at=0.0, message_id=5, finished_at=1.0,
    )  # fmt: skip
    return msgspec.structs.replace(job, **changes)


def bodies(text: str) -> Iterator[dict[str, Any]]:
    """Messages that show what was typed."""
    job = job_of(text)
    for embed in (
        cards.waiting(job, 2, served=True),
        cards.failed(msgspec.structs.replace(job, error=f"There is no adapter {quoted(text)}.")),
        cards.refused(msgspec.structs.replace(job, error="It is explicit.", refused=True)),
        cards.jobs_list([job] * 3, {"1": 1}, {}, [msgspec.structs.replace(job, state="failed")] * 5),
        *_kept(text),
        *_of_adapter(text),
        *(_embed(face) for face in _faces(text)),
    ):
        yield {"embeds": [embed.to_dict()]}
    yield {"content": f"There is no adapter {quoted(text)} that you can use."}
    shown, _ = described.message([described.Described(f"{quoted(text)}:", looks.clean(text))])
    yield {"content": shown}
    parts = refusals.with_draft(Draft(prompt=looks.clean(text)), "0" * 16)
    if "embed" in parts:
        yield {"embeds": [parts["embed"].to_dict()]}
    view = views.under_jobs([job], [cards.describe(job)])
    yield {"content": "x", "components": [] if view is None else view.to_components()}


def _of_adapter(text: str) -> Iterator[discord.Embed]:
    """Its page, with what a stranger's file or page says of it, and a report of it."""
    words = tuple(part[:200] for part in looks.clean(text).split("\n") if part.strip())[:10]
    adapter = Adapter(
        id="a", job_id="1", owner_id=9, owner_name="ada", guild_id=1, name="thnos", kind="lora", subject_kind="subject",
        trigger="thnos", class_word="dog", base="emoji-64", base_hash="00", blob="b", size_bytes=8, rank=8, steps=4,
        photos=3, seconds=1.0, final_loss=0.1, trainer_version="0.1.0", created_at=1.0, origin="imported",
        source=f"https://x.example/{text}", trigger_words=words, description=looks.clean(text)[:1_000],
    )  # fmt: skip
    parents = (Parent(adapter_id="p", owner_id=9, name=looks.clean(text)[:100], weight=1.0),) * 8
    page = AdapterPage(
        adapter=adapter, recipe=None, tags=("a", "b"), cover=None, examples=(), parents=parents, liked=False, others=(),
    )  # fmt: skip
    yield adapter_page.embed(page, 9, 1, None)
    report = Report(id=1, guild_id=1, reporter_id=77, adapter_id="a", job_id=None, reason=text[:500], created_at=1.0)
    yield moderating.case_card(Case(report=report, adapter=adapter))


def _kept(text: str) -> Iterator[discord.Embed]:
    written = looks.clean(text).strip() or "a"
    style = Style(
        id=1, guild_id=None, owner_id=9, owner_name="ada", name="noir", prompt=written, negative_prompt=written,
        settings="", changed_at=0.0,
    )  # fmt: skip
    yield keepsakes.style_card(style)
    yield keepsakes.styles([style] * 9)
    lines = tuple(written.split("\n")[:3]) or ("a",)
    yield keepsakes.lists(
        [Wildcard(id=1, guild_id=1, owner_id=9, owner_name="ada", name="x", lines=lines, changed_at=0.0)]
    )
    blocked = BlockedMember(guild_id=1, member_id=77, reason=written[:200], blocked_by=9, blocked_at=0.0)
    yield guild_cards.settings_card(GuildSettings(), [blocked] * 9, 3)
    word = BlockedWord(id=1, guild_id=1, pattern=written[:200], is_regex=False, added_by=9, added_at=0.0)
    yield guild_cards.words_card([word] * 9)


def _faces(text: str) -> Iterator[worker_cards.Face]:
    card = Card(channel_id=8, message_id=5, posted_at=0.0, requester_id=9)
    written = looks.clean(text) or "a"
    request = picture_request(card, written, negative_prompt=written, job_id="1", base="emoji-64")
    uses = (AdapterUse(name="ada/thnos", blob="b", weight=1.0),) * 5
    drawings = (msgspec.structs.replace(request.drawings[0], adapters=uses),)
    request = msgspec.structs.replace(request, drawings=drawings, ignored=(quoted(text),) * 30)
    file = OutputFile(blob="b", filename="x.png", content_type="image/png", size_bytes=1)
    outcome = Outcome(
        job_id="1", attempt=1, committed_at=0.0, pictures=(file,), seconds=1.0,
        settings={"Steps": 2, "CFG scale": 3.0, "Size": "64x64", "Model": "emoji-64"},
    )  # fmt: skip
    yield worker_cards.starting(request)
    yield worker_cards.working(request, 1, 2, 3.0, None)
    yield worker_cards.drawn(request, outcome, None)
    yield worker_cards.failed(f"There is no adapter {quoted(text)}.")


def units(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def words_of(body: Any) -> Iterator[str]:
    """All texts in a body but ids, and but labels, in which nothing but letters is shown."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict):
        for key, value in body.items():
            if key not in {"custom_id", "type", "label"}:
                yield from words_of(value)
    elif isinstance(body, list):
        for value in body:
            yield from words_of(value)


def lengths_are_kept(body: dict[str, Any]) -> bool:
    """In UTF-16 code units, where the sandbox counts characters."""
    limits = {"content": 2_000, "title": 256, "description": 4_096, "name": 256, "value": 1_024, "label": 80}

    def kept(part: Any) -> bool:
        if isinstance(part, list):
            return all(map(kept, part))
        if not isinstance(part, dict):
            return True
        own = all(units(text) <= limits[key] for key, text in part.items() if key in limits and isinstance(text, str))
        return own and all(map(kept, part.values()))

    return kept(body) and sum(units(text) for text in words_of(body.get("embeds", []))) <= 6_000


def test_ten_thousand_texts_break_no_rule_forge_nothing_and_call_nobody() -> None:
    for text in texts(TEXTS):
        for body in bodies(text):
            check_message(body, is_v2=False)
            assert lengths_are_kept(body), (text, body)
            for words in words_of(body):
                assert not TURNS.search(words), (text, words)
                words.encode()  # no half of a pair
                bare = OWN.sub("", INLINE.sub("", BOX.sub("", words)))
                assert not CALLS.search(bare), (text, words)
        choices = [choice.to_dict() for choice in job_choices([job_of(text)], "")]
        assert all(units(choice["name"]) <= 100 for choice in choices)


async def test_what_is_typed_into_forms_is_cleaned() -> None:
    field = TextField(label="x")
    field._value = "a\u202e \x00fox"  # as discord.py fills it in
    assert field.value == "a fox"


def test_what_is_typed_into_options_is_cleaned_in_subcommands_too() -> None:
    options = [{"name": "set", "options": [{"name": "name", "value": "a\u202eb"}, {"name": "n", "value": 3}]}]
    clean_options(options)
    assert options == [{"name": "set", "options": [{"name": "name", "value": "ab"}, {"name": "n", "value": 3}]}]


def test_neither_process_lets_a_mention_through() -> None:
    for client in (Delivery("http://127.0.0.1:9")._client, DarkroomBot(cast(Services, NoServices()))):
        assert client.allowed_mentions is not None
        assert client.allowed_mentions.to_dict() == discord.AllowedMentions.none().to_dict()


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = looks.clean(text)
    assert looks.clean(once) == once
    assert not TURNS.search(once)
    once.encode()


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("a fox,\n\tin a suit", "👩‍👩‍👧‍👦 family", "می‌خواهم", "Z͑ͫ̓ͪ", "नमस्ते", "e\u0301", "(a:1.2) <lora:x:0.8>"):
        assert looks.clean(text) == text


@given(st.text(), st.integers(2, 50))
def test_a_text_is_cut_by_discords_counting(text: str, longest: int) -> None:
    cut = looks.cut(looks.clean(text), longest)
    assert units(cut) <= longest
    cut.encode()
