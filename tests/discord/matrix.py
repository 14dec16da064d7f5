"""What the matrix holds: every command, option, button, menu, form and completion, and who may do what with it.

Each that names an adapter or a picture has a probe; the others stand in ``FREE`` or ``JOBS`` with their reason. What is
in neither fails the matrix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from bot.ui.refusals import EDIT
from sandbox.exchange import Exchange
from sandbox.members import File, Message
from tests.discord.backend import BASE
from tests.discord.cast import ASKED, MAY_USE, SERVER, Actor, Step, Who
from tests.discord.house import PATIENCE_S, png, small_photos

Rule = Literal["use", "word", "own", "see", "draw", "delete", "take back", "asked"]
Key = tuple[str, str] | tuple[str, str, str]


@dataclass(frozen=True)
class Scene:
    """What the probes are about: ada's adapters, and the picture that she drew with one on the server."""

    adapter_id: str
    training: str
    picture: str
    own_pictures: dict[Who, str]  # one that each has drawn, in a place of their own


Act = Callable[[Scene, Actor], Awaitable[Exchange | bool]]


@dataclass(frozen=True)
class Probe:
    """``spare``: what would end the matrix is tried only by those who may not."""

    rule: Rule
    act: Act
    spare: bool = False


def may(rule: Rule, who: Who, step: Step) -> bool:
    """Who may, at this step of sharing."""
    use, asked = who in MAY_USE[step], step in {"likeness", "agreed"}
    match rule:
        case "use":
            return use
        case "word":  # what everybody has gives no word another meaning
            return use and (step != "everyone" or who in SERVER | {"named"})
        case "own":
            return who == "owner"
        case "see":
            return who in SERVER
        case "draw":
            return who in SERVER and use
        case "delete":
            return who in {"owner", "moderator"}
        case "take back":
            return who == "owner" or (who in {"moderator", "elsewhere"} and use)  # eve moderates her own server
        case "asked":
            return who == ASKED and asked


MERGES = ("merge", "checkpoint merge", "checkpoint extract")
TAG, AXIS = "<lora:ada/thnos:0.8> in a suit", "adapter(ada/free, ada/thnos)"


def slash(command: str, **options: object) -> Act:
    """Type this."""
    return lambda scene, actor: actor.slash(command, **options)


def press(action: str, *, place: int | None = 0, of: str = "picture") -> Act:
    """Press a button about the picture, the training or the adapter."""
    end = "" if place is None else f":{place}"
    return lambda scene, actor: actor.press(f"dr:{action}:{getattr(scene, of)}{end}")


def completes(command: str, option: str = "name") -> Act:
    """Whether it is offered while one types."""

    async def act(scene: Scene, actor: Actor) -> bool:
        return bool({"thnos", "ada/thnos"} & set(await actor.offered(command, option, "thn")))

    return act


async def _list(scene: Scene, actor: Actor) -> bool:
    answer = await (await actor.slash("adapter list")).response(PATIENCE_S)
    return "thnos:" in answer.text


def _found(command: str, **options: object) -> Act:
    """Whether it is on the first page of a list."""

    async def act(scene: Scene, actor: Actor) -> bool:
        shown = await (await actor.slash(command, **options)).response(PATIENCE_S)
        return "thnos`" in (await _filled(actor, shown)).text

    return act


async def _filled(actor: Actor, shown: Message) -> Message:
    """An answer that was put off, once it is there."""
    return await actor.home.sandbox.wait_for(
        lambda message: message.id == shown.id and bool(message.embeds), seen_by=actor.member, timeout_s=PATIENCE_S
    )


async def _word(scene: Scene, actor: Actor) -> bool:
    exchange = await actor.slash("imagine", prompt="a fox", negative_prompt="glow")
    await exchange.response(PATIENCE_S)
    job = await actor.home.job(exchange.id)
    assert job is not None
    return [pick.trigger for pick in job.imagine.adapters] == ["glow"]


async def _continue(scene: Scene, actor: Actor) -> Exchange:
    written = "thnos" if actor.who == "owner" else "ada/thnos"
    photos = {f"photo{number}": file for number, file in enumerate(small_photos(), 1)}
    return await actor.slash("train", name=f"from-{actor.member.name}", consent=True, continue_from=written, **photos)


async def _remix_form(scene: Scene, actor: Actor) -> Exchange:
    opened = await actor.press(f"dr:remix:{scene.own_pictures[actor.who]}:0")
    return await actor.member.submit(opened.modal, {"Settings": f"{TAG}\nSteps: 2"})


