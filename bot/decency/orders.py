"""What of an order says what is to be seen, held against what is refused always. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.decency.minors import check_words, sexual_word
from bot.errors import UserError, quoted
from bot.orders import ImagineOrder
from bot.store.records import Adapter, AdapterPick
from trainer.contract.requests import Recipe


def check_drawing(order: ImagineOrder, found: Sequence[tuple[AdapterPick, Adapter]]) -> None:
    """All pictures of an order, each with the adapters that it draws with. Raises UserError."""
    for shot in dict.fromkeys(order.pictures):
        adapters = [adapter for pick, adapter in found if pick in shot.adapters]
        wanted = (shot.prompt, shot.prompt_written, *(word for adapter in adapters for word in words_of(adapter)))
        check_words(wanted, (shot.negative_prompt,))
        _check_likeness(wanted, adapters)


def words_of(adapter: Adapter) -> tuple[str, ...]:
    """What an adapter says of what it shows."""
    return adapter.name, adapter.trigger, adapter.class_word, *adapter.trigger_words


def texts_of_drawing(order: ImagineOrder, found: Sequence[tuple[AdapterPick, Adapter]]) -> tuple[str, ...]:
    """All that is said in an order, each text once."""
    texts = [text for shot in order.pictures for text in (shot.prompt, shot.prompt_written, shot.negative_prompt)]
    return tuple(dict.fromkeys([*texts, *(word for _, adapter in found for word in words_of(adapter))]))


def texts_of_training(
    name: str, class_word: str | None, captions: Iterable[str | None], recipe: Recipe
) -> tuple[str, ...]:
    """All that is said in the order of a training, each text once."""
    return tuple(dict.fromkeys(text for text in (name, class_word, recipe.caption_template, *captions) if text))


def check_training(texts: tuple[str, ...], *, person: bool) -> None:
    """What a training is called, and what its captions say; ``person``: a real one's likeness. Raises UserError."""
    check_words(texts)
    if person and (word := sexual_word(texts)) is not None:
        raise UserError(
            f"The likeness of a real person is not learned with `{word}`, in any channel: take it out of the name, the"
            " class word and the captions."
        )


def is_person(adapter: Adapter) -> bool:
    """Whether it is the likeness of a real person, or may be."""
    return adapter.subject_kind == "face" or adapter.likeness != "none"


def _check_likeness(wanted: Sequence[str], adapters: Sequence[Adapter]) -> None:
    person = next(filter(is_person, adapters), None)
    if person is None or (word := sexual_word(wanted)) is None:
        return
    raise UserError(
        f"{quoted(person.name)} is the likeness of a real person, who is not shown that way in any channel: take"
        f" `{word}` out of the prompt, or leave the adapter out."
    )
