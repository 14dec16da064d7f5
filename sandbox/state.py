"""What the stand-in remembers: users, one or more guilds, channels, messages, uploads and registered commands.

Plain records and look-ups only. What clients see of a record is made in `sandbox.payloads`; who is told of a change is
decided in `sandbox.messages` and `sandbox.feed`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox import permissions

Json = dict[str, Any]

DISCORD_EPOCH_S = 1_420_070_400

TEXT_CHANNEL = 0
DIRECT_CHANNEL = 1

EPHEMERAL = 1 << 6
LOADING = 1 << 7
SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12
COMPONENTS_V2 = 1 << 15

UPLOAD_LIMITS = {0: 10 << 20, 1: 10 << 20, 2: 50 << 20, 3: 100 << 20}
"""Bytes that one uploaded file may have, by boost tier of the guild."""


@dataclass(frozen=True, slots=True)
class User:
    """An account. `bot` is true only for the application's own user."""

    id: int
    name: str
    display_name: str
    bot: bool = False
    locale: str = "en-US"


@dataclass(frozen=True, slots=True)
class Role:
    """A guild's role; the one with the guild's own id is everybody's."""

    id: int
    name: str
    permissions: int
    position: int = 0
    managed_by: int | None = None
    color: int = 0


@dataclass(slots=True)
class Guild:
    """A server: its roles, who belongs to it (user id to role ids) and its boost tier, which sets the upload limit."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role]
    members: dict[int, tuple[int, ...]]
    boost_tier: int = 0
    locale: str = "en-US"

    @property
    def upload_limit(self) -> int:
        """Bytes that one file may have."""
        return UPLOAD_LIMITS[self.boost_tier]


@dataclass(slots=True)
class Channel:
    """A text channel of a guild, or a direct channel (`guild_id` None, `recipient_id` the person).

    `denied` maps a user id to permission bits taken away in this channel, so that tests can lock the bot out.
    """

    id: int
    name: str
    guild_id: int | None
    topic: str | None = None
    position: int = 0
    recipient_id: int | None = None
    age_restricted: bool = False
    denied: dict[int, int] = field(default_factory=dict)
    message_ids: list[int] = field(default_factory=list)

    @property
    def type(self) -> int:
        """Discord's channel type."""
        return TEXT_CHANNEL if self.guild_id is not None else DIRECT_CHANNEL


@dataclass(slots=True)
class Upload:
    """A file somebody uploaded. `owner_id` None: an ephemeral attachment's path carries the application instead.

    `in_embed` is true when an embed shows it (`attachment://…`): Discord then leaves it out of `attachments`.
    """

    id: int
    channel_id: int
    filename: str
    data: bytes
    content_type: str | None
    width: int | None = None
    height: int | None = None
    description: str | None = None
    ephemeral: bool = False
    in_embed: bool = False
    spoiler: bool = False


@dataclass(slots=True)
class StoredMessage:
    """A message as the server keeps it. Times are seconds of the sandbox's clock; `ephemeral_to` is a user id."""

    id: int
    channel_id: int
    author_id: int
    type: int
    created_at: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    flags: int = 0
    edited_at: float | None = None
    ephemeral_to: int | None = None
    deleted: bool = False
    reference_id: int | None = None
    interaction: Json | None = None
    application_id: int | None = None
    nonce: str | int | None = None
    mention_everyone: bool = False
    mention_ids: tuple[int, ...] = ()

    @property
    def thinking(self) -> bool:
        """Whether it still says "is thinking…" (a deferred answer)."""
        return bool(self.flags & LOADING)


class State:
    """All records, looked up by id or by name.

    Args:
        clock: seconds since 1970; snowflakes and time stamps follow it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, StoredMessage] = {}
        self.uploads: dict[int, Upload] = {}
        self.commands: dict[int | None, list[Json]] = {}  # by guild; None holds the global ones
        self._last_id = 0

    def next_id(self) -> int:
        """A new snowflake of the present moment, greater than every one before."""
        moment = int((self.clock() - DISCORD_EPOCH_S) * 1000) << 22
        self._last_id = max(moment, self._last_id + 1)
        return self._last_id

    def channel(self, key: "int | str | Channel", guild_id: int | None = None) -> Channel:
        """The channel with this id or name. Raises KeyError naming the ones there are."""
        if isinstance(key, Channel):
            return key
        for channel in self.channels.values():
            if channel.id == key or (channel.name == key and guild_id in (None, channel.guild_id)):
                return channel
        raise KeyError(f"no channel {key!r}; there are {sorted(c.name for c in self.channels.values())}")

    def user(self, key: int | str) -> User:
        """The user with this id or name. Raises KeyError naming the ones there are."""
        for user in self.users.values():
            if key in (user.id, user.name):
                return user
        raise KeyError(f"no user {key!r}; there are {sorted(u.name for u in self.users.values())}")

    def direct_channel(self, user_id: int) -> Channel:
        """The bot's direct channel with that user, opened when there is none yet."""
        for channel in self.channels.values():
            if channel.recipient_id == user_id:
                return channel
        channel = Channel(self.next_id(), f"@{self.users[user_id].name}", None, recipient_id=user_id)
        self.channels[channel.id] = channel
        return channel

    def add_message(self, message: StoredMessage) -> None:
        """Keep a new message in its channel."""
        self.messages[message.id] = message
        self.channels[message.channel_id].message_ids.append(message.id)
        self.add_uploads(message.uploads)

    def add_uploads(self, uploads: Iterable[Upload]) -> None:
        """Keep files so that the CDN can serve them."""
        for upload in uploads:
            self.uploads[upload.id] = upload

    def channel_messages(self, channel_id: int, seen_by: int | None = None) -> list[StoredMessage]:
        """Messages that still exist, oldest first; ephemeral ones only for the user they were meant for."""
        found = (self.messages[i] for i in self.channels[channel_id].message_ids)
        return [m for m in found if not m.deleted and m.ephemeral_to in (None, seen_by)]

    def permissions_in(self, user_id: int, channel: Channel) -> int:
        """Permission bits of a user in a channel, roles and the channel's `denied` bits taken together."""
        if channel.guild_id is None:
            granted = permissions.DIRECT
        else:
            granted = self.guild_permissions(user_id, self.guilds[channel.guild_id])
        return granted & ~channel.denied.get(user_id, 0)

    def guild_permissions(self, user_id: int, guild: Guild) -> int:
        """Permission bits that a user's roles give in the whole guild; 0 for somebody who is not in it."""
        if user_id not in guild.members:
            return 0
        granted = guild.roles[guild.id].permissions
        for role_id in guild.members[user_id]:
            granted |= guild.roles[role_id].permissions
        if user_id == guild.owner_id or granted & permissions.ADMINISTRATOR:
            return permissions.ALL
        return granted

    def commands_for(self, guild_id: int | None) -> list[Json]:
        """Registered commands that apply there: the guild's own, then global ones."""
        return [*(self.commands.get(guild_id, []) if guild_id else []), *self.commands.get(None, [])]
