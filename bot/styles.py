"""Styles as A1111 has them: texts that are put into both prompts under a name, and settings that come with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from sqlite3 import Connection

import msgspec

from bot import checks
from bot.errors import UserError, quoted
from bot.imagining import find_model
from bot.orders import Editor, ImagineOrder, Order, Shot
from bot.pasted import Pasted, read_pasted
from bot.store import bases, members, styles
from bot.store.database import Database
from bot.store.records import Style
from trainer.contract import looks
from trainer.contract.drawings import DrawingSettings
from trainer.contract.events import BaseInfo
from trainer.contract.prompt import MAX_PROMPT

MOST_STYLES = 100  # a guild, or a member
MOST_AT_ONCE = 5
LONGEST_NAME = 60
LONGEST_SETTINGS = 1_000
PLACE = "{prompt}"  # where in a style the member's own prompt goes; without it, the style goes behind


class StyleText(Order, frozen=True):
    """What a style is to be."""

    prompt: str = ""
    negative_prompt: str = ""
    settings: str = ""  # A1111's text form, such as ``Steps: 30, Sampler: Euler a``


class Styles:
    """The service behind ``/style``. Members keep their own, which they use everywhere; moderators keep the guild's."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def visible(self, *, member_id: int, guild_id: int | None) -> list[Style]:
        """What a member can use: their own first, then the guild's."""
        return await self._database.read(lambda tx: styles.visible(tx, guild_id, member_id))

    async def complete(self, typed: str, *, member_id: int, guild_id: int | None) -> list[Style]:
        """Those whose names hold what was typed; of two with one name, the member's own."""
        found: dict[str, Style] = {}
        for style in await self.visible(member_id=member_id, guild_id=guild_id):
            if typed.strip().lower() in style.name.lower():
                found.setdefault(style.name.lower(), style)
        return list(found.values())

    async def get(self, name: str, *, member_id: int, guild_id: int | None) -> Style:
        """The style of that name; the member's own comes first. Raises UserError."""
        return _pick(name, await self.visible(member_id=member_id, guild_id=guild_id))

    async def to_change(self, name: str, editor: Editor, *, server: bool = False) -> Style | None:
        """The style as it stands, None for a new one. Raises UserError: no name for one, or not theirs to change."""
        clean, guild_id = read_name(name), _place(editor, server)
        return await self._database.read(lambda tx: styles.find(tx, guild_id, editor.member_id, clean))

    async def put(self, name: str, text: StyleText, editor: Editor, *, server: bool = False) -> tuple[Style, Pasted]:
        """Make a style, or change all of it; and what its settings say.

        Raises UserError: no name for one, not theirs to change, empty, too long, too many, or settings that can't be.
        """
        clean, guild_id, settings = read_name(name), _place(editor, server), read_settings(text.settings)
        _check_texts(text)

        def change(tx: Connection) -> Style:
            now = self._clock()
            found = styles.find(tx, guild_id, editor.member_id, clean)
            style = Style(
                id=0 if found is None else found.id, guild_id=guild_id, owner_id=editor.member_id,
                owner_name=editor.member_name, name=clean,
                prompt=looks.clean(text.prompt).strip(),
                negative_prompt=looks.clean(text.negative_prompt).strip(), settings=text.settings.strip(),
                changed_at=now,
            )  # fmt: skip
            if found is not None:
                styles.update(tx, style)
                return style
            kept = [each for each in styles.visible(tx, guild_id, editor.member_id) if each.guild_id == guild_id]
            if len(kept) >= MOST_STYLES:
                raise UserError(f"There are {MOST_STYLES} styles already, which is the most: delete one first.")
            members.remember(tx, editor.member_id, editor.member_name, now)
            return msgspec.structs.replace(style, id=styles.insert(tx, style))

        return await self._database.write(change), settings

    async def delete(self, name: str, editor: Editor, *, server: bool = False) -> Style:
        """Delete a style. Raises UserError: there is none, or it is not theirs."""
        clean, guild_id = read_name(name), _place(editor, server)

        def change(tx: Connection) -> Style:
            found = styles.find(tx, guild_id, editor.member_id, clean)
            if found is None:
                whose = "The server has" if server else "You have"
                raise UserError(f"{whose} no style {quoted(name)}: `/style list` shows what there is.")
            styles.delete(tx, found.id)
            return found

        return await self._database.write(change)

    async def known_of(self, names: str | None, *, member_id: int, guild_id: int | None) -> str | None:
        """Those of the styles between commas that there are; None: none is."""
        known = {style.name.lower() for style in await self.visible(member_id=member_id, guild_id=guild_id)}
        wanted = [" ".join(name.split()) for name in (names or "").split(",")]
        return ", ".join([name for name in wanted if name.lower() in known][:MOST_AT_ONCE]) or None

    async def apply(self, order: ImagineOrder, names: str | None) -> ImagineOrder:
        """The order with styles put in, one after the other; ``names`` has commas between them.

        Settings that the member has not chosen are those of the first style that says them. Raises UserError.
        """
        wanted = list(dict.fromkeys(name.strip() for name in (names or "").split(",") if name.strip()))
        if len(wanted) > MOST_AT_ONCE:
            raise UserError(f"There are {len(wanted)} styles, and {MOST_AT_ONCE} at a time are the most: drop some.")
        if not wanted:
            return order
        known = await self.visible(member_id=order.origin.member_id, guild_id=order.origin.guild_id)
        models = await self._database.read(bases.known)
        for name in wanted:
            order = _put_in(order, _pick(name, known), models)
        return order


