"""A1111's text form: what we write is read back exactly, and what others write by A1111's rules."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.infotext import LEAST_PAIRS, MAX_INFOTEXT, Infotext, read, write

WRITABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
KEYS = st.from_regex(r"\w[\w \-/]{1,40}", fullmatch=True).map(str.strip).filter(lambda key: len(key) > 1)
PROMPTS = st.lists(
    st.one_of(
        st.text(WRITABLE, max_size=40),
        st.sampled_from(["Negative prompt: x", "\\Negative prompt:", "\\\\Negative prompt:", "Template: x"]),
        st.sampled_from(["Steps: 20, Sampler: Euler, CFG scale: 7", "Negative Template: y", "Seed: 1", ""]),
    ),
    max_size=4,
).map("\n".join)
VALUES = st.one_of(st.text(WRITABLE, max_size=40), st.integers(), st.floats(allow_nan=False))


def tidy(prompt: str) -> str:
    """Without blanks at the ends of lines, which no model hears."""
    return "\n".join(line.strip() for line in prompt.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n"))


@given(PROMPTS, PROMPTS, st.dictionaries(KEYS, VALUES, min_size=LEAST_PAIRS))
def test_what_is_written_is_read_back(prompt: str, negative: str, settings: dict[str, str | int | float]) -> None:
    text = write(prompt, negative, settings)
    found = read(text)
    assert (found.prompt, found.negative_prompt) == (tidy(prompt), tidy(negative))
    assert list(found.settings) == list(settings)
    for key, value in settings.items():
        assert (
            found.settings[key] == str(value) if not isinstance(value, float) else float(found.settings[key]) == value
        )
    assert found.text == text


@given(st.one_of(st.text(), st.text('abS :,"[{\\\n0'), PROMPTS))
def test_nothing_that_is_pasted_raises(text: str) -> None:
    found = read(text)
    assert read(found.text).prompt is not None
    (found.prompt + found.negative_prompt + "".join(found.settings.values())).encode()


def test_a_text_as_a1111_writes_it() -> None:
    found = read(
        "portrait of a (fox:1.2),\n<lora:thnos:0.8> in a suit \n"
        "Negative prompt: rain,\nfog\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 42, Size: 512x768, "
        "Model hash: 6ce0161689, Model: v1-5-pruned, VAE hash: 735e4c3a44, VAE: vae-ft.safetensors, "
        "Variation seed: 7, Variation seed strength: 0.25, Denoising strength: 0.4, Clip skip: 2, "
        'Hires upscale: 1.5, Hires steps: 12, Hires upscaler: Latent, Lora hashes: "thnos: 0123456789ab, b: c", '
        'TI hashes: "easynegative: c74b4e810b03", Hires prompt: "a \\"fox\\"\\nbelow", Version: v1.10.1\n'
    )
    assert found.prompt == "portrait of a (fox:1.2),\n<lora:thnos:0.8> in a suit"
    assert found.negative_prompt == "rain,\nfog"
    assert found.source == "A1111"
    assert found.settings == {
        "Steps": "25", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "7.5", "Seed": "42",
        "Size": "512x768", "Model hash": "6ce0161689", "Model": "v1-5-pruned", "VAE hash": "735e4c3a44",
        "VAE": "vae-ft.safetensors", "Variation seed": "7", "Variation seed strength": "0.25",
        "Denoising strength": "0.4", "Clip skip": "2", "Hires upscale": "1.5", "Hires steps": "12",
        "Hires upscaler": "Latent", "Lora hashes": "thnos: 0123456789ab, b: c",
        "TI hashes": "easynegative: c74b4e810b03", "Hires prompt": 'a "fox"\nbelow', "Version": "v1.10.1",
    }  # fmt: skip


def test_what_civitai_adds_is_json_without_quotes() -> None:
    resources = json.dumps([{"type": "lora", "weight": 0.8, "modelName": 'A "b", c: d'}], separators=(",", ":"))
    found = read(
        "a fox\nSteps: 25, CFG scale: 7, Seed: 1, Created Date: 2024-08-01T12:34:56.12Z, "
        f'Hashes: {{"model": "ab", "lora:x": "cd"}}, Civitai resources: {resources}, Civitai metadata: {{}}'
    )
    assert found.source == "Civitai"
    assert found.settings["Civitai resources"] == resources
    assert found.settings["Hashes"] == '{"model": "ab", "lora:x": "cd"}'
    assert found.settings["Created Date"] == "2024-08-01T12:34:56.12Z"
    assert list(found.settings)[-1] == "Civitai metadata"


def test_templates_may_stand_below_the_settings() -> None:
    found = read("a red fox\nNegative prompt: rain\nSteps: 2, Seed: 1, Size: 8x8\nTemplate: a {red|blue}\nfox\n"
                 "Negative Template: __bad__")  # fmt: skip
    assert (found.prompt, found.negative_prompt) == ("a red fox", "rain")
    assert found.settings["Template"] == "a {red|blue}\nfox"
    assert found.settings["Negative Template"] == "__bad__"


@pytest.mark.parametrize(
    ("version", "program"),
    [
        ("v1.10.1", "A1111"),
        ("f2.0.1v1.10.1-previous-1-gabc", "Forge"),
        ("f0.0.17v1.8.0", "Forge"),
        ("Fooocus v2.5.5", "Fooocus"),
        ("ComfyUI", "ComfyUI"),
        ("Darkroom 0.1.0", "Darkroom"),
        ("1a2b3c, App: SD.Next", "SD.Next"),
    ],
)
def test_a_program_is_told_by_its_version(version: str, program: str) -> None:
    assert read(f"a\nSteps: 2, Seed: 1, Version: {version}").source == program


@pytest.mark.parametrize(
    ("text", "prompt", "settings"),
    [
        ("a fox, in a suit", "a fox, in a suit", {}),
        ("a fox\nat night: dark, misty", "a fox\nat night: dark, misty", {}),
        ("a fox\nSteps: 20", "a fox", {"Steps": "20"}),
        ("a fox\r\nSteps: 20, Seed: 4\r\n", "a fox", {"Steps": "20", "Seed": "4"}),
        ("a fox, Steps: 20", "a fox, Steps: 20", {}),
        ("Steps: 20, Sampler: Euler a, CFG scale: 7", "", {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7"}),
        ("", "", {}),
    ],
)
def test_few_pairs_are_settings_if_they_are_nothing_else(text: str, prompt: str, settings: dict[str, str]) -> None:
    found = read(text)
    assert (found.prompt, found.settings) == (prompt, settings)


def test_a_value_is_quoted_where_it_would_end_too_soon() -> None:
    text = write("<lora:thnos:0.8> in a süit", "blurry", {"Steps": 25, "CFG scale": 3.0, "Model": "a, b"})
    assert text == '<lora:thnos:0.8> in a süit\nNegative prompt: blurry\nSteps: 25, CFG scale: 3, Model: "a, b"'


@pytest.mark.parametrize("piece", ["a", "aa:", 'aa:"', "aa:[", 'aa:["",', "aa: {", '\\"', "[", "aa:[["])
def test_the_longest_text_takes_no_long_time(piece: str) -> None:
    """Bounded work, not bounded luck: each piece is what a rule begins with, over and over."""
    found = read(piece * (2 * MAX_INFOTEXT // len(piece)))
    assert len(found.prompt) <= MAX_INFOTEXT


def test_an_empty_one_writes_nothing() -> None:
    assert Infotext().text == ""
