"""What a person sees: messages, their attachments, forms (modals), and the files a person uploads.

`Message` is a live view: a later edit shows in the object a test already holds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.state import Json, StoredMessage

BUTTON = 2
STRING_SELECT = 3
USER_SELECT = 5
TEXT_INPUT = 4
LABEL = 18
FILE_UPLOAD = 19
RADIO_GROUP = 21
CHECKBOX_GROUP = 22
CHECKBOX = 23


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload. Without `content_type` it follows the file's extension, as in Discord's own clients."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on a message, with its bytes and a signed link that expires."""

    id: int
    filename: str
    url: str
    size: int
    content_type: str | None
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Button:
    """A button as (label, custom_id, disabled); link buttons have custom_id None."""

    label: str
    custom_id: str | None
    disabled: bool

    def __iter__(self) -> Iterator[Any]:
        return iter((self.label, self.custom_id, self.disabled))


class Message:
    """A live view of a stored message.

    Args:
        record: what the server keeps.
        render: makes the message's API dictionary (links are signed anew each time).
        describe_files: makes the attachments, with (True) or without those that an embed shows.
    """

    def __init__(
        self,
        record: StoredMessage,
        render: Callable[[StoredMessage], Json],
        describe_files: Callable[[StoredMessage, bool], list[Attachment]],
    ) -> None:
        self.record = record
        self._render = render
        self._describe_files = describe_files

    def __repr__(self) -> str:
        return f"<Message {self.id} {self.text[:200]!r} buttons={[b.label for b in self.buttons]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> int:
        """Snowflake."""
        return self.record.id

    @property
    def channel_id(self) -> int:
        """Snowflake of its channel."""
        return self.record.channel_id

    @property
    def author_id(self) -> int:
        """Snowflake of who wrote it."""
        return self.record.author_id

    @property
    def author(self) -> str:
        """Name of who wrote it."""
        return str(self.data["author"]["username"])

    @property
    def content(self) -> str:
        """Text above the embeds."""
        return self.record.content

    @property
    def embeds(self) -> list[Json]:
        """Embeds as the API shows them, `attachment://` links resolved."""
        return list(self.data["embeds"])

    @property
    def components(self) -> list[Json]:
        """Component tree as the API shows it."""
        return self.record.components

    @property
    def attachments(self) -> list[Attachment]:
        """Files listed on the message (those shown inside an embed are left out, as in Discord)."""
        return self._describe_files(self.record, False)

    @property
    def files(self) -> list[Attachment]:
        """All files of the message, those inside embeds too."""
        return self._describe_files(self.record, True)

    @property
    def ephemeral_to(self) -> int | None:
        """User id of the only person who sees it, or None."""
        return self.record.ephemeral_to

    @property
    def edited(self) -> bool:
        """Whether it was edited since it was first shown."""
        return self.record.edited_at is not None

    @property
    def deleted(self) -> bool:
        """Whether it is gone."""
        return self.record.deleted

    @property
    def thinking(self) -> bool:
        """Whether it still says "is thinking…"."""
        return self.record.thinking

    @property
    def data(self) -> Json:
        """The whole message as the API shows it now."""
        return self._render(self.record)

    @property
    def text(self) -> str:
        """Content and every text of embeds and text components, one a line."""
        parts: list[str | None] = [self.content]
        for embed in self.record.embeds:
            parts += [embed.get("author", {}).get("name"), embed.get("title"), embed.get("description")]
            for row in embed.get("fields", []):
                parts += [row["name"], row["value"]]
            parts.append(embed.get("footer", {}).get("text"))
        parts += [c["content"] for c in walk_components(self.record.components) if c.get("content")]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Button]:
        """Buttons in order; each unpacks to (label, custom_id, disabled)."""
        return [
            Button(
                c.get("label") or (c.get("emoji") or {}).get("name", ""), c.get("custom_id"), bool(c.get("disabled"))
            )
            for c in walk_components(self.record.components)
            if c["type"] == BUTTON
        ]


@dataclass(frozen=True, slots=True)
class ModalField:
    """One thing to fill in. `data` is the component itself: options of a select, limits of a text …"""

    custom_id: str
    label: str
    type: int
    required: bool
    data: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Modal:
    """A form that the bot opened for one person."""

    interaction_id: int
    title: str
    custom_id: str
    components: list[Json] = field(repr=False)

    @property
    def fields(self) -> list[ModalField]:
        """What there is to fill in, in order."""
        return list(_modal_fields(self.components))

    def field(self, key: str) -> ModalField:
        """The field with this custom_id or label. Raises KeyError naming the ones there are."""
        for candidate in self.fields:
            if key in (candidate.custom_id, candidate.label):
                return candidate
        raise KeyError(f"no field {key!r} in the form; there are {[f.custom_id for f in self.fields]}")

    def to_json(self) -> Json:
        """For the page."""
        return {
            "interaction_id": str(self.interaction_id),
            "title": self.title,
            "custom_id": self.custom_id,
            "components": self.components,
        }


def walk_components(components: list[Json]) -> Iterator[Json]:
    """Every component of a tree, parents first."""
    for component in components:
        yield component
        yield from walk_components(component.get("components", []))
        for key in ("accessory", "component"):
            if isinstance(component.get(key), dict):
                yield from walk_components([component[key]])


def _modal_fields(components: list[Json]) -> Iterator[ModalField]:
    for holder in components:
        if holder["type"] == LABEL:
            inner = holder["component"]
            required = inner["type"] != CHECKBOX and inner.get("required", True) is not False
            yield ModalField(inner["custom_id"], holder["label"], inner["type"], required, inner)
        for inner in holder.get("components", []):  # action rows of text inputs: the older form
            required = inner.get("required", True) is not False
            yield ModalField(inner["custom_id"], inner.get("label", ""), inner["type"], required, inner)
