"""Interactions: handing them to the bot, and the rules for answering them (3 s, once, 15 minutes)."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import payloads
from sandbox.errors import INVALID_WEBHOOK_TOKEN, UNKNOWN_INTERACTION, UNKNOWN_WEBHOOK, ApiError
from sandbox.exchange import NO_ANSWER, Exchange
from sandbox.feed import Change
from sandbox.state import Channel, Guild, Json, StoredMessage, User

if TYPE_CHECKING:
    from sandbox.server import Sandbox

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
TOKEN_LIFETIME_S = 15 * 60
KINDS = {COMMAND: "command", COMPONENT: "component", AUTOCOMPLETE: "autocomplete", MODAL_SUBMIT: "modal"}


@dataclass(slots=True)
class Interaction:
    """One interaction as the server keeps it.

    Attributes:
        source: the message that was clicked, or from whose component the form came.
        callback_type: how it was acknowledged, or None.
        original_id: the message that `@original` names.
        unanswered: deferred (5 or 6), and nothing shown yet.
        heard: whether a connected bot was told of it.
        faulted: whether a fault was injected into an answer, so that lateness is not the client's.
    """

    id: int
    token: str
    type: int
    user: User
    channel: Channel
    data: Json
    exchange: Exchange
    created_at: float
    source: StoredMessage | None = None
    callback_type: int | None = None
    original_id: int | None = None
    unanswered: bool = False
    heard: bool = False
    faulted: bool = False
    timer: asyncio.TimerHandle | None = None


class Interactions:
    """All interactions of this run, by id and by token."""

    def __init__(self, sandbox: "Sandbox", acknowledge_within_s: float) -> None:
        self._sandbox = sandbox
        self.acknowledge_within_s = acknowledge_within_s
        self.by_id: dict[int, Interaction] = {}
        self.by_token: dict[str, Interaction] = {}
        self._unanswered: dict[int, Interaction] = {}

    def start(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: Json,
        exchange: Exchange,
        source: StoredMessage | None = None,
    ) -> Interaction:
        """Hand a new interaction to the bot and begin to count its 3 seconds."""
        sandbox = self._sandbox
        interaction = Interaction(
            id=sandbox.state.next_id(),
            token="aW50ZXJhY3Rpb24" + secrets.token_urlsafe(96),
            type=kind,
            user=user,
            channel=channel,
            data=data,
            exchange=exchange,
            created_at=sandbox.clock(),
            source=source,
        )
        exchange.id = interaction.id
        exchange.changed = lambda e: sandbox.feed.publish(Change("exchange", e.to_json(), e.member_id))
        self.by_id[interaction.id] = self.by_token[interaction.token] = interaction
        interaction.heard = (
            sandbox.gateway.dispatch("INTERACTION_CREATE", build_payload(sandbox, interaction), None) > 0
        )
        loop = asyncio.get_running_loop()
        interaction.timer = loop.call_later(self.acknowledge_within_s, self._give_up, interaction)
        exchange.touch()
        return interaction

    def _give_up(self, interaction: Interaction) -> None:
        if interaction.callback_type is not None:
            return
        if interaction.heard and not interaction.faulted:
            detail = f"{interaction.exchange.kind} {interaction.exchange.name!r} had no answer in time"
            self._sandbox.violate("acknowledge within 3 s", detail)
        interaction.exchange.fail(NO_ANSWER)

    def to_answer(self, interaction_id: str, token: str) -> Interaction:
        """The interaction that a callback names. Raises ApiError 10062 when unknown or older than 3 s."""
        interaction = self.by_token.get(token)
        if interaction is None or str(interaction.id) != interaction_id:
            raise ApiError(UNKNOWN_INTERACTION)
        late = self._sandbox.clock() - interaction.created_at > self.acknowledge_within_s
        if interaction.callback_type is None and (late or interaction.exchange.error is not None):
            raise ApiError(UNKNOWN_INTERACTION)
        return interaction

    def to_follow(self, webhook_id: str, token: str) -> Interaction:
        """The acknowledged interaction behind a webhook token. Raises ApiError 10015, or 50027 after 15 minutes."""
        interaction = self.by_token.get(token)
        if interaction is None or webhook_id != str(self._sandbox.application_id):
            raise ApiError(UNKNOWN_WEBHOOK)
        if self._sandbox.clock() - interaction.created_at > TOKEN_LIFETIME_S:
            raise ApiError(INVALID_WEBHOOK_TOKEN)
        if interaction.callback_type is None:
            raise ApiError(UNKNOWN_WEBHOOK)
        return interaction

    def acknowledge(self, interaction: Interaction, callback_type: int) -> None:
        """Note the first answer and stop the 3 second timer."""
        interaction.callback_type = callback_type
        interaction.exchange.acknowledged_after_s = self._sandbox.clock() - interaction.created_at
        if interaction.timer is not None:
            interaction.timer.cancel()

    def defer(self, interaction: Interaction) -> None:
        """The bot has put the answer off: whatever its original shows next is the answer."""
        interaction.unanswered = True
        self._unanswered[interaction.id] = interaction
        interaction.exchange.touch()

    def note_edit(self, record: StoredMessage) -> None:
        """A message changed, by whichever way: whoever waits for a deferred answer there has it now."""
        for interaction in list(self._unanswered.values()):
            if interaction.original_id == record.id:
                self.show(interaction, record)

    def show(self, interaction: Interaction, record: StoredMessage) -> None:
        """The person sees this message as the answer."""
        interaction.unanswered = False
        self._unanswered.pop(interaction.id, None)
        interaction.exchange.ephemeral = record.ephemeral_to is not None
        interaction.exchange.message = self._sandbox.view(record)
        interaction.exchange.touch()

    def close(self) -> None:
        """Stop every timer."""
        for interaction in self.by_id.values():
            if interaction.timer is not None:
                interaction.timer.cancel()


def build_payload(sandbox: "Sandbox", interaction: Interaction) -> Json:
    """The data of INTERACTION_CREATE."""
    state, user, channel = sandbox.state, interaction.user, interaction.channel
    guild = state.guilds.get(channel.guild_id or 0)
    theirs = state.permissions_in(user.id, channel)
    payload: Json = {
        "id": str(interaction.id),
        "application_id": str(sandbox.application_id),
        "type": interaction.type,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": payloads.channel(sandbox, channel) | {"permissions": str(theirs)},
        "locale": user.locale,
        "app_permissions": str(state.permissions_in(sandbox.application_id, channel)),
        "entitlements": [],
        "entitlement_sku_ids": [],
        "authorizing_integration_owners": {"0": str(guild.id) if guild else "0"},
        "context": 0 if guild else 1,
        "attachment_size_limit": guild.upload_limit if guild else 10 << 20,
    }
    payload |= _who(sandbox, guild, user, theirs)
    if interaction.source is not None:
        payload["message"] = payloads.message(sandbox, interaction.source)
    return payload


def _who(sandbox: "Sandbox", guild: Guild | None, user: User, theirs: int) -> Json:
    if guild is None:
        return {"user": payloads.user(user)}
    member = payloads.member(sandbox, guild, user)
    member |= {"permissions": str(theirs), "unusual_dm_activity_until": None}
    partial = {"id": str(guild.id), "locale": guild.locale, "features": []}
    return {"member": member, "guild_id": str(guild.id), "guild_locale": guild.locale, "guild": partial}


def metadata(interaction: Interaction) -> Json:
    """`interaction_metadata` of a message that answers the interaction."""
    guild_id = interaction.channel.guild_id
    shown: Json = {
        "id": str(interaction.id),
        "type": interaction.type,
        "user": payloads.user(interaction.user),
        "authorizing_integration_owners": {"0": str(guild_id or 0)},
    }
    if interaction.type == COMMAND:
        shown |= {"name": interaction.data["name"], "command_type": interaction.data["type"]}
        if "target_id" in interaction.data:
            shown["target_message_id"] = interaction.data["target_id"]
    elif interaction.source is not None and interaction.type == COMPONENT:
        shown["interacted_message_id"] = str(interaction.source.id)
    return shown
