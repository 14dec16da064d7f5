"""A form (modal) as the client reads and checks it before it is sent."""

from collections.abc import Sequence
from typing import Any

from sandbox.options import Inputs, Refused
from sandbox.state import Json
from sandbox.views import (
    CHECKBOX,
    CHECKBOX_GROUP,
    FILE_UPLOAD,
    LABEL,
    RADIO_GROUP,
    STRING_SELECT,
    TEXT_INPUT,
    File,
    Modal,
    ModalField,
)

TEXT_LENGTH = 4000


def fill_form(inputs: Inputs, modal: Modal, values: dict[str, Any]) -> list[Json]:
    """The components of a form's submission. Raises Refused for what the client would not send."""
    entered: dict[str, Any] = {}
    for key, value in values.items():
        try:
            entered[modal.field(key).custom_id] = value
        except KeyError as error:
            raise Refused(str(error.args[0])) from None
    answers = {field.custom_id: _read(inputs, field, entered.get(field.custom_id)) for field in modal.fields}
    return [_fill_holder(holder, answers) for holder in modal.components]


def _fill_holder(holder: Json, answers: dict[str, Json]) -> Json:
    filled: Json = {"type": holder["type"], "id": holder["id"]}
    if holder["type"] == LABEL:
        return filled | {"component": answers[holder["component"]["custom_id"]]}
    if holder["type"] == 1:
        return filled | {"components": [answers[inner["custom_id"]] for inner in holder["components"]]}
    return filled


def _read(inputs: Inputs, field: ModalField, value: Any) -> Json:
    answer: Json = {"type": field.type, "id": field.data["id"], "custom_id": field.custom_id}
    if field.type == TEXT_INPUT:
        return answer | {"value": _read_text(field, value)}
    if field.type == CHECKBOX:
        return answer | {"value": bool(field.data.get("default")) if value is None else value in (True, "true")}
    if field.type == RADIO_GROUP:
        chosen = _read_choices(field, value)
        return answer | {"value": chosen[0] if chosen else None}
    if field.type in (STRING_SELECT, CHECKBOX_GROUP):
        return answer | {"values": _read_choices(field, value)}
    if field.type == FILE_UPLOAD:
        return answer | {"values": _read_files(inputs, field, value)}
    if field.type in (5, 7, 8):
        chosen = _as_list(value)
        add = inputs.add_channel if field.type == 8 else inputs.add_user
        return answer | {"values": [add(item) for item in chosen]}
    raise Refused(f"{field.label}: fields of type {field.type} are not covered by the sandbox.")


def _read_text(field: ModalField, value: Any) -> str:
    text = str(field.data.get("value") or "") if value is None else str(value)
    least, most = field.data.get("min_length") or 0, field.data.get("max_length") or TEXT_LENGTH
    if not text.strip() and field.required:
        raise Refused(f"{field.label}: this field is required.")
    if text and not least <= len(text) <= most:
        raise Refused(f"{field.label}: must be between {least} and {most} characters, not {len(text)}.")
    return text


def _read_choices(field: ModalField, value: Any) -> list[str]:
    options = field.data.get("options", [])
    chosen = _as_list(value)
    if value is None:
        chosen = [option["value"] for option in options if option.get("default")]
    by_label = {option["label"]: option["value"] for option in options}
    offered = {option["value"] for option in options}
    found = [str(item) if item in offered else by_label.get(item) for item in chosen]
    values = [item for item in found if item is not None]
    if len(values) < len(chosen):
        raise Refused(f"{field.label}: choose from {sorted(by_label)}.")
    _check_count(field, len(values), default_most=len(options) if field.type == CHECKBOX_GROUP else 1)
    return values


def _read_files(inputs: Inputs, field: ModalField, value: Any) -> list[str]:
    files = _as_list(value)
    if not all(isinstance(file, File) for file in files):
        raise Refused(f"{field.label}: attach files.")
    _check_count(field, len(files), default_most=1)
    return [inputs.add_file(file) for file in files]


def _check_count(field: ModalField, count: int, default_most: int) -> None:
    least = field.data.get("min_values")
    least = 1 if least is None else int(least)
    most = int(field.data.get("max_values") or default_most)
    if count == 0 and not field.required:
        return
    if count == 0 and least > 0:
        raise Refused(f"{field.label}: this field is required.")
    if not least <= count <= most:
        raise Refused(f"{field.label}: {least} to {most} are possible, not {count}.")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return [value]