def read_name(written: str) -> str:
    """The name of a style as it is kept. Raises UserError."""
    name = " ".join(written.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or set(name) & set(",`@"):
        raise UserError(
            f"{quoted(written)} is no name for a style: take up to {LONGEST_NAME} characters without commas, for"
            " example `film noir`."
        )
    return name


def read_settings(written: str) -> Pasted:
    """The settings of a style. Raises UserError: they can't be read, or are out of range.

    A seed would make one picture of all, and the others need what a style has not: they are ``ignored``.
    """
    if len(written) > LONGEST_SETTINGS:
        raise UserError(
            f"The settings have {len(written):,} characters, and {LONGEST_SETTINGS:,} are the most: shorten them."
        )
    found = read_pasted(written)
    if found.prompt or found.negative_prompt or bool(written.strip()) > found.is_pasted:
        raise UserError(
            f"{quoted(written)} are no settings: write them as `Steps: 30, Sampler: Euler a, CFG scale: 5`, and words"
            " into the prompts."
        )
    given = {"Seed": found.seed, "Denoising strength": found.settings.strength}
    idle = tuple(name for name, value in given.items() if value is not None)
    settings = msgspec.structs.replace(found.settings, strength=None)
    shot = Shot(prompt="", prompt_written="", settings=settings)
    checks.numbers(shot)
    checks.sampler(shot)
    return msgspec.structs.replace(found, settings=settings, ignored=found.ignored + idle)


def merge(style: str, text: str) -> str:
    """A member's text with a style put around it, or behind it."""
    if PLACE in style:
        return style.replace(PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def _put_in(order: ImagineOrder, style: Style, models: Sequence[BaseInfo]) -> ImagineOrder:
    said = read_settings(style.settings)
    base, missing = (order.base, ()) if order.base is not None else find_model(said, models)
    settings = said.settings
    if order.aspect is not None:
        settings = msgspec.structs.replace(settings, width=None, height=None)
    written = merge(style.prompt, order.prompt_written)
    return msgspec.structs.replace(
        order,
        prompt=written,
        prompt_written=written,
        negative_prompt=merge(style.negative_prompt, order.negative_prompt),
        settings=_fill(order.settings, settings),
        base=base,
        ignored=order.ignored + missing,
    )


def _fill(chosen: DrawingSettings, said: DrawingSettings) -> DrawingSettings:
    """What was chosen, and of what was not what a style says."""
    usual = DrawingSettings()
    open_fields = [name for name in usual.__struct_fields__ if getattr(chosen, name) == getattr(usual, name)]
    return msgspec.structs.replace(chosen, **{name: getattr(said, name) for name in open_fields})


def _check_texts(text: StyleText) -> None:
    if not any(part.strip() for part in (text.prompt, text.negative_prompt, text.settings)):
        raise UserError("The style is empty: give it a prompt, a negative prompt or settings.")
    for name, part in (("prompt", text.prompt), ("negative prompt", text.negative_prompt)):
        if len(part) > MAX_PROMPT:
            raise UserError(f"The {name} has {len(part):,} characters, and {MAX_PROMPT:,} are the most: shorten it.")


def _place(editor: Editor, server: bool) -> int | None:
    """The guild whose styles are to change, None for the member's own. Raises UserError: it is not theirs to change."""
    if not server:
        return None
    if editor.guild_id is None:
        raise UserError("There is no server here: use this command in the server that is to have the style.")
    if not editor.moderator:
        raise UserError("The server's styles are changed by moderators: leave `server` out to keep one of your own.")
    return editor.guild_id


def _pick(name: str, known: Sequence[Style]) -> Style:
    """The first of that name. Raises UserError naming what is near."""
    by_name = {style.name.lower(): style for style in reversed(known)}
    wanted = " ".join(name.split()).lower()
    if wanted in by_name:
        return by_name[wanted]
    near = get_close_matches(wanted, by_name, n=1)
    hint = f"Did you mean {quoted(by_name[near[0]].name)}?" if near else "`/style list` shows what there is."
    raise UserError(f"There is no style {quoted(name)} that you can use. {hint}")
