"""Optimisers against SciPy, optax and plain loops; and what they say when they can't."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxopt._src.lbfgs import inv_hessian_product
from scipy.optimize import minimize, rosen, rosen_der

from hycojax.experiment import Mode
from hycojax.game import state as games
from hycojax.run.compiled import compiled_cycle
from hycojax.settings.numbers import split
from hycojax.solvers import INITIAL_STATES, LBFGS, Adam, JaxoptLBFGS, MultiStart, Reason, curvature


def cycle_of(solver, objective, cycles):
    """Return a compiled cycle of so many: parameters, state and terms of (params, state, key)."""
    return jax.jit(lambda p, s, key: solver.run(objective, p, s, key, cycles))


def solve(solver, objective, start, cycles=1):
    """Run a solver for some cycles; return parameters, state and the terms of each cycle."""
    params, state, reports = start, solver.init(start, cycles), []
    run = cycle_of(solver, objective, cycles)
    for _ in range(cycles):
        params, state, terms = run(params, state, jax.random.key(0))
        reports.append(jax.device_get(terms))
    return params, state, reports


def loss(function):
    return lambda params, key, number=None: (function(params), {"data": function(params)})


@loss
def rosenbrock(params):
    x = jnp.asarray(params["x"])
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("n", [2, 10])
def test_lbfgs_ends_where_scipy_does_and_asks_hardly_more_often(n):
    start = np.resize([-1.2, 1.0], n)
    found, _, (terms,) = solve(LBFGS(200), rosenbrock, {"x": jnp.asarray(start, jnp.float32)})
    theirs = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B")
    np.testing.assert_allclose(found["x"], theirs.x, atol=2e-3)
    assert Reason(int(terms["reason"])) is Reason.CONVERGED
    assert terms["evaluations"] <= 1.25 * theirs.nfev
    assert terms["evaluations"] > terms["iterations"] > 10


def test_first_states_have_more_iterations():
    """They are many numbers in narrow valleys: a turn that ended after 10 left them on the way."""
    start = np.resize([-1.2, 1.0], 10).astype(np.float32)

    def of(name):
        found, _, (terms,) = solve(
            LBFGS(), lambda p, key: rosenbrock({"x": p[name]}, key), {name: start}
        )
        return found[name], Reason(int(terms["reason"])), int(terms["iterations"])

    assert of("viscosity")[1:] == (Reason.ITERATION_LIMIT, 10)
    found, reason, iterations = of(INITIAL_STATES)
    np.testing.assert_allclose(found, 1, atol=2e-3)
    assert reason is Reason.CONVERGED
    assert 10 < iterations < 200


def test_the_objective_is_traced_once():
    """However many evaluations a solve takes; so compiling it costs little more than a gradient."""
    traces = []

    def counted(params, key):
        traces.append(1)
        return rosenbrock(params, key)

    start = {"x": jnp.array([-1.2, 1.0])}
    solver = LBFGS(50)
    run = jax.jit(lambda p, s, k: solver.run(counted, p, s, k, 1))
    _, _, terms = run(start, solver.init(start, 1), jax.random.key(0))
    assert terms["evaluations"] > 20
    assert len(traces) == 1


def test_lbfgs_solves_a_badly_scaled_quadratic():
    scales = np.logspace(0, 3, 20)
    quadratic = loss(lambda x: jnp.sum(jnp.float32(scales) * (x - 1) ** 2))
    found, _, (terms,) = solve(LBFGS(500), quadratic, jnp.zeros(20))
    theirs = minimize(
        lambda x: np.sum(scales * (x - 1) ** 2),
        np.zeros(20),
        jac=lambda x: 2 * scales * (x - 1),
        method="L-BFGS-B",
        options={"ftol": 1e-16, "gtol": 1e-8},
    )
    np.testing.assert_allclose(found, 1, atol=1e-4)
    assert Reason(int(terms["reason"])) is Reason.CONVERGED
    assert terms["evaluations"] < 1.5 * theirs.nfev


@pytest.mark.parametrize("n", [2, 10])
def test_jaxopts_finds_the_minimum_too(n):
    start = {"x": jnp.asarray(np.resize([-1.2, 1.0], n), jnp.float32)}
    found, _, (terms,) = solve(JaxoptLBFGS(200, tolerance=1e-4), rosenbrock, start)
    np.testing.assert_allclose(found["x"], 1, atol=2e-3)
    assert Reason(int(terms["reason"])) is Reason.CONVERGED
    assert 10 < terms["iterations"] < 100  # no more than it needs
    assert terms["loss"] == terms["data"] == pytest.approx(float(rosenbrock(found, None)[0]))


def test_jaxopts_solves_a_badly_scaled_quadratic_too():
    scales = jnp.logspace(0, 3, 20, dtype=jnp.float32)
    quadratic = loss(lambda x: jnp.sum(scales * (x - 1) ** 2))
    found, _, (terms,) = solve(JaxoptLBFGS(500), quadratic, jnp.zeros(20))
    np.testing.assert_allclose(found, 1, atol=1e-4)
    assert Reason(int(terms["reason"])) is Reason.CONVERGED


def test_jaxopts_keeps_the_start_where_nothing_improves():
    """Along a gradient of the wrong sign the loss only grows; its terms are those of the start."""

    @jax.custom_jvp
    def climbing(x):
        return x + 0.0

    climbing.defjvp(lambda x, t: (climbing(*x), -t[0]))
    found, _, (terms,) = solve(JaxoptLBFGS(5), loss(climbing), jnp.float32(3.0))
    assert found == terms["loss"] == terms["data"] == 3.0
    assert Reason(int(terms["reason"])) is Reason.LINE_SEARCH_FAILED


def test_jaxopts_finds_the_same_coefficient_in_a_game(tiny_heat, first_state):
    """As ours, with numbers of its own as arguments of the program, from noisy recordings."""
    found, errors = [], []
    for solver in (LBFGS(30), JaxoptLBFGS(30, tolerance=1e-4)):
        player = replace(tiny_heat.physical, solver=solver)
        game, _, data, state = first_state(replace(tiny_heat, physical=player, mode=Mode.PHYSICAL))
        stage, turns = games.stage(game, 0), games.turns(game, 0)
        state, report = compiled_cycle(stage, data, state, turns)(
            split(stage)[1], data, state, turns
        )
        own = report["physical"]
        assert Reason(int(own["reason"])) is Reason.CONVERGED
        assert own["loss"] == own["data"]
        found.append(own["parameters"]["diffusivity"])
        errors.append(own["loss"])
    assert abs(found[0] / 3 - 1) > 0.5  # far from the start
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)
    np.testing.assert_allclose(errors[1], errors[0], rtol=1e-3)


def test_jaxopts_may_start_from_many_places():
    """And start anew, with no state of its own."""

    @loss
    def two_wells(x):
        return (x**2 - 4) ** 2 / 16 + 0.1 * (x - 2) ** 2

    solver = MultiStart(JaxoptLBFGS(30), members=8, spread=3.0)
    found, members, _ = solve(solver, two_wells, jnp.float32(-3.0))
    np.testing.assert_allclose(found, 2, atol=1e-3)
    again = solver.restart(members)
    np.testing.assert_array_equal(again.params, members.params)


@pytest.mark.parametrize("steps", [0, 1, 4, 9])
def test_the_two_loops_are_the_product_with_the_dense_inverse_hessian(steps):
    """Of BFGS, updated in NumPy from the oldest to the newest of the 6 latest steps; as jaxopt's.

    The Hessian that it is learned from has eigenvalues from 1 to 100.
    """
    rng, n, memory = np.random.default_rng(steps), 7, 6
    turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
    hessian = turned @ np.diag(np.logspace(0, 2, n)) @ turned.T
    points = np.cumsum(rng.normal(size=(steps + 1, n)), axis=0)
    known, before = curvature.nothing_known(jnp.zeros(n), memory), points[0]
    learn, product = jax.jit(curvature.learn), jax.jit(curvature._inverse_hessian)
    for i, x in enumerate(points):
        step, slope = ((x - before).astype("f4"), (hessian @ x).astype("f4"))
        known, before = learn(known, step, np.float32(1), slope, np.asarray(i == 0)), x

    pairs = [(s, hessian @ s) for s in np.diff(points, axis=0)[-memory:]]
    inverse = np.eye(n)
    if pairs:
        s, y = pairs[-1]
        inverse *= s @ y / (y @ y)
    for s, y in pairs:  # the last pair is the newest, whose numbers are used below
        rest = np.eye(n) - np.outer(s, y) / (s @ y)
        inverse = rest @ inverse @ rest.T + np.outer(s, s) / (s @ y)
    vector = rng.normal(size=n).astype("f4")
    expected = inverse @ vector
    assert int(known.used) == steps
    found = product(known, vector)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    if pairs:
        history = known.s, known.y, known.rho, s @ y / (y @ y)
        theirs = jax.jit(inv_hessian_product)(vector, *history)
        np.testing.assert_allclose(found, theirs, atol=1e-5 * np.abs(expected).max())
        # The direction of a search is this product with the gradient, downwards.
        _, downwards = jax.jit(curvature.direction)(known)
        wanted = -inverse @ (hessian @ points[-1])
        np.testing.assert_allclose(downwards, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3])
def test_the_scale_of_the_loss_does_not_matter(size):
    found, _, (terms,) = solve(LBFGS(), loss(lambda x: size * (x - 5.0) ** 2), jnp.float32(0.0))
    np.testing.assert_allclose(found, 5.0, rtol=1e-3)
    assert terms["evaluations"] <= 6


def test_it_stops_where_the_noise_of_the_data_hides_the_rest():
    """A minimum of 0.01: the loss can't be told from its minimum long before the gradient is 0."""
    found, _, (terms,) = solve(
        LBFGS(50), loss(lambda x: 0.01 + jnp.sum((x - 1) ** 4 + (x - 1) ** 2)), jnp.zeros(3)
    )
    assert Reason(int(terms["reason"])) is Reason.CONVERGED
    np.testing.assert_allclose(found, 1, atol=2e-3)
    assert terms["iterations"] < 12


