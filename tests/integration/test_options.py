"""What each option that no experiment sets is good for, on heat with half of the box seen."""

from dataclasses import replace

import pytest

import hycojax as hj

pytestmark = pytest.mark.accuracy

CYCLES = 12


def fit(experiment, **changes):
    """Return the summary of a fit of some more cycles, with changes of the experiment."""
    longer = hj.Schedule(warmup=1, cycles=CYCLES)
    return hj.fit(replace(experiment, **({"schedule": longer} | changes)))


@pytest.fixture(scope="module")
def trained(tiny_heat):
    """The experiment with so many updates that the network learns what there is to learn."""
    solver = replace(tiny_heat.synthetic.solver, updates=40)
    return replace(tiny_heat, synthetic=replace(tiny_heat.synthetic, solver=solver))


@pytest.fixture(scope="module")
def hybrid(trained):
    return fit(trained).summary["synthetic"]


def test_fresh_trajectories_teach_what_is_hidden(trained, hybrid):
    alone = fit(trained, mode="synthetic").summary["synthetic"]
    assert hybrid["test_nrmse_hidden"] < 0.5 * alone["test_nrmse_hidden"]


def test_a_tenth_of_the_points_teaches_nearly_as_much(trained, hybrid):
    interaction = replace(trained.interaction, points=0.1)
    ghosts = fit(trained, interaction=interaction).summary["synthetic"]
    assert ghosts["test_nrmse"] < 1.3 * hybrid["test_nrmse"]


def test_a_warm_up_keeps_an_untrained_network_from_misleading_the_physics(tiny_heat):
    """After three cycles of which none, or the first two, are a warm-up."""
    weights = hj.Weights(interaction=3.0, trust=hj.Trust.EQUAL)
    pulled = replace(tiny_heat, physical=replace(tiny_heat.physical, weights=weights))
    found = [
        fit(pulled, schedule=hj.Schedule(warmup=warmup, cycles=3)).history[1] for warmup in (0, 2)
    ]
    off = [abs(r.players["physical"].parameters["diffusivity"] - 1) for r in found]
    assert off[1] < 0.5 * off[0]


def test_a_turn_that_harms_is_undone(tiny_heat):
    """With a learning rate that is too large the loss on the recordings rises again and again."""
    solver = replace(tiny_heat.synthetic.solver, learning_rate=0.3)
    wild = replace(
        tiny_heat, mode="synthetic", synthetic=replace(tiny_heat.synthetic, solver=solver)
    )
    kept = replace(wild, synthetic=replace(wild.synthetic, revert=0.0))
    free, undone = fit(wild), fit(kept)
    assert any(record.players["synthetic"].reverted for record in undone.history)
    last = "last_test_nrmse"
    assert undone.summary["synthetic"][last] < 0.95 * free.summary["synthetic"][last]


def test_early_stopping_takes_the_better_parameters_and_ends_the_run(tiny_heat):
    """Two noisy recordings and many updates: the network fits the noise."""
    solver = replace(tiny_heat.synthetic.solver, updates=60, learning_rate=1e-2)
    data = replace(tiny_heat.data, training=1, noise=0.3)
    over = replace(
        tiny_heat,
        mode="synthetic",
        data=data,
        synthetic=replace(tiny_heat.synthetic, solver=solver, horizon=1),
    )
    whole = fit(over, schedule=hj.Schedule(warmup=1, cycles=30)).summary["synthetic"]
    assert whole["test_nrmse"] < whole["last_test_nrmse"]
    ended = fit(over, schedule=hj.Schedule(warmup=1, cycles=30, patience=4)).summary
    assert ended["finished"]
    assert ended["cycles"] < 30


def test_a_truncated_gradient_trains_nearly_as_well(tiny_heat):
    """Through two intervals of six: it keeps less, and the states are seen all the same."""
    player = replace(tiny_heat.synthetic, horizon=6)
    whole = fit(tiny_heat, mode="synthetic", synthetic=player).summary["synthetic"]
    short = replace(player, truncation=2)
    cut = fit(tiny_heat, mode="synthetic", synthetic=short).summary["synthetic"]
    assert cut["test_nrmse"] < 1.3 * whole["test_nrmse"]
