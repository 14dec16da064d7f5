"""The `advanced` text: whatever stands there is a recipe or one sentence, and what is written back reads the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.advanced import read_advanced, write_advanced
from bot.errors import UserError
from bot.recipes import METHODS, SETTINGS, check_for_base, check_recipe
from tests.bot.worlds import base_info
from trainer.contract.requests import Method, Recipe


def refusal(text: str, method: Method | None = None) -> str:
    with pytest.raises(UserError) as error:
        read_advanced(text, method=method)
    assert "\n" not in error.value.message
    assert len(error.value.message) <= 300
    return error.value.message


# -- what is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("", Recipe()),
        (" \n ; ,", Recipe()),
        ("steps: 1200\nrank: 8\nlearning_rate: 1e-5", Recipe(steps=1200, rank=8, learning_rate=1e-5)),
        ("steps: 1,200, rank = 8; seed:0", Recipe(steps=1200, rank=8, seed=0)),
        ("Steps: 1e3, ALPHA: .5", Recipe(steps=1000, lora_alpha=0.5)),
        ("text encoder: yes, text-encoder lr: 5e-5", Recipe(text_encoder=True, text_encoder_learning_rate=5e-5)),
        ("flip: on; masks: False; dora: 1,", Recipe(flip=True, masks=False, dora=True)),
        ("early_stop: no,", Recipe(early_stop=False)),
        ("prior_weight: off, snr_gamma: 0, ema: none", Recipe(prior_weight=0.0, snr_gamma=0.0, ema=0.0)),
        ("modules: attention ff conv, resolution: 768", Recipe(target_modules="attention_ff_conv", resolution=768)),
        ("captions: Captioner", Recipe(captions="captioner")),
        (
            "captions: a photo of {}, seen from the left, flip: yes",
            Recipe(captions="template", caption_template="a photo of {}, seen from the left", flip=True),
        ),
        ('captions: "{} {} style", batch: 4', Recipe(captions="template", caption_template="{} {} style", batch=4)),
        ("method: dreambooth; output: checkpoint", Recipe(method="dreambooth", output="checkpoint")),
        ("preview_every: 100", Recipe(preview_every=100)),
        ("preview_every: off", Recipe(preview_every=0)),
        ("preset: detailed\nmethod: pivotal\nvectors: 4", Recipe(method="pivotal", preset="detailed", vectors=4)),
    ],
)  # fmt: skip
def test_pairs_become_a_recipe(text: str, recipe: Recipe) -> None:
    assert read_advanced(text) == recipe


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("--network_dim=32 ; --network_alpha=16", Recipe(rank=32, lora_alpha=16.0)),
        ("unet_lr = 1e-4\ntext_encoder_lr = 5e-5", Recipe(learning_rate=1e-4, text_encoder_learning_rate=5e-5)),
        ("max_train_steps: 800, min_snr_gamma: 5, train_batch_size: 2", Recipe(steps=800, snr_gamma=5.0, batch=2)),
        ("flip_aug: true, te: yes, lr: 0.0002", Recipe(flip=True, text_encoder=True, learning_rate=2e-4)),
    ],
)
def test_the_names_of_other_trainers_mean_the_same(text: str, recipe: Recipe) -> None:
    assert read_advanced(text) == recipe


def test_what_is_chosen_beside_the_text_counts() -> None:
    recipe = read_advanced("vectors: 8", method="textual_inversion", preset="fast")
    assert recipe == Recipe(method="textual_inversion", preset="fast", vectors=8)
    assert read_advanced("method: lora", method="lora") == Recipe()


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rnak: 8", "line 1: There is no setting `rnak`: did you mean `rank`?"),
        ("steps: 100\nlearning rat: 1", "line 2: There is no setting `learning rat`: did you mean `learning_rate`"),
        ("colour: red", "There is no setting `colour`: take one such as `steps`, `rank`"),
        ("steps 800", "`steps 800` sets nothing: write a key and a value, for example `steps: 800`."),
        ("steps:", "steps must be a number such as 100, 0.5 or 1e-4, got nothing."),
        ("steps: many", "steps must be a number such as 100, 0.5 or 1e-4, got `many`."),
        ("steps: 0x10", "got `0x10`."),
        ("steps: ١٠٠", "steps must be a number"),
        ("steps: 0.5", "steps must be a whole number, got `0.5`."),
        ("steps: 1e999", "steps must be between 1 and 6,000, got inf"),
        (f"seed: {'9' * 5_000}", "seed must be between 0 and 4,294,967,295, got inf"),
        ("steps: 5, steps: 6", "line 2: steps is set in line 1 already: leave one out."),
        ("rank: 8, network_dim: 8", "line 2: rank is set in line 1 already"),
        ("rank: 0", "rank must be between 1 and 128, got 0: choose one in between."),
        ("rank: 10,000", "rank must be between 1 and 128, got 10,000"),
        ("rank: -8", "rank must be between 1 and 128, got -8"),
        ("learning_rate: nan", "learning_rate must be a number such as 100, 0.5 or 1e-4, got `nan`."),
        ("learning_rate: inf", "learning_rate must be a number such as 100, 0.5 or 1e-4, got `inf`."),
        ("learning_rate: 1", "learning_rate must be between 1e-07 and 0.1, got 1"),
        ("ema: 1", "ema must be between 0 and 0.9999, got 1"),
        ("dora: perhaps", "dora must be yes or no, got `perhaps`."),
        ("modules: everything", "modules must be attention, attention_ff or attention_ff_conv, got `everything`."),
        ("captions: blip", "captions must be none, template, photo, captioner or a text with {} where the"),
        ("captions: a {0.__class__} {}", "captions must have {} where the trigger goes, and no other braces"),
        (f"captions: {{}} {'x' * 400}", "captions must have at most 300 characters, not 403, got"),
        ("rank: 0\ncolour: red", "line 1: rank must be between 1 and 128, got 0: choose one in between (one more line"),
        ("rank: 0\na: 1\nb: 2\nc: 3", "(3 more lines are wrong, too)."),
        ("preview_every: 24", "preview_every must be between 25 and 6,000, got 24"),
        ("preview_every: 30.5", "preview_every must be a whole number"),
        ("vectors: 4", "vectors does nothing for the method `lora`, for it belongs to `textual_inversion`"),
        ("output: lora", "output does nothing for the method `lora`, for it belongs to `dreambooth`: leave it out, or"),
        ("method: textual_inversion\nrank: 8", "line 2: rank does nothing for the method `textual_inversion`"),
        ("dora: yes, method: textual_inversion", "line 1: dora does nothing for the method `textual_inversion`"),
        ("method: dreambooth, output: checkpoint, rank: 8", "line 3: rank does nothing for a whole checkpoint"),
        ("te_lr: 1e-5, te: no", "line 1: text_encoder_learning_rate does nothing with `text_encoder: no`"),
        ("method: pivotal, te: yes", "for the method `pivotal`, for it belongs to `lora` and `dreambooth`"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_a_wrong_line_is_named_with_the_way_out(text: str, words: str) -> None:
    message = refusal(text)
    assert message.startswith("`advanced`, line ")
    assert words in message


def test_the_text_and_the_option_must_say_the_same() -> None:
    words = refusal("method: dreambooth", method="lora")
    assert words == "`advanced`, line 1: method is `dreambooth` here and `lora` in the option: leave one out."


def test_no_line_mentions_anybody() -> None:
    assert "@everyone" not in refusal("@everyone: 1, rank: @everyone")


# -- whatever is written ----------------------------------------------------------------------------------------------

KEYS = [name for setting in SETTINGS for name in (setting.key, *setting.aliases)]
VALUES = st.one_of(
    st.sampled_from(["yes", "no", "off", "nan", "none", "template", "attention_ff", "lora", "checkpoint", "pivotal"]),
    st.integers(-5, 5000).map(str), st.floats().map(repr), st.text(max_size=20),
    st.text(max_size=12).map(lambda text: f"{text}{{}}{text}"),
)  # fmt: skip
PAIRS = st.tuples(st.sampled_from(KEYS), st.sampled_from([":", "=", ": ", ""]), VALUES).map("".join)
TEXTS = st.one_of(
    st.text(), st.lists(st.one_of(PAIRS, st.text(max_size=9)), max_size=5).flatmap(
        lambda pairs: st.sampled_from(["\n", ";", ",", ", "]).map(lambda between: between.join(pairs))
    ),
)  # fmt: skip


@given(TEXTS, st.sampled_from([None, *METHODS]))
def test_any_text_is_a_recipe_or_one_sentence(text: str, method: Method | None) -> None:
    try:
        recipe = read_advanced(text, method=method)
    except UserError as error:
        words = error.message
    else:
        check_recipe(recipe)
        assert read_advanced(write_advanced(recipe)) == recipe
        return
    assert "\n" not in words
    assert len(words) <= 300
    assert words[-1] in ".?"


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any that a member can ask for."""
    method: Method = draw(st.sampled_from(METHODS))
    lines = [f"method: {method}", f"preset: {draw(st.sampled_from(['fast', 'balanced', 'detailed']))}"]
    words = {
        "modules": ["attention", "attention_ff_conv"], "captions": ["none", "photo", "captioner", "a photo of {}, lit"],
        "output": ["lora"],
    }  # fmt: skip
    for setting in SETTINGS[2:]:
        if method not in setting.methods or draw(st.booleans()):
            continue
        if setting.most is not None and setting.least is not None:
            within = st.floats(setting.least, setting.most)
            whole = setting.key in {"steps", "rank", "vectors", "resolution", "batch", "seed", "preview_every"}
            value = draw(within.map(lambda number: str(int(number))) if whole else within.map(repr))
        else:
            value = draw(st.sampled_from(words.get(setting.key, ["yes"])))
        lines.append(f"{setting.key}: {value}")
    return read_advanced("\n".join(lines))