def test_a_kink_is_found():
    found, _, _ = solve(LBFGS(100), loss(lambda x: jnp.abs(x - 1) + 0.1 * x**2), jnp.float32(-3.0))
    np.testing.assert_allclose(found, 1, atol=1e-3)


def test_few_parameters_are_differentiated_forwards():
    """Through a loop whose end depends on data, which can't be gone through backwards."""

    def twice(x):
        return jax.lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, 2 * s[1]), (0.0, x))[1]

    objective = loss(lambda x: jnp.sum((twice(x) - jnp.array([4.0, 8.0])) ** 2))
    found, _, (terms,) = solve(LBFGS(), objective, jnp.zeros(2))
    np.testing.assert_allclose(found, [1, 2], atol=1e-4)
    assert terms["data"].shape == ()
    with pytest.raises(ValueError, match="Reverse-mode"):
        solve(LBFGS(), loss(lambda x: jnp.sum(twice(x) ** 2)), jnp.zeros(3))


def test_curvature_is_kept_while_the_objective_is_the_same():
    """Three cycles of 4 iterations are one solve of 12 but for the evaluation at each start."""
    start = {"x": jnp.array([-1.2, 1.0])}
    whole, _, (once,) = solve(LBFGS(12), rosenbrock, start)
    parts, _, reports = solve(LBFGS(4), rosenbrock, start, cycles=3)
    np.testing.assert_allclose(parts["x"], whole["x"], rtol=1e-4)
    assert sum(r["evaluations"] for r in reports) == once["evaluations"] + 2


