"""Scripted people: what a member does in Discord's client, as methods. Tests, demo and page act through them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox import client
from sandbox.exchange import Exchange, ExchangeFailed
from sandbox.state import Channel, Json, User
from sandbox.views import Attachment, File, Message, Modal

if TYPE_CHECKING:
    from sandbox.server import Sandbox

__all__ = ["Attachment", "Exchange", "ExchangeFailed", "File", "Member", "Message", "Modal"]

ChannelKey = int | str | Channel
FieldValue = str | bool | Sequence[str] | Sequence[File]


class Member:
    """A person of the guild. Every action waits until the bot's first answer, or until the person is shown an error."""

    def __init__(self, sandbox: "Sandbox", user: User) -> None:
        self._sandbox = sandbox
        self.user = user

    def __repr__(self) -> str:
        return f"<Member {self.name}>"

    @property
    def id(self) -> int:
        """Snowflake of the user."""
        return self.user.id

    @property
    def name(self) -> str:
        """Unique name, e.g. "ada"."""
        return self.user.name

    def commands(self, kind: int = 1, channel: ChannelKey | None = None) -> list[Json]:
        """Registered commands that this person may use there: kind 1 slash, 2 user, 3 message commands."""
        place = self._sandbox.place(channel)
        return client.usable_commands(self._sandbox, self.user, place, kind)

    async def slash(self, command: str, /, *, channel: ChannelKey | None = None, **options: Any) -> Exchange:
        """Type a slash command; subcommands after a space: `slash("adapter share", name="thnos")`.

        Option values are what a person would enter: str, int, float, bool, or `File` for an attachment.
        """
        return await client.send_slash(self._sandbox, self.user, self._sandbox.place(channel), command, options)

    async def autocomplete(
        self, command: str, /, *, focused: str, value: Any, channel: ChannelKey | None = None, **options: Any
    ) -> list[Json]:
        """What is offered while `value` stands in the option `focused`: a list of {"name", "value"}.

        Raises ExchangeFailed when the bot gave none in time.
        """
        place = self._sandbox.place(channel)
        exchange = await client.send_autocomplete(self._sandbox, self.user, place, command, focused, value, options)
        if exchange.choices is None:
            raise ExchangeFailed(exchange.error)
        return exchange.choices

    async def click(self, message: Message, button: str) -> Exchange:
        """Press the button with this custom_id or label."""
        return await client.send_click(self._sandbox, self.user, message, button)

    async def select(self, message: Message, select: str, values: Sequence[str]) -> Exchange:
        """Choose values in the select menu with this custom_id or placeholder."""
        return await client.send_select(self._sandbox, self.user, message, select, list(values))

    async def submit(self, modal: Modal | None, values: Mapping[str, FieldValue]) -> Exchange:
        """Fill in and send a form: by custom_id or label a text, a list of `File`s, of chosen values, or a bool."""
        if modal is None:
            raise ValueError("there is no form to submit: the bot did not open one")
        return await client.send_modal(self._sandbox, self.user, modal, dict(values))

    async def message_command(self, name: str, message: Message) -> Exchange:
        """Use a message command (Apps in a message's menu)."""
        return await client.send_message_command(self._sandbox, self.user, name, message)

    async def post(
        self, content: str = "", *, files: Sequence[File] = (), channel: ChannelKey | None = None
    ) -> Message:
        """Write an ordinary message."""
        return client.post_message(self._sandbox, self.user, self._sandbox.place(channel), content, list(files))

    async def delete(self, message: Message) -> None:
        """Delete one's own message, or dismiss an ephemeral one."""
        client.delete_message(self._sandbox, self.user, message)
