"""Why a site did not give what was asked for, as one sentence for whoever asked."""

from __future__ import annotations

from collections.abc import Mapping

from bot.addresses.sites import Site
from bot.errors import UserError, quoted

MEGABYTE = 1024 * 1024
_PICKLES = (".ckpt", ".pt", ".pth", ".bin")


class SiteBroken(UserError):
    """It may work the next time."""


class NoSuchPart(SiteBroken):
    """The site has fewer bytes than are here already."""


def of_status(site: Site, status: int, headers: Mapping[str, str]) -> UserError:
    """The site answered with an error."""
    code = headers.get("X-Error-Code", "")  # Hugging Face says more than a number
    if status == 401 or code == "GatedRepo":
        return needs_token(site) if status == 401 and code != "GatedRepo" else is_gated(site)
    if status == 403:
        return is_gated(site)
    if code == "EntryNotFound":
        return UserError(f"There is no such file on {site.name}: look on the model's page what it is called now.")
    if status in {404, 410}:
        return is_gone(site)
    if status == 451:
        return UserError(f"{site.name} may not give this model out: take another one.")
    if status == 429:
        return UserError(f"{site.name} is asked too often just now: try again in some minutes.")
    if status == 416:
        return NoSuchPart(is_broken(site, "it has no such part of the file").message)
    return is_broken(site, f"it answered {status}")


def is_gone(site: Site) -> UserError:
    """404: nothing is there, or nothing that members may know of."""
    elsewhere = ", or on civitai.red alone, whose address you would have to give" if site.host == "civitai.com" else ""
    return UserError(
        f"There is no such model on {site.name}: it was removed, or never published{elsewhere}; look at the page in"
        " your browser."
    )


def needs_token(site: Site) -> UserError:
    """401: whoever asks is not known there, or not with this token."""
    if site.token is None and site.token_setting == "HF_TOKEN":
        return UserError(  # the same answer for what is not there, so that nobody finds out what is private
            "There is no such model on Hugging Face, or not for everybody: look at the address again; or whoever runs"
            " this bot can set HF_TOKEN, of an account that may have it."
        )
    if site.token is None:
        return UserError(
            f"{site.name} gives this only to who is logged in: whoever runs this bot can set {site.token_setting}; or"
            " download the file and attach it."
        )
    return UserError(
        f"{site.name} does not give this to the account of this bot's {site.token_setting}: it may be private or bought"
        " by early access, or the token has expired; download the file and attach it."
    )


def is_gated(site: Site) -> UserError:
    """403: its maker decides who gets it."""
    if site.token_setting == "HF_TOKEN":
        return UserError(
            "Its maker on Hugging Face asks for your consent first: agree on its page, download the file and attach"
            " it; or whoever runs this bot agrees there and sets HF_TOKEN."
        )
    return UserError(
        f"Its maker on {site.name} lets only some have it, such as who bought early access: wait until it is free, or"
        " take another one."
    )


def is_broken(site: Site, what: str) -> SiteBroken:
    """The site, or the way to it, does not work."""
    return SiteBroken(f"{site.name} does not work just now ({what}): try again in some minutes.")


def is_too_large(size_bytes: int, most_bytes: int) -> UserError:
    """More bytes than are taken."""
    return UserError(
        f"The file has {_megabytes(size_bytes)} MB or more, and {_megabytes(most_bytes)} MB is the most that is taken"
        " here: find a smaller version of it."
    )


def leads_elsewhere(site: Site) -> UserError:
    """A redirect to where nothing is fetched from, or a name that leads into this network."""
    return UserError(
        f"{site.name} sends us to a place that its files are not known to come from, so nothing was fetched: download"
        " the file in your browser and attach it."
    )


def is_another_file(site: Site, what: str) -> UserError:
    """What came is not what the site said it would be."""
    return UserError(
        f"What came from {site.name} is not the file that its page describes ({what}), so it was thrown away: try again"
        " later."
    )


def is_pickle_name(name: str) -> bool:
    """Whether a file of that name is one of Python's pickles."""
    return name.lower().endswith(_PICKLES)


def is_pickle(name: str) -> UserError:
    """The one sentence for all pickles."""
    return UserError(
        f"{quoted(name)} is a pickle, which can run anything when it is opened and so never is: take a .safetensors"
        " version of it, or have whoever runs this bot convert it by `darkroom convert` and attach the result."
    )


def _megabytes(size_bytes: int) -> str:
    return f"{max(1, round(size_bytes / MEGABYTE)):,}"