def test_curvature_serves_an_objective_that_moves():
    """Minima that move a little each cycle: a few iterations find them, with all that was learned.

    From no more than the point where the last cycle ended, the same number is not enough.
    """
    scales = jnp.logspace(0, 2, 6, dtype=jnp.float32)
    solver, nothing = LBFGS(4), LBFGS(4).init(jnp.zeros(6), 8)

    def moving(x, key):
        goal = 1 + 0.1 * jax.random.normal(key, (6,))
        value = 0.01 + jnp.sum(scales * (x - goal) ** 2)
        return value, {"data": value}

    @jax.jit
    def cycle(params, state, key):
        return solver.run(moving, params, state, key, 8)

    def off(keep):
        params, state, found = jnp.zeros(6), nothing, []
        for key in jax.random.split(jax.random.key(0), 8):
            params, state, terms = cycle(params, state if keep else nothing, key)
            found.append(float(terms["data"]) - 0.01)
        return np.mean(found[4:])

    assert off(keep=True) < 0.02 * off(keep=False)


def test_curvature_of_another_objective_does_no_harm():
    solver, key = LBFGS(20), jax.random.key(0)
    start = {"x": jnp.array([-1.2, 1.0])}
    params, state, _ = cycle_of(solver, rosenbrock, 1)(start, solver.init(start, 1), key)
    other = loss(lambda p: jnp.sum((p["x"] + 3) ** 2))
    found, _, terms = cycle_of(solver, other, 1)(params, state, key)
    np.testing.assert_allclose(found["x"], -3, atol=1e-3)
    assert Reason(int(terms["reason"])) is Reason.CONVERGED


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
@pytest.mark.parametrize("solver", [LBFGS(), JaxoptLBFGS(), Adam()])
def test_a_start_that_is_not_finite_is_returned_with_the_reason(solver, bad):
    found, _, (terms,) = solve(solver, loss(lambda p: p["x"] * bad), {"x": jnp.float32(2.0)})
    assert found["x"] == 2.0
    assert Reason(int(terms["reason"])) is Reason.NOT_FINITE


