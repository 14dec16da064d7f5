"""One REST request as the handlers get it, and what they answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, hdrs, web

from sandbox.errors import INVALID_JSON, ApiError, Findings
from sandbox.messages import Body
from sandbox.state import Json
from sandbox.views import File

if TYPE_CHECKING:
    from sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read and authorised. `body` is the JSON document (None without one); `files` by number."""

    sandbox: "Sandbox"
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    files: dict[int, File] = field(default_factory=dict)

    def snowflake(self, name: str) -> int:
        """A parameter of the path as an id; 0, which is nobody's, for anything else."""
        text = self.parameters[name]
        return int(text) if text.isdigit() else 0

    @property
    def document(self) -> Json:
        """The body where an object is needed. Raises ApiError 50109 for anything else."""
        if not isinstance(self.body, dict):
            raise ApiError(INVALID_JSON)
        return self.body

    @property
    def message_body(self) -> Body:
        """The body as a message's; files alone are a body too."""
        return Body({} if self.body is None and self.files else self.document, self.files)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a JSON document, or nothing with status 204."""

    data: Any = None
    status: int = 200


NOTHING = Reply(status=204)


async def read_body(request: web.Request) -> tuple[Any, dict[int, File]]:
    """The JSON part and the files of a request. Raises ApiError 50109 for malformed JSON."""
    if not request.can_read_body:
        return None, {}
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    text = await request.text()
    return (_parse(text) if text else None), {}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ApiError(INVALID_JSON) from None


async def _read_multipart(request: web.Request) -> tuple[Any, dict[int, File]]:
    document: Any = None
    files: dict[int, File] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        name = part.name or ""
        if name == "payload_json":
            document = _parse(await part.text())
        elif name.startswith("files[") and name.endswith("]") and name[6:-1].isdigit():
            content_type = part.headers.get(hdrs.CONTENT_TYPE)
            given = None if content_type in (None, "application/octet-stream") else content_type
            files[int(name[6:-1])] = File(part.filename or "unknown", bytes(await part.read()), given)
        else:
            findings = Findings()
            findings.add(name or "body", "FORM_FIELD", f"The sandbox knows payload_json and files[n], not {name!r}.")
            findings.refuse()
    return document, files
