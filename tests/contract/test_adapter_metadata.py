"""What of an adapter's metadata may leave the machine where they were written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.adapter_metadata import LONGEST_NOTE, PEFT_CONFIG, PUBLIC, holds_path, last_part, public_metadata

PATHS = (
    "C:\\Users\\ada\\photos", "D:/lora/ada", "/home/ada/photos/thnos", "~/models/x", "\\\\server\\ada", "file:///x",
    "see /mnt/data/ada/notes.txt", "/workspace/out/",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_text_with_a_path_is_left_out_and_a_name_is_its_last_part(path: str) -> None:
    assert holds_path(path)
    assert public_metadata({"modelspec.description": f"made of {path}"}) == {}
    kept = public_metadata({"ss_sd_model_name": f"{path}/v1-5.safetensors"})
    assert kept == {"ss_sd_model_name": "v1-5.safetensors"}


@pytest.mark.parametrize("text", ["https://civitai.com/models/1/x", "a/b testing", "1/2", "best at 0.6 / 0.8", "v1.5"])
def test_addresses_on_the_web_and_fractions_are_no_paths(text: str) -> None:
    assert public_metadata({"modelspec.usage_hint": text}) == {"modelspec.usage_hint": text}


@pytest.mark.parametrize(
    "name",
    ["ss_tag_frequency", "ss_dataset_dirs", "ss_datasets", "ss_session_id", "ss_training_comment", "ss_bucket_info",
     "ss_training_started_at", "modelspec.date", "modelspec.thumbnail", "hostname", "prompt", "workflow"],
)  # fmt: skip
def test_what_is_nobodys_business_is_left_out(name: str) -> None:
    assert public_metadata({name: "thnos"}) == {}


def test_a_text_without_end_is_left_out() -> None:
    assert public_metadata({"modelspec.description": "a" * (LONGEST_NOTE + 1)}) == {}


@pytest.mark.parametrize("config", ["", "{", "[]", "5", "[" * 100_000, '{"unet.base_model_name_or_path": "/home/ada"}'])
def test_a_configuration_without_a_scale_is_left_out(config: str) -> None:
    assert public_metadata({PEFT_CONFIG: config}) == {}


def test_of_a_configuration_what_the_scale_depends_on_is_kept() -> None:
    config = {"unet.r": 4, "unet.alpha_pattern": {"to_q": 2}, "text_encoder.use_rslora": True, "unet.revision": "main"}
    kept = json.loads(public_metadata({PEFT_CONFIG: json.dumps(config)})[PEFT_CONFIG])
    assert kept == {key: value for key, value in config.items() if key != "unet.revision"}


def test_the_last_part_of_a_path_is_that_of_any_system() -> None:
    assert [last_part(path) for path in ("a/b.c", "a\\b.c", "b.c", "a/", "")] == ["b.c", "b.c", "b.c", "", ""]


_NOTES = st.dictionaries(
    st.sampled_from(sorted(PUBLIC)) | st.just(PEFT_CONFIG) | st.text(max_size=20),
    st.text(max_size=40)
    | st.sampled_from(PATHS)
    | st.builds("{} {}".format, st.text(max_size=9), st.sampled_from(PATHS)),
)


@given(_NOTES)
def test_whatever_is_written_no_path_is_kept_and_nothing_changes_the_second_time(notes: dict[str, str]) -> None:
    kept = public_metadata(notes)
    assert kept.keys() <= PUBLIC | {PEFT_CONFIG}
    assert not any(holds_path(text) for text in kept.values())
    assert public_metadata(kept) == kept
