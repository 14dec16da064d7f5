"""Creating, editing and deleting messages: Discord's rules applied, then the gateway and the page told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox import payloads, rules
from sandbox.cdn import describe
from sandbox.errors import Findings
from sandbox.state import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    SUPPRESS_EMBEDS,
    SUPPRESS_NOTIFICATIONS,
    Channel,
    Json,
    StoredMessage,
    Upload,
)
from sandbox.views import File, walk_components

if TYPE_CHECKING:
    from sandbox.server import Sandbox

SETTABLE_FLAGS = SUPPRESS_EMBEDS | EPHEMERAL | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2


@dataclass(frozen=True, slots=True)
class Body:
    """What a client sent for a message: the JSON part, and files by the number in `files[n]`."""

    data: Json
    files: dict[int, File] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a new message comes from, as far as it is not in its body."""

    author_id: int
    type: int = 0
    ephemeral_to: int | None = None
    reference_id: int | None = None
    interaction: Json | None = None
    application_id: int | None = None
    loading: bool = False


def create_message(sandbox: "Sandbox", channel: Channel, body: Body, origin: Origin) -> StoredMessage:
    """Check, store and announce a new message. Raises ApiError. `origin.loading`: "is thinking…", may be empty."""
    flags = int(body.data.get("flags") or 0) & SETTABLE_FLAGS
    is_v2 = bool(flags & COMPONENTS_V2)
    rules.check_message(body.data, is_v2=is_v2)
    record = StoredMessage(
        id=sandbox.state.next_id(),
        channel_id=channel.id,
        author_id=origin.author_id,
        type=origin.type,
        created_at=sandbox.clock(),
        ephemeral_to=origin.ephemeral_to,
        reference_id=origin.reference_id,
        interaction=origin.interaction,
        application_id=origin.application_id,
        nonce=body.data.get("nonce"),
        flags=(flags & ~EPHEMERAL) | (EPHEMERAL if origin.ephemeral_to else 0) | (LOADING if origin.loading else 0),
    )
    apply_body(sandbox, record, body, channel)
    if not origin.loading:
        rules.check_not_empty(record)
    sandbox.state.add_message(record)
    _dispatch(sandbox, "MESSAGE_CREATE", record)
    sandbox.announce("message_create", record)
    return record


def edit_message(sandbox: "Sandbox", record: StoredMessage, body: Body) -> None:
    """Check, apply and announce an edit. Raises ApiError, and then nothing has changed."""
    channel = sandbox.state.channels[record.channel_id]
    flags = body.data.get("flags")
    is_v2 = bool((record.flags | int(flags or 0)) & COMPONENTS_V2)  # once set, the flag stays
    rules.check_message(body.data, is_v2=is_v2)
    changed = _copy(record)
    if flags is not None:
        keep = record.flags & (EPHEMERAL | COMPONENTS_V2 | LOADING)
        changed.flags = keep | (int(flags) & (SUPPRESS_EMBEDS | COMPONENTS_V2))
    apply_body(sandbox, changed, body, channel)
    changed.flags &= ~LOADING
    rules.check_not_empty(changed)
    for name in ("content", "embeds", "components", "uploads", "flags", "mention_everyone", "mention_ids"):
        setattr(record, name, getattr(changed, name))
    record.edited_at = sandbox.clock()
    sandbox.state.add_uploads(record.uploads)
    _dispatch(sandbox, "MESSAGE_UPDATE", record)
    sandbox.interactions.note_edit(record)
    sandbox.announce("message_update", record)


def delete_message(sandbox: "Sandbox", record: StoredMessage) -> None:
    """Delete a message and announce it; its files are no longer served."""
    record.deleted = True
    for upload in record.uploads:
        sandbox.state.uploads.pop(upload.id, None)
    if record.ephemeral_to is None:
        guild_id = sandbox.state.channels[record.channel_id].guild_id
        data: Json = {"id": str(record.id), "channel_id": str(record.channel_id)}
        if guild_id is not None:
            data["guild_id"] = str(guild_id)
        sandbox.gateway.dispatch("MESSAGE_DELETE", data, guild_id)
    sandbox.announce("message_delete", record)


def apply_body(sandbox: "Sandbox", record: StoredMessage, body: Body, channel: Channel) -> None:
    """Put the fields that the body names into the record; fields that it leaves out stay."""
    data = body.data
    if "content" in data:
        record.content = data["content"] or ""
    if "embeds" in data:
        record.embeds = data["embeds"] or []
    if "components" in data:
        record.components = number_components(data["components"] or [])
    _apply_attachments(sandbox, record, body, channel)
    shown = [e.get(part, {}).get("url") for e in record.embeds for part in ("image", "thumbnail") if e.get(part)]
    for upload in record.uploads:
        upload.in_embed = upload.in_embed or f"attachment://{upload.filename}" in shown
    _find_mentions(sandbox, record, data.get("allowed_mentions"))


