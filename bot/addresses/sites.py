"""The two sites: who is asked, from where their files come, and who gets the operator's token."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import msgspec

# where their downloads are redirected to: exact hosts, each seen or published; docs/importing.md lists them
CIVITAI_FILES = frozenset(
    {
        "b2.civitai.com",
        "civitai-delivery-worker-prod.5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com",
    }
)
# https://huggingface.co/docs/hub/models-downloading#downloading-behind-a-proxy-or-firewall, and those before
HUB_FILES = frozenset(
    {
        "us.aws.cdn.hf.co",
        "us.gcp.cdn.hf.co",
        "cas-bridge.xethub.hf.co",
        "cas-server.xethub.hf.co",
        "cas-server.xethub-eu.hf.co",
        "transfer.xethub.hf.co",
        "transfer.xethub-eu.hf.co",
        "cdn-lfs.hf.co",
        "cdn-lfs-us-1.hf.co",
        "cdn-lfs-eu-1.hf.co",
        "cdn-lfs.huggingface.co",
        "cdn-lfs-us-1.huggingface.co",
        "cdn-lfs-eu-1.huggingface.co",
    }
)


class Site(msgspec.Struct, frozen=True):
    """One of them, as it is asked for one model. Its token is sent to ``host`` and to nobody else."""

    name: str
    host: str
    file_hosts: frozenset[str]
    token_setting: str
    token: str | None = None
    base: str | None = None  # in tests: where a stand-in listens, such as http://127.0.0.1:8080

    def url(self, path: str) -> str:
        """The address of ``path``, which begins with a slash."""
        return f"{self.base or f'https://{self.host}'}{path}"

    def headers(self, url: str) -> dict[str, str]:
        """The operator's token for the site itself; nothing for where it sends us."""
        address = urlsplit(url)
        own = _is_plain(address) and address.hostname == self.host
        if self.token is None or not (own or self._is_base(address)):
            return {}
        return {"Authorization": f"Bearer {self.token}"}

    def allows(self, url: str) -> bool:
        """Whether a redirect to ``url`` is followed: https, no user, no port, and an exact host of this site."""
        if not url.isascii() or not url.isprintable() or set(url) & set(" \\"):
            return False  # what two parsers could read as two hosts
        try:
            address = urlsplit(url)
            plain = _is_plain(address)
        except ValueError:
            return False
        return self._is_base(address) or (plain and address.hostname in {self.host, *self.file_hosts})

    def _is_base(self, address: SplitResult) -> bool:
        return self.base is not None and f"{address.scheme}://{address.netloc}" == self.base


def _is_plain(address: SplitResult) -> bool:
    # the netloc is compared whole, so that neither a user nor a port nor another spelling passes
    return address.scheme == "https" and address.netloc.lower() == address.hostname and address.port is None
