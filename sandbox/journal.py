"""What the sandbox writes down about its client: every request, and every rule broken."""

from dataclasses import dataclass, field

from sandbox.state import Json


@dataclass(slots=True)
class RequestRecord:
    """One REST request. `path` is without the API prefix; `files` are (file name, size in bytes); `status` 0: cut."""

    method: str
    path: str
    at: float
    json: Json | list[Json] | None = None
    files: list[tuple[str, int]] = field(default_factory=list)
    status: int = 0
    openapi_errors: list[str] = field(default_factory=list)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the client broke: a short name of the rule, what happened, and the request it was seen in."""

    rule: str
    detail: str
    request: RequestRecord | None = None
