"""The CDN: uploaded files behind signed links that expire.

A link carries `ex` (expires, hexadecimal seconds), `is` (issued) and `hm` (HMAC-SHA256 of path and times), as Discord's
do since 2023. An expired, altered or unsigned link is answered by 404 in words.
"""

import hashlib
import hmac
import io
import mimetypes
import secrets
import warnings
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web
from PIL import Image

from sandbox.state import Upload

if TYPE_CHECKING:
    from sandbox.server import Sandbox

GONE = "This content is no longer available."
LINK_LIFETIME_S = 24 * 3600
"""Discord's links last about a day."""


class Cdn:
    """Signs links and serves the files behind them.

    Attributes:
        link_lifetime_s: how long a link lasts after it was made.
    """

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._secret = secrets.token_bytes(32)
        self.link_lifetime_s = LINK_LIFETIME_S

    def add_routes(self, app: web.Application) -> None:
        """Serve under /cdn/."""
        app.router.add_get("/cdn/{kind:attachments|ephemeral-attachments}/{owner}/{id}/{filename}", self._serve_upload)
        app.router.add_get("/cdn/embed/avatars/{index}.png", _serve_avatar)

    def sign(self, upload: Upload) -> str:
        """A link to the file, good for `link_lifetime_s` from now."""
        issued = int(self._sandbox.clock())
        path = self._path(upload)
        times = f"ex={issued + int(self.link_lifetime_s):x}&is={issued:x}"
        return f"{self._sandbox.cdn_base}{path}?{times}&hm={self._digest(path, times)}&"

    def _path(self, upload: Upload) -> str:
        kind = "ephemeral-attachments" if upload.ephemeral else "attachments"
        owner = self._sandbox.application_id if upload.ephemeral else upload.channel_id
        return f"/{kind}/{owner}/{upload.id}/{quote(upload.filename)}"

    def _digest(self, path: str, times: str) -> str:
        return hmac.new(self._secret, f"{path}?{times}".encode(), hashlib.sha256).hexdigest()

    async def _serve_upload(self, request: web.Request) -> web.Response:
        upload_id = request.match_info["id"]
        upload = self._sandbox.state.uploads.get(int(upload_id)) if upload_id.isdigit() else None
        fault = await self._sandbox.faults.strike(request.method, request.path)
        if fault is not None:
            return fault.response(request)
        if upload is None or not self._is_valid(request, upload):
            return web.Response(status=404, text=GONE)
        kind = upload.content_type or "application/octet-stream"
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(upload.filename)}"}
        headers |= {
            "Content-Type": kind,
            "Cache-Control": "private, max-age=86400",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=upload.data, headers=headers)

    def _is_valid(self, request: web.Request, upload: Upload) -> bool:
        query = request.query
        times = f"ex={query.get('ex', '')}&is={query.get('is', '')}"
        try:
            expires = int(query.get("ex", ""), 16)
        except ValueError:
            return False
        genuine = hmac.compare_digest(query.get("hm", ""), self._digest(self._path(upload), times))
        return genuine and self._sandbox.clock() < expires


def describe(filename: str, data: bytes, content_type: str | None = None) -> tuple[str | None, int | None, int | None]:
    """What Discord says of an upload: (content type by file extension, width, height of a picture in pixels)."""
    kind = content_type or mimetypes.guess_type(filename)[0]
    if kind is None or not kind.startswith("image/"):
        return kind, None, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture of unreasonable size is for the bot to refuse, not for Discord
            with Image.open(io.BytesIO(data)) as picture:  # reads the header only
                return kind, *picture.size
    except Exception:  # not a picture, whatever its name says: Discord then gives no size
        return kind, None, None


async def _serve_avatar(request: web.Request) -> web.Response:
    index = sum(request.match_info["index"].encode()) % 6
    color = ("#5865f2", "#747f8d", "#3ba55d", "#faa61a", "#ed4245", "#eb459e")[index]
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(buffer, "PNG")
    return web.Response(body=buffer.getvalue(), content_type="image/png")
