"""Records → the dictionaries that Discord's API shows of them."""

import datetime
from typing import TYPE_CHECKING

from sandbox.state import DIRECT_CHANNEL, Channel, Guild, Json, Role, StoredMessage, Upload, User

if TYPE_CHECKING:
    from sandbox.server import Sandbox

JOINED_AT = "2026-01-05T09:00:00+00:00"
ALWAYS_NULL_OF_GUILDS = (
    "icon",
    "splash",
    "discovery_splash",
    "banner",
    "description",
    "afk_channel_id",
    "application_id",
    "system_channel_id",
    "widget_channel_id",
    "rules_channel_id",
    "public_updates_channel_id",
    "safety_alerts_channel_id",
    "vanity_url_code",
    "max_presences",
    "inventory_settings",
    "incidents_data",
)


def timestamp(at_s: float) -> str:
    """ISO 8601 in UTC, as in every `timestamp` of the API."""
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).isoformat()


def user(record: User) -> Json:
    """A user object."""
    shown: Json = {
        "id": str(record.id),
        "username": record.name,
        "global_name": None if record.bot else record.display_name,
        "discriminator": "0001" if record.bot else "0",
        "avatar": None,
        "avatar_decoration_data": None,
        "banner": None,
        "accent_color": None,
        "collectibles": None,
        "primary_guild": None,
        "clan": None,
        "public_flags": 1 << 16 if record.bot else 0,
        "flags": 0,
    }
    if record.bot:
        shown["bot"] = True
    return shown


def own_user(record: User) -> Json:
    """The bot's own user, with what only oneself sees."""
    return user(record) | {"verified": True, "mfa_enabled": True, "email": None, "locale": record.locale}


def member(sandbox: "Sandbox", guild: Guild, record: User, *, with_user: bool = True) -> Json:
    """A guild member object."""
    shown: Json = {
        "roles": [str(role_id) for role_id in guild.members[record.id]],
        "joined_at": JOINED_AT,
        "premium_since": None,
        "nick": None,
        "avatar": None,
        "banner": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }
    if with_user:
        shown["user"] = user(record)
    return shown