async def _edit_form(scene: Scene, actor: Actor) -> Exchange:
    refused = await (await actor.slash("imagine", prompt="a fox", steps=10_000)).response(PATIENCE_S)
    opened = await actor.member.click(refused, EDIT)
    return await actor.member.submit(opened.modal, {"Prompt": TAG, "Negative prompt": "", "Settings": "Steps: 2"})


async def _picture_form(scene: Scene, actor: Actor) -> Exchange:
    posted = await actor.member.post(files=[File("a.png", png())], channel=actor.place)
    opened = await actor.member.message_command("Draw from this picture", posted)
    return await actor.member.submit(opened.modal, {"What to draw": TAG})


PROBES: dict[Key, Probe] = {
    ("command", "imagine", "prompt"): Probe("use", slash("imagine", prompt=TAG)),
    ("command", "imagine", "adapter"): Probe("use", slash("imagine", prompt="a fox", adapter="ada/thnos")),
    ("command", "imagine", "negative_prompt"): Probe("word", _word),
    ("command", "imagine", "style"): Probe("use", slash("imagine", prompt="a fox", style="wearing")),
    ("command", "grid", "prompt"): Probe("use", slash("grid", prompt=TAG, x="steps(2, 3)")),
    ("command", "grid", "x"): Probe("use", slash("grid", prompt="<lora:ada/free> fox", x=AXIS)),
    ("command", "grid", "y"): Probe("use", slash("grid", prompt="<lora:ada/free> fox", x="steps(2, 3)", y=AXIS)),
    ("command", "grid", "style"): Probe("use", slash("grid", prompt="a fox", x="steps(2, 3)", style="wearing")),
    ("way", "a version in a prompt"): Probe("use", slash("imagine", prompt="<lora:ada/thnos@1:0.8> in a suit")),
    ("way", "settings in a prompt"): Probe("use", slash("imagine", prompt=f"{TAG}\nSteps: 2, Seed: 5")),
    ("way", "a list in a prompt"): Probe("use", slash("imagine", prompt="__wearing__ in a suit")),
    ("command", "train", "continue_from"): Probe("own", _continue),
    ("command", "adapter list", ""): Probe("use", _list),
    ("command", "adapter show", "name"): Probe("use", slash("adapter show", name="ada/thnos")),
    ("command", "adapter share", "name"): Probe("own", slash("adapter share", name="ada/thnos", member="sam")),
    ("command", "adapter unshare", "name"): Probe("take back", slash("adapter unshare", name="ada/thnos"), spare=True),
    ("command", "adapter consent", "name"): Probe("own", slash("adapter consent", name="ada/thnos")),
    ("command", "adapter delete", "name"): Probe("own", slash("adapter delete", name="ada/thnos")),
    ("command", "adapter export", "name"): Probe("own", slash("adapter export", name="ada/thnos")),
    ("command", "merge", "prompt"): Probe("use", slash("merge", prompt="<lora:ada/free><lora:ada/thnos>", name="both")),
    ("command", "merge", "into"): Probe("use", slash("merge", prompt="<lora:ada/free>", name="in", into="ada/thnos")),
    **{("command", "checkpoint merge", option): Probe("use", slash(
        "checkpoint merge", name="all", method="add_difference",
        **{"a": BASE, "b": BASE, "c": BASE, option: "ada/thnos"},
    )) for option in ("a", "b", "c")},
    **{("command", "checkpoint extract", option): Probe("use", slash(
        "checkpoint extract", name="taken", **{"tuned": BASE, option: "ada/thnos"}
    )) for option in ("tuned", "original")},
    ("completion", "adapter export", "name"): Probe("own", completes("adapter export")),
    ("completion", "imagine", "adapter"): Probe("use", completes("imagine", "adapter")),
    ("completion", "adapter show", "name"): Probe("use", completes("adapter show")),
    ("completion", "adapter share", "name"): Probe("own", completes("adapter share")),
    ("completion", "adapter unshare", "name"): Probe("take back", completes("adapter unshare")),
    ("completion", "adapter consent", "name"): Probe("own", completes("adapter consent")),
    ("completion", "adapter delete", "name"): Probe("own", completes("adapter delete")),
    ("completion", "train", "continue_from"): Probe("own", completes("train", "continue_from")),
    ("button", "ExampleButton"): Probe("use", press("example", of="training")),
    ("button", "SettingsButton"): Probe("see", press("settings")),
    ("button", "SettingsButton", "of a training"): Probe("use", press("settings", place=None, of="training")),
    ("button", "PanelButton"): Probe("see", press("picture")),
    ("button", "AgainButton"): Probe("draw", press("again", place=None)),
    ("button", "SubtleButton"): Probe("draw", press("subtle")),
    ("button", "StrongButton"): Probe("draw", press("strong")),
    ("button", "UpscaleButton"): Probe("draw", press("upscale")),
    ("button", "HighResButton"): Probe("draw", press("highres")),
    ("button", "RemixButton"): Probe("draw", press("remix")),
    ("button", "WordsButton"): Probe("draw", press("words", place=None)),
    ("button", "FavouriteButton"): Probe("see", press("favourite", place=None)),
    ("button", "StarButton"): Probe("see", press("star")),
    ("button", "MadeButton"): Probe("see", press("made")),
    ("menu", "DiscardMenu"): Probe("own", lambda scene, actor: actor.choose("dr:discard:0", scene.picture), spare=True),
    ("button", "DeleteButton"): Probe("delete", press("delete", place=None), spare=True),
    ("button", "ForgetButton"): Probe("own", press("forget", place=None, of="adapter_id"), spare=True),
    ("button", "ShareButton"): Probe("own", press("share", place=None, of="training")),
    ("button", "SharingButton"): Probe("own", press("sharing", place=None, of="adapter_id")),
    ("button", "ServerButton"): Probe("own", press("server", place=0, of="adapter_id")),
    ("button", "EveryoneButton"): Probe("own", press("everyone", place=0, of="adapter_id")),
    ("button", "PrivateButton"): Probe("own", press("private", place=None, of="adapter_id")),
    ("button", "AgreeButton"): Probe("asked", press("agree", place=1, of="adapter_id")),
    ("button", "OpenPageButton"): Probe("use", press("page", place=None, of="adapter_id")),
    ("button", "UseButton"): Probe("use", press("use", place=None, of="adapter_id")),
    ("button", "LikeButton"): Probe("use", press("like", place=None, of="adapter_id")),
    ("button", "ExamplesButton"): Probe("draw", press("examples", place=None, of="adapter_id")),
    ("button", "RecipeButton"): Probe("use", press("recipe", place=None, of="adapter_id")),
    ("button", "WriteButton"): Probe("own", press("write", place=None, of="adapter_id")),
    ("button", "RenameButton"): Probe("own", press("rename", place=None, of="adapter_id")),
    ("button", "CoverButton"): Probe("own", press("cover", place=None, of="adapter_id")),
    ("button", "VersionsButton"): Probe("own", press("versions", place=None, of="adapter_id")),
    ("button", "RemoveButton"): Probe("own", press("remove", place=None, of="adapter_id")),
    ("command", "gallery", ""): Probe("use", _found("gallery")),
    ("command", "search", "words"): Probe("use", _found("search", words="thnos")),
    ("completion", "search", "words"): Probe("use", completes("search", "words")),
    ("menu", "OpenMenu"): Probe("use", lambda scene, actor: actor.choose("dr:open:0", scene.adapter_id)),
    ("menu", "CoverMenu"): Probe(
        "own", lambda scene, actor: actor.choose(f"dr:cover:{scene.adapter_id}:0", f"{scene.picture}:0")
    ),
    ("menu", "UseVersionMenu"): Probe("own", lambda scene, actor: actor.choose(f"dr:version:{scene.adapter_id}", "1")),
    ("menu", "DeleteVersionMenu"): Probe(
        "own", lambda scene, actor: actor.choose(f"dr:unversion:{scene.adapter_id}", "1"), spare=True
    ),
    ("menu", "PictureMenu"): Probe("see", lambda scene, actor: actor.choose(f"dr:pictures:{scene.picture}:0", "0")),
    ("menu", "FavouriteMenu"): Probe("see", lambda scene, actor: actor.choose("dr:kept:0", f"{scene.picture}:0")),
    ("menu", "ChooseMenu"): Probe("own", lambda scene, actor: actor.choose(f"dr:choose:{scene.training}", "1")),
    ("menu", "MembersMenu"): Probe(
        "own", lambda scene, actor: actor.choose_member(f"dr:members:{scene.adapter_id}", "nora")
    ),
    ("form", "RemixForm"): Probe("use", _remix_form),
    ("form", "EditForm"): Probe("use", _edit_form),
    ("form", "FromPictureForm"): Probe("use", _picture_form),
}  # fmt: skip

