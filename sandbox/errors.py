"""Refusals, in the shape and with the codes of Discord's API."""

from collections.abc import Sequence

from sandbox.state import Json

UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = (404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
UNKNOWN_USER = (404, 10013, "Unknown User")
UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
UNKNOWN_COMMAND = (404, 10063, "Unknown application command")
OLD_MESSAGE_EDITS = (
    429,
    30046,
    "Maximum number of edits to messages older than 1 hour reached. Try again later.",
)
ENTITY_TOO_LARGE = (413, 40005, "Request entity too large")
ALREADY_ACKNOWLEDGED = (400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = (403, 50001, "Missing Access")
NOT_THE_AUTHOR = (403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
INVALID_WEBHOOK_TOKEN = (401, 50027, "Invalid Webhook Token")
INVALID_JSON = (400, 50109, "The request body contains invalid JSON.")
UNAUTHORIZED = (401, 0, "401: Unauthorized")
NOT_FOUND = (404, 0, "404: Not Found")


class ApiError(Exception):
    """A refused request: HTTP status, Discord's own code, its message, and what is wrong with which field.

    Args:
        kind: one of the constants of this module.
        errors: nested by field, each leaf {"_errors": [{"code", "message"}]}.
    """

    def __init__(self, kind: tuple[int, int, str], errors: Json | None = None) -> None:
        self.status, self.code, self.message = kind
        self.errors = errors
        super().__init__(f"{self.status} {self.code} {self.message} {errors or ''}".strip())

    @property
    def body(self) -> Json:
        """What the client reads."""
        body: Json = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body


class Findings:
    """Collects what is wrong with a body's fields, to refuse it once with everything that is wrong."""

    def __init__(self) -> None:
        self._errors: Json = {}

    def add(self, path: str, code: str, message: str) -> None:
        """Note a fault of the field at a dotted path, e.g. "embeds.0.title"."""
        node = self._errors
        for part in path.split("."):
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def check_length(self, path: str, text: object, most: int, least: int = 0) -> None:
        """Note a text that is too long or too short; None passes."""
        if text is None:
            return
        if not isinstance(text, str):
            self.add(path, "BASE_TYPE_STRING", "Must be a string.")
        elif len(text) > most and least:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        elif len(text) > most:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        elif len(text) < least:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

    def check_count(self, path: str, items: Sequence[object] | None, most: int, least: int = 0) -> None:
        """Note a list that is too long or too short; None passes."""
        if items is not None and not least <= len(items) <= most:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

    def require(self, path: str, value: object) -> None:
        """Note a missing field."""
        if value is None or value == "":
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def refuse(self) -> None:
        """Raise ApiError 50035 when anything was found."""
        if self._errors:
            raise ApiError((400, 50035, "Invalid Form Body"), self._errors)
