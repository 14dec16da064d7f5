"""Discord's limits on messages, forms and autocomplete, as its documentation gives them."""

from typing import Any

from sandbox.errors import EMPTY_MESSAGE, ENTITY_TOO_LARGE, ApiError, Findings
from sandbox.state import COMPONENTS_V2, Json, StoredMessage
from sandbox.views import walk_components

CONTENT_LENGTH = 2000
EMBEDS = 10
EMBEDS_LENGTH = 6000
FILES = 10
COMPONENTS = 40
TEXT_LENGTH = 4000
CHOICES = 25
ROW, BUTTON, SELECTS, TEXT_INPUT, LABEL = 1, 2, (3, 5, 6, 7, 8), 4, 18
V2_TOP = (1, 9, 10, 12, 13, 14, 17)


def check_message(body: Json, *, is_v2: bool) -> None:
    """Refuse a message body whose fields break a limit (50035). `is_v2`: it will be a message of Components V2."""
    findings = Findings()
    findings.check_length("content", body.get("content"), CONTENT_LENGTH)
    nonce = body.get("nonce")
    if isinstance(nonce, str):
        findings.check_length("nonce", nonce, 25)
    embeds = body.get("embeds") or []
    findings.check_count("embeds", embeds, EMBEDS)
    _check_embeds(findings, embeds)
    if is_v2 and (body.get("content") or embeds):
        for key in ("content", "embeds"):
            if body.get(key):
                findings.add(
                    key,
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    f"The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
                )
    check_components(findings, body.get("components") or [], is_v2=is_v2)
    findings.refuse()


def check_not_empty(message: StoredMessage) -> None:
    """Refuse a message that shows nothing (50006). Buttons alone show nothing."""
    shows = message.content or message.embeds or message.uploads
    if not shows and not (message.flags & COMPONENTS_V2 and message.components):
        raise ApiError(EMPTY_MESSAGE)


def check_files(count: int, sizes: list[int], limit_bytes: int) -> None:
    """Refuse more than ten files (50035) or one that is too large (40005). `count`: kept and new ones together."""
    findings = Findings()
    if count > FILES:
        findings.add("attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length.")
    findings.refuse()
    if any(size > limit_bytes for size in sizes):
        raise ApiError(ENTITY_TOO_LARGE)


def _check_embeds(findings: Findings, embeds: list[Json]) -> None:
    total = 0
    for index, embed in enumerate(embeds):
        at = f"embeds.{index}"
        fields = embed.get("fields") or []
        texts = [
            ("title", embed.get("title"), 256),
            ("description", embed.get("description"), 4096),
            ("footer.text", (embed.get("footer") or {}).get("text"), 2048),
            ("author.name", (embed.get("author") or {}).get("name"), 256),
        ]
        findings.check_count(f"{at}.fields", fields, 25)
        for number, row in enumerate(fields):
            for key, most in (("name", 256), ("value", 1024)):
                findings.require(f"{at}.fields.{number}.{key}", row.get(key))
                texts.append((f"fields.{number}.{key}", row.get(key), most))
        for key, text, most in texts:
            findings.check_length(f"{at}.{key}", text, most)
            total += len(text) if isinstance(text, str) else 0
    if total > EMBEDS_LENGTH:
        findings.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBEDS_LENGTH}")


def check_components(findings: Findings, components: list[Json], *, is_v2: bool) -> None:
    """Note what is wrong with a message's components: rows, buttons, selects, their ids and texts."""
    every = list(walk_components(components))
    if is_v2:
        findings.check_count("components", every, COMPONENTS)
        if sum(len(c.get("content") or "") for c in every if c.get("type") == 10) > TEXT_LENGTH:
            findings.add("components", "COMPONENT_TEXT_TOO_LONG", f"Text may be {TEXT_LENGTH} characters in all.")
    else:
        findings.check_count("components", components, 5)
    allowed = V2_TOP if is_v2 else (ROW,)
    for index, component in enumerate(components):
        if component.get("type") not in allowed:
            message = f"Value of field 'type' must be one of {allowed}."
            findings.add(f"components.{index}.type", "UNION_TYPE_CHOICES", message)
    _check_tree(findings, "components", components)
    _check_custom_ids(findings, every)


def _check_tree(findings: Findings, at: str, components: list[Json]) -> None:
    for index, component in enumerate(components):
        here = f"{at}.{index}"
        kind = component.get("type")
        inner = component.get("components")
        if kind == ROW:
            _check_row(findings, here, inner or [])
        if kind == BUTTON:
            _check_button(findings, here, component)
        elif kind in SELECTS:
            _check_select(findings, here, component)
        elif kind == TEXT_INPUT:
            _check_text_input(findings, here, component)
        if isinstance(inner, list):
            _check_tree(findings, f"{here}.components", inner)
        if isinstance(component.get("accessory"), dict):
            _check_tree(findings, f"{here}.accessory", [component["accessory"]])


def _check_row(findings: Findings, at: str, inner: list[Json]) -> None:
    findings.check_count(f"{at}.components", inner, 5, 1)
    if any(c.get("type") != BUTTON for c in inner) and len(inner) > 1:
        findings.add(f"{at}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds max width")