@pytest.mark.parametrize("solver", [LBFGS(), JaxoptLBFGS()])
def test_a_gradient_that_is_not_finite_is_told(solver):
    found, _, (terms,) = solve(solver, loss(jnp.sqrt), jnp.float32(0.0))
    assert found == terms["loss"] == terms["data"] == 0
    assert Reason(int(terms["reason"])) is Reason.NOT_FINITE


def test_a_flat_loss_is_told():
    found, _, (terms,) = solve(LBFGS(), loss(lambda p: 0 * p["x"] + 0.5), {"x": jnp.float32(2.0)})
    assert found["x"] == 2.0
    assert Reason(int(terms["reason"])) is Reason.FLAT
    assert terms["evaluations"] == 1


def test_a_wrong_gradient_is_told():
    @jax.custom_jvp
    def climbing(x):
        return (x - 1.0) ** 2 + 0.1

    climbing.defjvp(lambda x, t: (climbing(*x), -2 * (x[0] - 1.0) * t[0]))
    found, _, (terms,) = solve(LBFGS(), loss(climbing), jnp.float32(3.0))
    assert found == 3.0
    assert Reason(int(terms["reason"])) is Reason.LINE_SEARCH_FAILED


@pytest.mark.parametrize("solver", [LBFGS(3), JaxoptLBFGS(3)])
def test_the_iteration_limit_is_told(solver):
    _, _, (terms,) = solve(solver, rosenbrock, {"x": jnp.array([-1.2, 1.0])})
    assert terms["iterations"] == 3
    assert Reason(int(terms["reason"])) is Reason.ITERATION_LIMIT


