"""Who acts in the matrix, where they act, and how far an adapter reaches at each step of sharing."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, Literal

from sandbox import permissions
from sandbox.exchange import Exchange
from sandbox.members import Member, Message
from sandbox.messages import Body, Origin, create_message
from sandbox.server import Sandbox
from sandbox.state import Channel, Guild, Role, User
from sandbox.world import APPLICATION_ID, BOT_ROLE_ID
from tests.discord.house import CHANNEL, House

Who = Literal["owner", "named", "member", "moderator", "stranger", "elsewhere", "left"]
Step = Literal["private", "named", "server", "everyone", "hidden", "likeness", "agreed", "own likeness"]

OTHER_GUILD, ELSEWHERE = 1_100_000_000_000_000_900, 1_100_000_000_000_000_901
PEOPLE = {"nora": 1_100_000_000_000_000_910, "sam": 1_100_000_000_000_000_911, "eve": 1_100_000_000_000_000_912,
          "fred": 1_100_000_000_000_000_913}  # fmt: skip
NAMES: dict[Who, str] = {
    "owner": "ada", "named": "nora", "member": "ben", "moderator": "cleo", "stranger": "sam", "elsewhere": "eve",
    "left": "fred",
}  # fmt: skip
SERVER: frozenset[Who] = frozenset({"owner", "member", "moderator"})  # who acts where the pictures were drawn
EVERYBODY: frozenset[Who] = frozenset(NAMES)

# who may use the adapter; at each step but "private" all that is beneath it is entered, too, as if it had been done
MAY_USE: dict[Step, frozenset[Who]] = {
    "private": frozenset({"owner"}),
    "named": frozenset({"owner", "named"}),
    "server": SERVER,
    "everyone": EVERYBODY,
    "hidden": frozenset({"owner"}),
    "likeness": frozenset({"owner", "named"}),
    "agreed": SERVER | {"named"},
    "own likeness": SERVER | {"named"},
}
ASKED: Who = "member"  # whose likeness it is, at the steps that have one


def furnish(sandbox: Sandbox) -> None:
    """People beyond the default server, and another one: eve moderates there, fred has left the first."""
    state = sandbox.state
    for name, user_id in PEOPLE.items():
        state.users[user_id] = User(user_id, name, name.capitalize())
    roles = (Role(OTHER_GUILD, "@everyone", permissions.MODERATOR), Role(BOT_ROLE_ID, "Darkroom", permissions.EVERYONE))
    state.guilds[OTHER_GUILD] = Guild(
        OTHER_GUILD, "Elsewhere", owner_id=PEOPLE["eve"], roles={role.id: role for role in roles},
        members={PEOPLE["eve"]: (), APPLICATION_ID: (BOT_ROLE_ID,)},
    )  # fmt: skip
    state.channels[ELSEWHERE] = Channel(ELSEWHERE, "elsewhere", OTHER_GUILD)


@dataclass(frozen=True)
class Actor:
    """A person in the one place where they act."""

    who: Who
    member: Member
    place: Channel
    home: House

    async def slash(self, command: str, **options: Any) -> Exchange:
        """As they would type it."""
        return await self.member.slash(command, channel=self.place, **options)

    async def offered(self, command: str, option: str, typed: str) -> list[str]:
        """What is offered while they type."""
        choices = await self.member.autocomplete(command, focused=option, value=typed, channel=self.place)
        return [str(choice["value"]) for choice in choices]

    async def press(self, custom_id: str) -> Exchange:
        """Press a button that carries this, as no client lets them unless the bot gave them one."""
        button = {"type": 2, "style": 2, "label": "Press", "custom_id": custom_id}
        return await self.member.click(self.forge(button), custom_id)

    async def choose(self, custom_id: str, value: str) -> Exchange:
        """Choose in a menu that carries this."""
        menu = {"type": 3, "custom_id": custom_id, "options": [{"label": "Choose", "value": value}]}
        return await self.member.select(self.forge(menu), custom_id, [value])

    async def choose_member(self, custom_id: str, name: str) -> Exchange:
        """Choose somebody in a menu of members that carries this."""
        return await self.member.select(self.forge({"type": 5, "custom_id": custom_id}), custom_id, [name])

    def forge(self, component: dict[str, Any]) -> Message:
        """A message of the bot's to them alone, with that in it."""
        body = Body({"content": "Forged", "components": [{"type": 1, "components": [component]}]})
        origin = Origin(APPLICATION_ID, ephemeral_to=self.member.id, application_id=APPLICATION_ID)
        sandbox = self.home.sandbox
        return sandbox.view(create_message(sandbox, self.place, body, origin))


def cast(home: House) -> dict[Who, Actor]:
    """All of them."""
    sandbox = home.sandbox
    places = dict.fromkeys(SERVER, sandbox.place(CHANNEL)) | {"elsewhere": sandbox.place("elsewhere")}
    people = {who: sandbox.member(name) for who, name in NAMES.items()}
    return {
        who: Actor(who, member, places.get(who) or sandbox.direct_channel(member), home)
        for who, member in people.items()
    }


async def set_step(home: House, adapter_id: str, step: Step) -> None:
    """Enter how far the adapter is shared, whatever the rules would let its owner do."""
    asked, named = home.sandbox.member(NAMES[ASKED]).id, home.sandbox.member(NAMES["named"]).id
    likeness = {"likeness": "other", "agreed": "other", "own likeness": "self"}.get(step, "none")
    values = {
        "id": adapter_id, "guild": home.sandbox.guild.id, "named": named, "asked": asked, "likeness": likeness,
        "public": 1.0 if step in {"everyone", "hidden", "likeness", "agreed", "own likeness"} else None,
        "hidden": 1.0 if step == "hidden" else None, "agreed": 1.0 if step == "agreed" else None,
    }  # fmt: skip

    def enter(tx: Connection) -> None:
        for table in ("shares", "member_shares", "likeness_consents", "barred"):
            tx.execute(f"DELETE FROM {table} WHERE adapter_id = :id", values)
        tx.execute(
            "UPDATE adapters SET likeness = :likeness, public_at = :public, hidden_at = :hidden, agreed_at = :agreed"
            " WHERE id = :id",
            values,
        )
        if step not in {"private", "server"}:
            tx.execute("INSERT INTO member_shares VALUES (:id, :named, 1.0)", values)
        if step not in {"private", "named"}:
            tx.execute("INSERT INTO shares VALUES (:id, :guild, 1.0)", values)
        if likeness == "other":
            tx.execute(
                "INSERT INTO likeness_consents (adapter_id, member_id, statement, asked_at, given_at)"
                " VALUES (:id, :asked, 'Yes.', 1.0, :agreed)",
                values,
            )

    await home.services.jobs._database.write(enter)


async def drop_waiting(home: House) -> None:
    """Jobs of the matrix are accepted, and never drawn."""

    def drop(tx: Connection) -> None:
        tx.execute("UPDATE jobs SET state = 'cancelled', finished_at = 1.0 WHERE state = 'queued'")

    await home.services.jobs._database.write(drop)
