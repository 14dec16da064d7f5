"""Adapters as members know them: by name, their own and those shared with their guild."""

from __future__ import annotations

from bot.store.records import Adapter


def check_name(name: str) -> str:
    """The name in the form it is stored (lower case). Raises UserError that proposes a name which would do."""
    raise NotImplementedError


class Adapters:
    """The service behind ``/adapter`` and the ``<lora:…>`` tags. A viewer sees their own and those of their guild.

    ``written`` is a name as a member writes it: ``thnos``, or ``ada/thnos`` for another member's. An unknown one raises
    UserError with the nearest names that the viewer can see. Names are matched without regard to case.
    """

    async def resolve(self, written: str, *, viewer_id: int, guild_id: int | None) -> Adapter:
        """The adapter meant: the viewer's own first, then those shared with the guild; ``ada/thnos`` says whose.

        Raises UserError: unknown, or several members share one of that name.
        """
        raise NotImplementedError

    async def by_id(self, adapter_id: str, *, viewer_id: int, guild_id: int | None) -> Adapter:
        """The adapter, by the opaque id of a button or an autocomplete choice; what the viewer may not see is unknown.

        Raises UserError.
        """
        raise NotImplementedError

    async def complete(self, typed: str, *, viewer_id: int, guild_id: int | None, limit: int = 25) -> list[Adapter]:
        """For autocomplete: visible adapters whose name (or owner/name) starts with ``typed``, own first."""
        raise NotImplementedError

    async def visible(self, *, viewer_id: int, guild_id: int | None, limit: int = 100) -> list[Adapter]:
        """All that the viewer can use, own first, newest first."""
        raise NotImplementedError

    def written_name(self, adapter: Adapter, *, viewer_id: int) -> str:
        """How this viewer writes it in a tag: ``thnos`` for their own, else ``ada/thnos``."""
        raise NotImplementedError

    async def share(self, written: str, *, owner_id: int, guild_id: int | None) -> Adapter:
        """Let everybody in the guild use it; sharing twice changes nothing. Raises UserError."""
        raise NotImplementedError

    async def unshare(self, written: str, *, owner_id: int, guild_id: int | None) -> Adapter:
        """Take it back from the guild. Raises UserError."""
        raise NotImplementedError

    async def delete(self, written: str, *, owner_id: int) -> Adapter:
        """Delete one's own adapter and its file; jobs that were accepted with it still run. Raises UserError."""
        raise NotImplementedError