def test_lbfgs_steps_back_from_a_wall_of_nan():
    """The full step leaves the domain of the logarithm."""
    found, _, _ = solve(LBFGS(20), loss(lambda x: x - 0.1 * jnp.log(x)), jnp.float32(0.9))
    np.testing.assert_allclose(found, 0.1, atol=1e-3)


def test_many_starts_find_the_lower_of_two_minima():
    @loss
    def two_wells(x):
        return (x**2 - 4) ** 2 / 16 + 0.1 * (x - 2) ** 2

    alone, _, _ = solve(LBFGS(30), two_wells, jnp.float32(-3.0))
    many, members, _ = solve(
        MultiStart(LBFGS(30), members=16, spread=3.0), two_wells, jnp.float32(-3.0)
    )
    assert alone < 0
    np.testing.assert_allclose(many, 2, atol=1e-3)
    assert 0 < members.good.sum() < 16  # those in the other well do not fit as well
    assert members.params.std(where=members.good) < 1e-3


def test_what_the_data_do_not_say_keeps_the_spread_of_the_starts():
    solver = MultiStart(LBFGS(30), members=64, spread=0.7)
    start = {"seen": jnp.float32(0.0), "hidden": jnp.zeros((4, 4))}
    _, members, _ = solve(solver, loss(lambda p: 0.01 + (p["seen"] - 1) ** 2), start)
    assert members.good.all()
    assert members.params["seen"].std() < 1e-3
    np.testing.assert_allclose(members.params["hidden"].std(axis=0), 0.7, rtol=0.25)


def test_initial_states_start_where_they_were_recorded():
    start = {"x": jnp.float32(0.0), INITIAL_STATES: jnp.ones((2, 3))}
    members = MultiStart(LBFGS(), members=4).init(start, 1)
    np.testing.assert_array_equal(members.params[INITIAL_STATES], np.ones((4, 2, 3)))
    assert members.params["x"].std() > 0.1


def test_the_best_of_many_is_not_worse_than_the_start_alone():
    start = {"x": jnp.array([-1.2, 1.0])}
    _, _, (alone,) = solve(LBFGS(5), rosenbrock, start)
    _, _, (many,) = solve(MultiStart(LBFGS(5), members=4), rosenbrock, start)
    assert many["loss"] <= alone["loss"] * (1 + 1e-6)


def test_adam_equals_a_plain_loop_over_two_cycles():
    def noisy(params, key, number):
        target = jax.random.normal(jax.random.fold_in(key, number), (3,))
        value = jnp.sum((params - target) ** 2)
        return value, {"data": value}

    solver, params = Adam(learning_rate=0.1, updates=5), jnp.ones(3)
    state = solver.init(params, cycles=2)
    expected, optimiser = params, optax.adam(optax.cosine_decay_schedule(0.1, 10))
    theirs = optimiser.init(expected)
    run, slope = cycle_of(solver, noisy, 2), jax.jit(jax.grad(lambda p, k, i: noisy(p, k, i)[0]))
    for cycle in range(2):
        key = jax.random.key(cycle)
        params, state, _ = run(params, state, key)
        for i in range(5):
            gradient = slope(expected, key, i)
            step, theirs = optimiser.update(gradient, theirs)
            expected = optax.apply_updates(expected, step)
    np.testing.assert_allclose(params, expected, atol=1e-6)


def test_adam_clips_gradients_as_optax_does():
    """Gradients of changing size, so that it matters for Adam that they are clipped."""

    def growing(params, key, number):
        value = (1 + number) ** 2 * (jnp.sum(jnp.sin(params["w"])) + jnp.sum(params["b"] ** 2))
        return value, {"data": value}

    start = {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}
    solver = Adam(learning_rate=0.1, updates=6, clip=0.5)
    found, _, _ = solve(solver, growing, start)
    plain, _, _ = solve(Adam(learning_rate=0.1, updates=6), growing, start)
    adam = optax.adam(optax.cosine_decay_schedule(0.1, 6))
    optimiser, expected = optax.chain(optax.clip_by_global_norm(0.5), adam), start
    state = optimiser.init(start)
    for i in range(6):
        gradient = jax.grad(lambda p, i=i: growing(p, None, i)[0])(expected)
        step, state = optimiser.update(gradient, state, expected)
        expected = optax.apply_updates(expected, step)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected)
    assert np.abs(found["w"] - plain["w"]).max() > 1e-3