def number_components(components: list[Json]) -> list[Json]:
    """Give each component without one an `id`, counted from 1, as Discord does."""
    taken = {c["id"] for c in walk_components(components) if c.get("id")}
    numbers = (n for n in range(1, 10_000) if n not in taken)

    def number(component: Json) -> Json:
        named = component if component.get("id") else {**component, "id": next(numbers)}
        if isinstance(named.get("components"), list):
            named = {**named, "components": [number(c) for c in named["components"]]}
        for key in ("accessory", "component"):
            if isinstance(named.get(key), dict):
                named = {**named, key: number(named[key])}
        return named

    return [number(component) for component in components]


def _apply_attachments(sandbox: "Sandbox", record: StoredMessage, body: Body, channel: Channel) -> None:
    """`attachments` names what is kept (by id) and describes what is new (by number); without it files are added."""
    listed = body.data.get("attachments")
    if listed is None and "attachments" in body.data:
        listed = []
    kept = list(record.uploads)
    described: dict[int, Json] = {}
    if listed is not None:
        ids = {int(item["id"]) for item in listed}
        kept = [u for u in record.uploads if u.id in ids]
        described = {int(item["id"]): item for item in listed if int(item["id"]) in body.files}
        findings = Findings()
        for index, item in enumerate(listed):
            if int(item["id"]) not in body.files and int(item["id"]) not in {u.id for u in kept}:
                findings.add(f"attachments.{index}.id", "ATTACHMENT_NOT_FOUND", f"Attachment {item['id']} not found.")
        findings.refuse()
    guild = sandbox.state.guilds.get(channel.guild_id or 0)
    limit = guild.upload_limit if guild else 10 << 20
    rules.check_files(len(kept) + len(body.files), [len(f.data) for f in body.files.values()], limit)
    ephemeral = record.ephemeral_to is not None
    for number in sorted(body.files):
        file = body.files[number]
        item = described.get(number, {})
        upload = store_upload(sandbox, file, channel.id, ephemeral=ephemeral, filename=item.get("filename"))
        upload.description = item.get("description")
        kept.append(upload)
    if body.files or listed is not None:
        record.uploads = kept


def store_upload(
    sandbox: "Sandbox", file: File, channel_id: int, *, ephemeral: bool, filename: str | None = None
) -> Upload:
    """Make an upload record of a file, with its name cleaned as Discord does. It is not served before it is added."""
    name = re.sub(r"[^\w.\-]+", "_", (filename or file.filename).rsplit("/", 1)[-1]) or "unknown"
    kind, width, height = describe(name, file.data, file.content_type)
    return Upload(sandbox.state.next_id(), channel_id, name, file.data, kind, width, height, ephemeral=ephemeral)


def _find_mentions(sandbox: "Sandbox", record: StoredMessage, allowed: Json | None) -> None:
    """Who is pinged: `<@id>` in the content, as far as `allowed_mentions` lets it through."""
    parse = None if allowed is None else allowed.get("parse", [])
    named = {int(i) for i in (allowed or {}).get("users", [])}
    found = [int(i) for i in re.findall(r"<@!?(\d{1,20})>", record.content)]
    wanted = (i for i in dict.fromkeys(found) if i in sandbox.state.users)
    record.mention_ids = tuple(i for i in wanted if parse is None or "users" in parse or i in named)
    everybody = re.search(r"@(everyone|here)\b", record.content) is not None
    record.mention_everyone = everybody and (parse is None or "everyone" in parse)


def _copy(record: StoredMessage) -> StoredMessage:
    return replace(record, uploads=list(record.uploads))


def _dispatch(sandbox: "Sandbox", event: str, record: StoredMessage) -> None:
    if record.ephemeral_to is not None:
        return  # only its person's own client hears of an ephemeral message
    channel = sandbox.state.channels[record.channel_id]
    data = payloads.message(sandbox, record)
    if channel.guild_id is not None:
        guild = sandbox.state.guilds[channel.guild_id]
        author = sandbox.state.users[record.author_id]
        data["guild_id"] = str(guild.id)
        if record.interaction is None and author.id in guild.members:
            data["member"] = payloads.member(sandbox, guild, author, with_user=False)
    sandbox.gateway.dispatch(event, data, channel.guild_id, author_id=record.author_id)


def as_body(content: str, files: Sequence[File]) -> Body:
    """The body of a plain message."""
    return Body({"content": content}, dict(enumerate(files)))
