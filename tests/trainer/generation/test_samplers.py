"""The samplers against diffusers' own, alone and in mixed batches, and where img2img begins."""

from __future__ import annotations

import math

import pytest
import torch

from tests.benchmarks.samplers import SHAPE, Case, cases, compare
from trainer.contract.samplers import AUTOMATIC_SCHEDULERS, OWN_TIMESTEPS, SAMPLERS, SCHEDULERS
from trainer.generation.samplers import (
    Call,
    NoiseSchedule,
    Plan,
    State,
    advance,
    begin,
    begin_from,
    compose,
    denoised,
    first_step,
    guide,
    make_plan,
    noise_to,
)

SCHEDULE = Case("Euler").schedule
ZERO_SNR = Case("Euler", prediction_type="v_prediction", spacing="trailing", zero_snr=True).schedule


@pytest.mark.parametrize("sampler", sorted({case.sampler for case in cases()}))
def test_latents_are_those_of_diffusers_at_every_step(sampler: str) -> None:
    errors = {case: compare(case) for case in cases() if case.sampler == sampler}
    worst = max(errors, key=lambda case: errors[case])
    assert len(errors) >= 12
    assert errors[worst] <= 1e-4, worst


@pytest.mark.parametrize("sampler", ["Heun", "DPM2 a"])
def test_two_steps_from_one_end_to_the_other_multiply_rounding_errors(sampler: str) -> None:
    assert compare(Case(sampler, steps=2)) <= 5e-3


@pytest.mark.parametrize("sampler", ["Heun", "DPM2", "DPM2 a"])
def test_no_slope_is_taken_from_noise_alone(sampler: str) -> None:
    plan = make_plan(ZERO_SNR, sampler, "Uniform", 5)
    simple = "Euler a" if sampler == "DPM2 a" else "Euler"
    assert plan.calls[0] == make_plan(ZERO_SNR, simple, "Uniform", 5).calls[0]
    assert [call.step for call in plan.calls] == [0, 1, 1, 2, 2, 3, 3, 4]