def _check_button(findings: Findings, at: str, button: Json) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        findings.add(f"{at}.style", "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5, 6}.")
    if style in range(1, 5):
        findings.require(f"{at}.custom_id", button.get("custom_id"))
    if style == 5:
        findings.require(f"{at}.url", button.get("url"))
    if style != 6 and not button.get("label") and not button.get("emoji"):
        findings.add(at, "BUTTON_COMPONENT_INVALID", "A button must have a label or an emoji.")
    findings.check_length(f"{at}.label", button.get("label"), 80)


def _check_select(findings: Findings, at: str, select: Json) -> None:
    findings.require(f"{at}.custom_id", select.get("custom_id"))
    findings.check_length(f"{at}.placeholder", select.get("placeholder"), 150)
    if select.get("type") != 3:
        return
    options = select.get("options") or []
    findings.check_count(f"{at}.options", options, 25, 1)
    values = [option.get("value") for option in options]
    for number, option in enumerate(options):
        for key in ("label", "value"):
            findings.require(f"{at}.options.{number}.{key}", option.get(key))
            findings.check_length(f"{at}.options.{number}.{key}", option.get(key), 100)
        findings.check_length(f"{at}.options.{number}.description", option.get("description"), 100)
    if len(set(values)) < len(values):
        findings.add(f"{at}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is taken")
    most = select.get("max_values")
    if isinstance(most, int) and most > max(1, len(options)):
        findings.add(f"{at}.max_values", "BASE_TYPE_MAX", "Must not be greater than the number of options.")


def _check_text_input(findings: Findings, at: str, component: Json) -> None:
    if component.get("style") not in (1, 2):
        findings.add(f"{at}.style", "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.")
    findings.check_length(f"{at}.label", component.get("label"), 45)
    findings.check_length(f"{at}.value", component.get("value"), 4000)
    findings.check_length(f"{at}.placeholder", component.get("placeholder"), 100)


def _check_custom_ids(findings: Findings, every: list[Json]) -> None:
    seen: set[str] = set()
    for component in every:
        custom_id = component.get("custom_id")
        if custom_id is None:
            continue
        findings.check_length("components.custom_id", custom_id, 100, 1)
        if custom_id in seen:
            findings.add(
                "components", "COMPONENT_CUSTOM_ID_DUPLICATED", f"Component custom id cannot be duplicated: {custom_id}"
            )
        seen.add(custom_id)


def check_modal(data: Json) -> None:
    """Refuse a form that breaks a limit: title, ids, at most five fields, labels."""
    findings = Findings()
    for key, most in (("title", 45), ("custom_id", 100)):
        findings.require(key, data.get(key))
        findings.check_length(key, data.get(key), most)
    components = data.get("components") or []
    findings.check_count("components", components, 5, 1)
    for index, holder in enumerate(components):
        at = f"components.{index}"
        kind = holder.get("type")
        if kind == LABEL:
            findings.require(f"{at}.label", holder.get("label"))
            findings.check_length(f"{at}.label", holder.get("label"), 45)
            findings.check_length(f"{at}.description", holder.get("description"), 100)
            _check_field(findings, f"{at}.component", holder.get("component") or {})
        elif kind == ROW:
            for inner in holder.get("components") or []:
                findings.require(f"{at}.components.0.label", inner.get("label"))
                _check_text_input(findings, f"{at}.components.0", inner)
        elif kind != 10:
            findings.add(f"{at}.type", "UNION_TYPE_CHOICES", "Value of field 'type' must be one of (1, 10, 18).")
    _check_custom_ids(findings, list(walk_components(components)))
    findings.refuse()


def _check_field(findings: Findings, at: str, component: Json) -> None:
    kind = component.get("type")
    findings.require(f"{at}.custom_id", component.get("custom_id"))
    if kind == TEXT_INPUT:
        _check_text_input(findings, at, component)
    elif kind in SELECTS:
        _check_select(findings, at, component)
    elif kind == 19:
        _check_range(findings, at, component, 0, 10)
    elif kind in (21, 22):
        options = component.get("options") or []
        findings.check_count(f"{at}.options", options, 10, 2 if kind == 21 else 1)
        for number, option in enumerate(options):
            findings.check_length(f"{at}.options.{number}.label", option.get("label"), 100, 1)
    elif kind != 23:
        findings.add(f"{at}.type", "UNION_TYPE_CHOICES", "A label cannot hold this component.")


def _check_range(findings: Findings, at: str, component: Json, least: int, most: int) -> None:
    for key in ("min_values", "max_values"):
        value = component.get(key)
        if value is not None and not least <= value <= most:
            findings.add(f"{at}.{key}", "BASE_TYPE_RANGE", f"Must be between {least} and {most}.")


def check_choices(choices: list[dict[str, Any]]) -> None:
    """Refuse autocomplete choices that break a limit: 25 of them, names and text values of 1 to 100 characters."""
    findings = Findings()
    findings.check_count("choices", choices, CHOICES)
    for index, choice in enumerate(choices):
        findings.check_length(f"choices.{index}.name", choice.get("name"), 100, 1)
        value = choice.get("value")
        if isinstance(value, str):
            findings.check_length(f"choices.{index}.value", value, 100)
    findings.refuse()