def test_adam_warms_up():
    """On a slope of 1 each step of Adam is as long as its rate: the rise, then the cosine."""
    start, steps = jnp.float32(0.0), []
    solver = Adam(learning_rate=0.1, updates=1, warmup=4)
    params, state = start, solver.init(start, cycles=10)
    run = cycle_of(solver, loss(lambda p: p), 10)
    for _ in range(10):
        before = params
        params, state, _ = run(params, state, jax.random.key(0))
        steps.append(float(before - params))
    cosine = 0.05 * (1 + np.cos(np.pi * np.arange(6) / 6))
    np.testing.assert_allclose(steps, [0, 0.025, 0.05, 0.075, *cosine], atol=1e-5)


def test_adam_returns_the_average_of_its_iterates():
    """Which it carries on besides: over 20 of 40 cycles, against a plain loop of averages."""
    start = {"x": jnp.array([-1.2, 1.0, 0.5])}
    plain, averaged = (Adam(learning_rate=0.1, updates=1, average=a) for a in (0.0, 0.6))
    iterate, state = start, plain.init(start, cycles=40)
    found, theirs = start, averaged.init(start, cycles=40)
    expected = np.asarray(start["x"])
    alone, both = (cycle_of(solver, rosenbrock, 40) for solver in (plain, averaged))
    for i in range(20):
        iterate, state, _ = alone(iterate, state, jax.random.key(0))
        found, theirs, _ = both(found, theirs, jax.random.key(0))
        kept = min(0.6, (i + 1) / (i + 10))
        expected = kept * expected + (1 - kept) * np.asarray(iterate["x"])
    np.testing.assert_allclose(found["x"], expected, atol=1e-5)
    np.testing.assert_allclose(theirs.iterate, iterate["x"], atol=1e-6)
    assert np.abs(expected - np.asarray(iterate["x"])).max() > 1e-3


def test_adams_rate_falls_to_zero_over_the_whole_run():
    def slope(params, key, number):
        return params, {"data": params}

    solver, steps = Adam(learning_rate=0.1, updates=50), []
    params, state = jnp.float32(0.0), solver.init(jnp.float32(0.0), cycles=2)
    run = cycle_of(solver, slope, 2)
    for _ in range(2):
        after, state, _ = run(params, state, jax.random.key(0))
        steps.append(float(params - after))
        params = after
    rates = 0.1 * 0.5 * (1 + np.cos(np.pi * np.arange(100) / 100))
    np.testing.assert_allclose(steps, rates.reshape(2, 50).sum(1), rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(learning_rate=0.0), "learning_rate"),
        (lambda: Adam(warmup=-1), "warmup = -1"),
        (lambda: Adam(learning_rate=float("nan")), "learning_rate = nan"),
        (lambda: Adam(clip=0.0), "clip = 0.0"),
        (lambda: Adam(average=1.0), "average = 1.0"),
        (lambda: Adam(updates=0), "updates"),
        (lambda: LBFGS(iterations=0), "iterations"),
        (lambda: LBFGS(memory=0), "memory"),
        (lambda: LBFGS(tolerance=0.0), "tolerance"),
        (lambda: JaxoptLBFGS(iterations=0), "iterations = 0"),
        (lambda: JaxoptLBFGS(tolerance=0.0), "tolerance = 0.0"),
        (lambda: MultiStart(LBFGS(), members=1), "members"),
        (lambda: MultiStart(LBFGS(), spread=0.0), "spread"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