@given(recipes())
def test_what_is_written_back_reads_the_same(recipe: Recipe) -> None:
    assert read_advanced(write_advanced(recipe)) == recipe
    assert read_advanced(", ".join(write_advanced(recipe).split("\n"))) == recipe


# -- what the base can do ---------------------------------------------------------------------------------------------


def test_what_depends_on_the_base() -> None:
    base = base_info()
    check_for_base(Recipe(captions="captioner", resolution=1), None)  # no worker has said what it offers
    check_for_base(Recipe(resolution=2048), base)
    for recipe, words in (
        (Recipe(resolution=4096), "resolution must be between 64 and 2,048, got 4,096"),
        (Recipe(captions="captioner"), "captions can't be `captioner`"),
    ):
        with pytest.raises(UserError, match=words):
            check_for_base(recipe, base)


def test_a_resolution_that_there_is_no_memory_for_is_refused_with_the_one_that_there_is() -> None:
    base = msgspec.structs.replace(base_info(), width=1024, height=1024, most_resolution={"lora": 768, "pivotal": 1024})
    check_for_base(Recipe(method="pivotal"), base)
    check_for_base(Recipe(method="textual_inversion"), base)  # of which the worker said nothing
    check_for_base(Recipe(resolution=768), base)
    for recipe in (Recipe(), Recipe(resolution=832)):
        with pytest.raises(UserError, match="write `resolution: 768` or less into `advanced`"):
            check_for_base(recipe, base)


def test_every_field_of_a_recipe_can_be_set() -> None:
    assert {setting.field for setting in SETTINGS} == set(Recipe.__struct_fields__) - {"caption_template"}
    assert len(KEYS) == len(set(KEYS))