def draw(plan: Plan, schedule: NoiseSchedule, latents: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """A picture with a model that sees a picture of its own in any latents; from noise (C, h, w)."""
    state, generator = begin(plan, latents), torch.Generator().manual_seed(seed)
    for call in plan.calls:
        (state,) = advance([state], [call], denoised(state.x[None], answer(state.x, call)[None], [call]), [generator])
    return state.x


def answer(latents: torch.Tensor, call: Call) -> torch.Tensor:
    """The output of a model of x₀ that goes with the latents."""
    picture = torch.tanh(latents.roll(1, -1) + math.sin(call.timestep / 100))
    return (picture - call.c_x * latents) / call.c_out


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("schedule", [SCHEDULE, ZERO_SNR], ids=["epsilon", "zero-snr"])
def test_rows_of_any_samplers_come_out_bit_for_bit_as_alone(schedule: NoiseSchedule) -> None:
    plans = [make_plan(schedule, sampler, "Automatic", 4 + row % 5) for row, sampler in enumerate(SAMPLERS)]
    alone = [draw(plan, schedule, noise(row), seed=row) for row, plan in enumerate(plans)]
    states = [begin(plan, noise(row)) for row, plan in enumerate(plans)]
    generators = [torch.Generator().manual_seed(row) for row in range(len(plans))]
    for turn in range(max(len(plan.calls) for plan in plans)):
        rows = [row for row, plan in enumerate(plans) if turn < len(plan.calls)]
        calls = [plans[row].calls[turn] for row in rows]
        outputs = torch.stack([answer(states[row].x, call) for row, call in zip(rows, calls, strict=True)])
        pictures = denoised(torch.stack([states[row].x for row in rows]), outputs, calls)
        after = advance([states[row] for row in rows], calls, pictures, [generators[row] for row in rows])
        for row, state in zip(rows, after, strict=True):
            states[row] = state
    for state, expected in zip(states, alone, strict=True):
        assert torch.equal(state.x, expected)


def test_noise_is_drawn_only_where_it_counts() -> None:
    plan = make_plan(SCHEDULE, "Euler a", "Uniform", 3)
    generator = torch.Generator().manual_seed(1)
    state = begin(plan, noise(0))
    for call in plan.calls:
        (state,) = advance([state], [call], torch.zeros(1, *SHAPE), [generator])
    expected = torch.Generator().manual_seed(1)
    for _ in range(2):  # the last step leads to no noise
        torch.randn(SHAPE, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [(name, kind) for name in SAMPLERS for kind in SCHEDULERS if kind == "Automatic" or name not in OWN_TIMESTEPS],
)
def test_a_model_that_knows_the_picture_ends_at_it(sampler: str, scheduler: str, zero_snr: bool) -> None:
    schedule = ZERO_SNR if zero_snr else NoiseSchedule.from_config(Case(sampler, spacing="leading").config)
    picture = torch.tanh(noise(5))
    for steps, strength in ((1, 1.0), (2, 1.0), (7, 1.0), (16, 1.0), (16, 0.4)):
        plan = make_plan(schedule, sampler, scheduler, steps, first_step(steps, strength))
        state, generator = begin_from(plan, picture, noise(0)), torch.Generator().manual_seed(1)
        for call in plan.calls:
            assert all(map(math.isfinite, (*call.x.row, call.c_x, call.c_out, call.timestep)))
            (state,) = advance([state], [call], picture[None], [generator])
        # DDIM and PLMS end with the noise of timestep 0; and PLMS extrapolates what it has seen, which takes steps
        left = {"DDIM": 0.15, "PLMS": 0.3 if steps == 16 else math.inf}.get(sampler, 1e-4)
        assert (state.x - picture).abs().max() < left
        assert {call.step for call in plan.calls} == set(range(plan.steps))


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_levels_fall_and_match_what_the_latents_hold(sampler: str) -> None:
    """With the picture known and all noise ours, the latents are α·picture + σ·(variance 1) at every call."""
    plan = make_plan(Case(sampler, spacing="leading").schedule, sampler, "Uniform", 12)
    shape = (4, 64, 64)
    state = State(torch.randn(shape, generator=torch.Generator().manual_seed(0)) * plan.calls[0].sigma)
    generator = torch.Generator().manual_seed(1)
    for call in plan.calls:
        assert call.alpha**2 + call.sigma**2 == pytest.approx(1)
        assert float(state.x.std()) == pytest.approx(call.sigma, rel=0.05)
        (state,) = advance([state], [call], torch.zeros(1, *shape), [generator])
    ends = [call.sigma for call in plan.calls if call.saved is None or sampler in {"UniPC", "DPM++ 2S"}]
    assert ends == sorted(ends, reverse=True)


def test_automatic_is_what_a1111_takes_and_uniform_on_zero_terminal_snr() -> None:
    for sampler, scheduler in AUTOMATIC_SCHEDULERS.items():
        assert make_plan(SCHEDULE, sampler, "Automatic", 9) == make_plan(SCHEDULE, sampler, scheduler, 9)
        assert make_plan(SCHEDULE, sampler, "Automatic", 9) != make_plan(SCHEDULE, sampler, "Uniform", 9)
        assert make_plan(ZERO_SNR, sampler, "Automatic", 9) == make_plan(ZERO_SNR, sampler, "Uniform", 9)
    assert make_plan(SCHEDULE, "Euler", "Automatic", 9) == make_plan(SCHEDULE, "Euler", "Uniform", 9)


def test_sgm_uniform_and_simple_are_those_of_a1111() -> None:
    sgm = make_plan(SCHEDULE, "Euler", "SGM Uniform", 4)
    assert [call.timestep for call in sgm.calls] == [999, 749.25, 499.5, 249.75]
    simple = make_plan(SCHEDULE, "Euler", "Simple", 4)
    assert [call.timestep for call in simple.calls] == [999, 749, 499, 249]


def test_one_step_begins_at_the_noise_whatever_the_spacing() -> None:
    for sampler in SAMPLERS:
        for spacing in ("linspace", "leading", "trailing"):
            schedule = Case(sampler, spacing=spacing).schedule
            scheduler = "Automatic" if sampler in OWN_TIMESTEPS else "Karras"
            assert make_plan(schedule, sampler, scheduler, 1).calls[0].timestep == 999


def test_img2img_begins_where_a1111_does() -> None:
    # t_enc = int(min(strength, 0.999) * steps), and the last t_enc + 1 of the steps are taken
    assert [first_step(20, strength) for strength in (0, 0.04, 0.05, 0.5, 0.75, 0.99, 1)] == [19, 19, 18, 9, 4, 0, 0]
    assert first_step(1, 1) == first_step(1, 0) == 0


def test_a_plan_that_begins_in_the_middle_has_its_first_latents_and_no_memory() -> None:
    whole = make_plan(SCHEDULE, "DPM++ 2M", "Karras", 20)
    late = make_plan(SCHEDULE, "DPM++ 2M", "Karras", 20, first_step=12)
    assert (late.steps, len(late.calls)) == (8, 8)
    assert noise_to(late) == noise_to(whole, 12)
    assert noise_to(whole, 20) == (1.0, 0.0)
    assert any(whole.calls[12].x.memory)
    assert not any(late.calls[0].x.memory)
    assert late.calls[1].x == whole.calls[13].x
    picture = noise(3)
    alpha, sigma = noise_to(late)
    assert torch.allclose(begin_from(late, picture, noise(4)).x, alpha * picture + sigma * noise(4))


def test_samplers_that_look_ahead_say_so() -> None:
    ahead = {name for name in SAMPLERS if make_plan(SCHEDULE, name, "Automatic", 20).looks_ahead}
    assert ahead == {"Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ SDE"}  # A1111's second_order


def test_a_plan_refuses_what_it_can_not_do() -> None:
    with pytest.raises(ValueError, match="steps must be between 1 and 1000, got 10000"):
        make_plan(SCHEDULE, "Euler", "Uniform", 10_000)
    with pytest.raises(ValueError, match="first step must be between 0 and 4, got 5"):
        make_plan(SCHEDULE, "Euler", "Uniform", 5, first_step=5)
    with pytest.raises(ValueError, match="no sampler called Eular"):
        make_plan(SCHEDULE, "Eular", "Uniform", 5)
    with pytest.raises(ValueError, match="no scheduler called Karas"):
        make_plan(SCHEDULE, "Euler", "Karas", 5)


def test_a_base_spaced_for_ddim_is_spaced_over_all_noise_for_the_others() -> None:
    config = {**Case("DDIM").config, "timestep_spacing": "leading"}
    schedule = NoiseSchedule.from_config(config)
    assert make_plan(schedule, "DDIM", "Automatic", 20).calls[0].timestep == 951
    assert make_plan(schedule, "Euler", "Automatic", 20).calls[0].timestep == 999


def test_guidance_of_each_row_is_its_own() -> None:
    cond, uncond = torch.stack([noise(1), noise(2)]), torch.stack([noise(3), noise(4)])
    guided = guide(cond, uncond, [7.0, 1.0])
    assert torch.allclose(guided[0], uncond[0] + 7 * (cond[0] - uncond[0]))
    assert torch.allclose(guided[1], cond[1], atol=1e-6)


def test_rescaled_guidance_has_the_spread_of_the_condition() -> None:
    cond, uncond = torch.stack([noise(1), noise(2)]), torch.stack([noise(3), noise(4)])
    guided = guide(cond, uncond, [7.0, 7.0], [1.0, 0.0])
    assert float(guided[0].std()) == pytest.approx(float(cond[0].std()), rel=1e-5)
    assert torch.equal(guided[1], guide(cond, uncond, [7.0, 7.0])[1])
    half = guide(cond, uncond, [7.0, 7.0], [0.5, 0.5])
    plain = guide(cond, uncond, [7.0, 7.0])
    full = guide(cond, uncond, [7.0, 7.0], [1.0, 1.0])
    assert torch.allclose(half, (plain + full) / 2, atol=1e-5)


def test_prompts_joined_by_and_pull_each_with_its_weight() -> None:
    one, two, uncond = noise(1), noise(2), noise(3)
    composed = compose([one, two], [1.0, 0.5], uncond)
    guided = guide(composed[None], uncond[None], [7.0])[0]
    assert torch.allclose(guided, uncond + 7 * ((one - uncond) + 0.5 * (two - uncond)), atol=1e-4)
    assert torch.equal(compose([one], [1.0], uncond), one)