def role(record: Role) -> Json:
    """A role object."""
    shown: Json = {
        "id": str(record.id),
        "name": record.name,
        "description": None,
        "color": record.color,
        "colors": {"primary_color": record.color, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": record.position,
        "permissions": str(record.permissions),
        "managed": record.managed_by is not None,
        "mentionable": False,
        "flags": 0,
    }
    if record.managed_by is not None:
        shown["tags"] = {"bot_id": str(record.managed_by)}
    return shown


def channel(sandbox: "Sandbox", record: Channel) -> Json:
    """A channel object: text channel or direct channel."""
    last = str(record.message_ids[-1]) if record.message_ids else None
    shown: Json = {"id": str(record.id), "type": record.type, "last_message_id": last, "flags": 0}
    if record.type == DIRECT_CHANNEL:
        assert record.recipient_id is not None
        return shown | {"recipients": [user(sandbox.state.users[record.recipient_id])]}
    return shown | {
        "guild_id": str(record.guild_id),
        "name": record.name,
        "topic": record.topic,
        "position": record.position,
        "parent_id": None,
        "nsfw": record.age_restricted,
        "rate_limit_per_user": 0,
        "permission_overwrites": [
            {"id": str(user_id), "type": 1, "allow": "0", "deny": str(bits)} for user_id, bits in record.denied.items()
        ],
        "last_pin_timestamp": None,
    }


def guild(sandbox: "Sandbox", record: Guild) -> Json:
    """A guild object as REST gives it."""
    shown: Json = dict.fromkeys(ALWAYS_NULL_OF_GUILDS)
    return shown | {
        "id": str(record.id),
        "name": record.name,
        "owner_id": str(record.owner_id),
        "region": "deprecated",
        "afk_timeout": 300,
        "widget_enabled": False,
        "verification_level": 1,
        "default_message_notifications": 1,
        "explicit_content_filter": 2,
        "roles": [role(r) for r in record.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "system_channel_flags": 0,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "premium_tier": record.boost_tier,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": record.locale,
        "nsfw": False,
        "nsfw_level": 0,
        "hub_type": None,
        "latest_onboarding_question_id": None,
        "approximate_member_count": len(record.members),
        "approximate_presence_count": len(record.members),
    }


def guild_create(sandbox: "Sandbox", record: Guild) -> Json:
    """A guild as GUILD_CREATE carries it: with channels, members and the rest."""
    channels = [c for c in sandbox.state.channels.values() if c.guild_id == record.id]
    return guild(sandbox, record) | {
        "joined_at": JOINED_AT,
        "large": False,
        "unavailable": False,
        "member_count": len(record.members),
        "members": [member(sandbox, record, sandbox.state.users[i]) for i in record.members],
        "channels": [channel(sandbox, c) for c in channels],
        "threads": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application(sandbox: "Sandbox") -> Json:
    """The application, as its own bot sees it."""
    owner = user(sandbox.state.users[sandbox.guild.owner_id])
    return {
        "id": str(sandbox.application_id),
        "name": "Darkroom",
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "verify_key": "0" * 64,
        "bot_public": True,
        "bot_require_code_grant": False,
        "flags": 0,
        "hook": True,
        "is_monetized": False,
        "is_verified": False,
        "is_discoverable": False,
        "storefront_available": False,
        "max_participants": None,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "event_webhooks_url": None,
        "event_webhooks_status": 1,
        "tags": [],
        "integration_types_config": {"0": {}},
        "approximate_guild_count": len(sandbox.state.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "owner": owner,
        "team": None,
        "bot": user(sandbox.state.users[sandbox.application_id]),
    }


def attachment(sandbox: "Sandbox", upload: Upload) -> Json:
    """An attachment object with freshly signed links."""
    url = sandbox.cdn.sign(upload)
    shown: Json = {
        "id": str(upload.id),
        "filename": upload.filename,
        "size": len(upload.data),
        "url": url,
        "proxy_url": url,
    }
    if upload.content_type is not None:
        shown["content_type"] = upload.content_type
    if upload.width is not None:
        shown |= {"width": upload.width, "height": upload.height, "placeholder_version": 1, "placeholder": ""}
    if upload.description is not None:
        shown["description"] = upload.description
    if upload.ephemeral:
        shown["ephemeral"] = True
    return shown


def message(sandbox: "Sandbox", record: StoredMessage, *, depth: int = 0) -> Json:
    """A message object; one that answers another carries that one too, one level deep."""
    state = sandbox.state
    author = state.users[record.author_id]
    visible = [u for u in record.uploads if not u.in_embed]
    shown: Json = {
        "id": str(record.id),
        "type": record.type,
        "channel_id": str(record.channel_id),
        "author": user(author),
        "content": record.content,
        "timestamp": timestamp(record.created_at),
        "edited_timestamp": None if record.edited_at is None else timestamp(record.edited_at),
        "tts": False,
        "mention_everyone": record.mention_everyone,
        "mentions": [user(state.users[i]) for i in record.mention_ids],
        "mention_roles": [],
        "attachments": [attachment(sandbox, u) for u in visible],
        "embeds": [_embed(sandbox, record, e) for e in record.embeds],
        "components": [_component(sandbox, record, c) for c in record.components],
        "pinned": False,
        "flags": record.flags,
    }
    if record.nonce is not None:
        shown["nonce"] = record.nonce
    if record.application_id is not None:
        shown["application_id"] = str(record.application_id)
    if record.interaction is not None:
        shown["webhook_id"] = str(record.application_id)
        shown["interaction_metadata"] = record.interaction
    if record.reference_id is not None:
        shown |= _reference(sandbox, record, depth)
    return shown


def _reference(sandbox: "Sandbox", record: StoredMessage, depth: int) -> Json:
    guild_id = sandbox.state.channels[record.channel_id].guild_id
    pointer: Json = {"type": 0, "message_id": str(record.reference_id), "channel_id": str(record.channel_id)}
    if guild_id is not None:
        pointer["guild_id"] = str(guild_id)
    shown: Json = {"message_reference": pointer}
    target = sandbox.state.messages.get(record.reference_id or 0)
    if depth == 0:
        gone = target is None or target.deleted
        shown["referenced_message"] = None if gone or target is None else message(sandbox, target, depth=1)
    return shown


def _embed(sandbox: "Sandbox", record: StoredMessage, embed: Json) -> Json:
    shown = {"type": "rich", **embed}
    for place in ("image", "thumbnail", "video", "author", "footer"):
        if isinstance(shown.get(place), dict):
            shown[place] = _resolve_links(sandbox, record, shown[place])
    return shown


def _component(sandbox: "Sandbox", record: StoredMessage, component: Json) -> Json:
    shown = dict(component)
    for key in ("media", "file"):
        if isinstance(shown.get(key), dict):
            shown[key] = _resolve_links(sandbox, record, shown[key])
    for key in ("components", "items"):
        if isinstance(shown.get(key), list):
            shown[key] = [_component(sandbox, record, c) for c in shown[key]]
    if isinstance(shown.get("accessory"), dict):
        shown["accessory"] = _component(sandbox, record, shown["accessory"])
    return shown


def _resolve_links(sandbox: "Sandbox", record: StoredMessage, media: Json) -> Json:
    """Replace `attachment://name` by the link of the message's own file, and add its size as Discord does."""
    shown = dict(media)
    for key, proxy in (("url", "proxy_url"), ("icon_url", "proxy_icon_url")):
        link = shown.get(key)
        if not isinstance(link, str) or not link.startswith("attachment://"):
            continue
        upload = next((u for u in record.uploads if u.filename == link.removeprefix("attachment://")), None)
        if upload is None:
            continue
        shown[key] = shown[proxy] = sandbox.cdn.sign(upload)
        if key == "url" and upload.width is not None:
            shown |= {"width": upload.width, "height": upload.height, "content_type": upload.content_type}
    return shown
