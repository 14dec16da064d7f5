"""Pictures that jobs have made: their exact settings, and deleting them."""

from __future__ import annotations

from bot.store.records import Job, Picture


class Pictures:
    """The service behind the buttons under a picture."""

    async def of_job(self, job_id: str) -> list[Picture]:
        """The pictures of a job, in order; empty when they were deleted."""
        raise NotImplementedError

    async def delete(self, job_id: str, member_id: int, *, moderator: bool = False) -> Job:
        """Delete a job's pictures from the store and return the job, whose message is to be deleted by the caller.

        Raises UserError: somebody else's (unless ``moderator``), or gone already.
        """
        raise NotImplementedError
