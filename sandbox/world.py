"""The default guild: "Darkroom Lab", its channels, its people and the application, with ids that never change.

Fixed ids let a bot's own database be kept over restarts of the sandbox.
"""

import base64

from sandbox import permissions
from sandbox.state import Channel, Guild, Role, State, User

APPLICATION_ID = 1_100_000_000_000_000_001
GUILD_ID = 1_100_000_000_000_000_100
GENERAL_ID = 1_100_000_000_000_000_101
DARKROOM_ID = 1_100_000_000_000_000_102
MODERATOR_ROLE_ID = 1_100_000_000_000_000_110
BOT_ROLE_ID = 1_100_000_000_000_000_111
OWNER_ID = 1_100_000_000_000_000_200
PEOPLE = {"ada": 1_100_000_000_000_000_201, "ben": 1_100_000_000_000_000_202, "cleo": 1_100_000_000_000_000_203}

TOKEN = base64.b64encode(str(APPLICATION_ID).encode()).decode().rstrip("=") + ".Sandbx.not-a-secret-loopback-only-token"
"""Three dotted parts, the first the application's id, as in real tokens: some clients read it."""

BOT_PERMISSIONS = permissions.EVERYONE


def furnish(state: State) -> Guild:
    """Put the default guild into an empty state: ada and ben are members, cleo moderates.

    The owner is somebody who is never there, so that nobody has rights by owning it.
    """
    state.users[APPLICATION_ID] = User(APPLICATION_ID, "darkroom", "Darkroom", bot=True)
    for name, user_id in PEOPLE.items():
        state.users[user_id] = User(user_id, name, name.capitalize())
    roles = (
        Role(GUILD_ID, "@everyone", permissions.EVERYONE),
        Role(MODERATOR_ROLE_ID, "Moderator", permissions.MODERATOR, position=2, color=0x3BA55D),
        Role(BOT_ROLE_ID, "Darkroom", BOT_PERMISSIONS, position=1, managed_by=APPLICATION_ID),
    )
    guild = Guild(
        GUILD_ID,
        "Darkroom Lab",
        owner_id=OWNER_ID,
        roles={role.id: role for role in roles},
        members={
            PEOPLE["ada"]: (),
            PEOPLE["ben"]: (),
            PEOPLE["cleo"]: (MODERATOR_ROLE_ID,),
            APPLICATION_ID: (BOT_ROLE_ID,),
        },
    )
    state.guilds[guild.id] = guild
    state.users[OWNER_ID] = User(OWNER_ID, "olga", "Olga")
    for position, (channel_id, name, topic) in enumerate(
        ((GENERAL_ID, "general", "Anything at all"), (DARKROOM_ID, "darkroom", "Train on photos, then imagine"))
    ):
        state.channels[channel_id] = Channel(channel_id, name, GUILD_ID, topic, position)
    return guild