# buttons about jobs, which are their owner's; ada's training is over, so that nobody gets anything from them
JOBS = {"CancelButton": "cancel", "PauseButton": "pause", "ResumeButton": "resume", "FinishButton": "finish",
        "TrainButton": "train", "DropButton": "drop", "CropsButton": "crops", "RetryButton": "retry"}  # fmt: skip

# whole groups of commands that are about something else
FREE_GROUPS = {"settings": "what a server allows; its managers alone, tests/discord/test_settings.py"}

FREE: dict[Key, str] = {
    ("button", "PageButton"): "whoever presses it sees their own favourites, in that place",
    ("button", "EditButton"): "a draft is its writer's; what is sent with it is probed as EditForm",
    ("button", "ReportButton"): "opens a form; what may be reported is in tests/discord/test_moderation.py",
    ("form", "ReportForm"): "likewise",
    ("button", "KeepButton"): "moderators of the server; tests/discord/test_moderation.py",
    ("button", "TakeDownButton"): "likewise",
    ("button", "_DecideButton"): "the base of both",
    ("command", "reports", ""): "moderators of the server",
    ("button", "EraseButton"): "everything of whoever presses it; it names nobody",
    ("button", "PasteButton"): "its own message's text; what is sent with it is probed as RemixForm",
    ("button", "StopBringingButton"): "one's own import, tests/bot/addresses/test_bringing.py",
    ("command", "models", ""): "lists what a gallery does, tests/bot/bases/test_overview.py",
    ("command", "adapter import", ""): "makes a new one",
    **{("command", "adapter import", option): "of the new one" for option in ("name", "person", "trigger", "address")},
    ("form", "DraftForm"): "the base of others",
    ("form", "Form"): "the base of others",
    ("button", "GalleryButton"): "who opened the list; what is on it is asked anew: tests/bot/test_browsing.py",
    ("button", "AlbumButton"): "one's own pictures",
    ("command", "pictures", ""): "one's own",
    ("command", "search", ""): "its words are probed",
    **{("command", "gallery", option): "what is shown is probed"
       for option in ("base", "owner", "tag", "sort", "kind")},
    **{("completion", "gallery", option): "bases and tags" for option in ("base", "tag")},
    ("form", "PageForm"): "opened by its button, and its owner is asked anew: tests/bot/test_versions.py",
    ("form", "RenameForm"): "likewise",
    ("form", "KeepsakeForm"): "the base of others",
    ("form", "TrainForm"): "a new name",
    ("form", "CaptionsForm"): "captions",
    ("form", "CheckForm"): "photos",
    ("form", "ListForm"): "lines, read anew by each who draws with them",
    ("form", "StyleForm"): "a prompt, read anew by each who draws with it: probed as the option `style`",
    ("message", "Train on these photos"): "one's own message",
    ("message", "Describe picture"): "a message that one sees",
    ("message", "Draw from this picture"): "a message that one sees; its form is probed",
    **{
        ("command", command, ""): "one's own"
        for command in ("train", "jobs", "cancel", "favourites", "photos check", "imagine", "grid")
    },
    **{("command", f"adapter {name}", ""): "its name is probed" for name in ("show", "share", "unshare", "delete")},
    **{("command", f"privacy {name}", ""): "one's own" for name in ("export", "delete")},
    ("command", "adapter consent", ""): "what one was asked oneself",
    ("command", "describe", ""): "a file of one's own",
    **{("command", f"{group} {name}", ""): "lists and styles, read anew by each who draws with them"
       for group in ("wildcard", "style") for name in ("set", "show", "list", "delete")},
    **{("command", f"{group} {name}", "name"): "of a list or a style"
       for group in ("wildcard", "style") for name in ("set", "show", "delete")},
    **{("completion", f"{group} {name}", "name"): "of a list or a style"
       for group in ("wildcard", "style") for name in ("set", "show", "delete")},
    ("command", "adapter export", ""): "its name is probed",
    ("command", "adapter export", "form"): "how it is written",
    ("command", "adapter export", "dtype"): "how it is written",
    **{("command", command, ""): "its parents are probed" for command in MERGES},
    **{("command", command, option): "a new name, or how it is merged"
       for command in MERGES for option in ("name", "method", "blocks", "vae")},
    **{("completion", command, option): "bases and whole models, tests/discord/test_merging.py"
       for command in MERGES
       for option in ("into", "a", "b", "c", "vae", "tuned", "original")},
    ("command", "cancel", "job"): "one's own, or a moderator's choice",
    ("completion", "cancel", "job"): "one's own",
    ("command", "adapter share", "with"): "how far",
    ("command", "adapter unshare", "from"): "how far",
    ("command", "train", "name"): "a new one",
    **{("command", "train", option): "of the training itself"
       for option in ("class_word", "kind", "base", "method", "preset", "advanced", "person")},
    **{("command", command, option): "settings, which name no adapter"
       for command in ("imagine", "grid", "photos check")
       for option in ("model", "size", "sampler", "settings", "outpaint", "negative_prompt", "base")},
    **{("completion", command, option): "no adapters"
       for command in ("imagine", "grid", "photos check", "train")
       for option in ("model", "size", "sampler", "style", "x", "y", "base")},
}  # fmt: skip
