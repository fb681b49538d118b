"""Standard deviations and marginal slopes, against dense algebra in double precision.

Heat on a line; the state is stepped by the model, residuals and matrices are written out here.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import hycojax as hj
from hycojax.data.observations import Dense, First, Observations, Observed, Statistics
from hycojax.grid import filters
from hycojax.grid.domain import PERIODIC
from hycojax.inference import marginal, priors
from hycojax.inference.deviations import doubts
from hycojax.models.model import beginnings
from hycojax.models.pde import Unconstrained
from hycojax.solvers import INITIAL_STATES

CELLS, STEPS, SYSTEMS, NOISE, SCALE = 8, 12, 2, 0.1, 1.5
BOX = hj.Domain((CELLS,), (1.0,), PERIODIC)
PHYSICS = hj.physics.Heat(diffusivity=hj.Unknown(start=0.03, low=0.0)).on(BOX, 0.1)


@dataclass
class Case:
    """What is known, the parameters, and the same in double precision as functions of vectors."""

    first: First
    parts: tuple
    params: dict
    residuals: object
    sure: np.ndarray

    @property
    def point(self):
        """The vector of parameters: the diffusivity's number, then those of the first states."""
        q = self.params.get(INITIAL_STATES, np.zeros(0))
        return np.concatenate([[self.params["diffusivity"]], np.ravel(q)]).astype(float)


def root_of(spectrum):
    """Return the filter of a prior as a matrix."""
    units = np.eye(CELLS, dtype=np.float32)
    return np.asarray(jax.vmap(lambda q: filters.filtered(BOX, spectrum, q))(units), float).T


def case(kind, spacing=1):
    """Return noisy measurements of every `spacing`-th cell, about a point near the truth."""
    rng = np.random.default_rng(0)
    spectrum = filters.matern(BOX, 1.0, 0.3)
    root, shape = root_of(spectrum), (SYSTEMS, CELLS, 1)
    truth = (root @ rng.normal(size=shape)).astype(np.float32)
    mean = truth if kind == "known" else 0 * truth
    q = rng.normal(size=shape).astype(np.float32)
    seen = np.zeros((SYSTEMS, STEPS + 1, CELLS, 1), bool)
    seen[:, 1 if kind == "known" else 0 :, ::spacing] = True
    weights = rng.uniform(0.5, 1.5, seen.shape).astype(np.float32)
    sizes = np.linspace(0.5, 2.0, spectrum.size).astype(np.float32)  # of the search's numbers
    about = {"spectrum": (spectrum * sizes,), "sizes": (sizes,), "shells": (filters.shells(BOX),)}
    prior = {**about, "start": q}
    prior = prior if kind == "estimated" else {}
    size, root = root_of(sizes), root @ root_of(sizes)
    measured = np.ones(shape, bool) if kind == "measured" else None
    first = First(mean, measured=measured, kind=kind, **prior)
    params = {"diffusivity": jnp.float32(0.2)}
    if kind != "known":
        params[INITIAL_STATES] = jnp.asarray(q * (1.0 if kind == "estimated" else 0.1))
    unit = 0.1 * np.sqrt(mean.size) * SCALE

    def states(q):
        if kind == "known":
            return jnp.asarray(truth, float)
        own = q.reshape(shape)
        return mean + (root @ own if kind == "estimated" else unit * own)

    def path(x):
        value, state = {"diffusivity": 0.03 * jnp.exp(x[0])}, states(x[1:])
        found = [state]
        for _ in range(STEPS):
            found.append(jax.vmap(lambda s: PHYSICS.forward(value, s))(found[-1]))
        return jnp.stack(found, 1)

    start = np.concatenate([[0.2], np.ravel(params.get(INITIAL_STATES, np.zeros(0)))])
    with jax.enable_x64(True):
        exact = np.asarray(path(jnp.asarray(start, float)))
    noisy = exact + NOISE * SCALE / np.sqrt(weights) * rng.normal(size=exact.shape)
    values = np.where(seen, noisy, 0).astype(np.float32)

    def residuals(x):
        off = jnp.sqrt(weights) * (path(x) - values) / (SCALE * NOISE)
        return off[seen]

    sure = np.zeros((len(start), len(start)))
    if kind == "estimated":  # |size q|^2 of each system
        sure[1:, 1:] = np.kron(np.eye(SYSTEMS), size.T @ size)
    return Case(first, (Dense(values, seen, weights),), params, residuals, sure)


def dense(own):
    """Return residuals, their Jacobian and the curvature A, in double precision."""
    with jax.enable_x64(True):
        x = jnp.asarray(own.point)
        off, jacobian = (np.asarray(f(x)) for f in (own.residuals, jax.jacfwd(own.residuals)))
    return off, jacobian, jacobian.T @ jacobian + own.sure


def in_shells(own):
    """Return S Pi S of each shell: its part of what the prior adds to the curvature."""
    size, shells = own.first.sizes[0], own.first.shells[0]
    roots = [root_of(np.where(shells == number, size, 0)) for number in range(filters.SHELLS)]
    return [np.kron(np.eye(SYSTEMS), root.T @ root) for root in roots]


def observations(own):
    """Return the measurements of a case as a search sees them."""
    seen = Observed(own.parts, own.first, None, np.zeros((SYSTEMS, STEPS + 1), bool))
    numbers = Statistics(jnp.zeros(1), jnp.full(1, SCALE), jnp.ones(1))
    return Observations(seen, seen, numbers, jnp.float32(NOISE), whole=False)


@pytest.mark.parametrize(
    ("kind", "spacing"), [("known", 1), ("measured", 1), ("estimated", 1), ("estimated", 4)]
)
def test_a_standard_deviation_is_that_of_gauss_newton(kind, spacing):
    """sigma^2 g^T A^-1 g, sigma^2 by the residuals over their degrees of freedom."""
    own = case(kind, spacing)
    off, jacobian, curvature = dense(own)
    inverse = np.linalg.inv(curvature)
    freedom = len(off) - np.trace(jacobian @ inverse @ jacobian.T)
    slope = 0.03 * np.exp(0.2)  # of the diffusivity by its number
    expected = slope * np.sqrt(np.sum(off**2) / freedom * inverse[0, 0])
    scale = np.full(1, SCALE, np.float32)
    found = doubts(PHYSICS, None, own.first, own.parts, scale, NOISE, own.params)
    np.testing.assert_allclose(found["diffusivity"].sd, expected, rtol=0.015)
    if kind != "known":  # first states that are not known cost precision
        alone = slope * np.sqrt(np.sum(off**2) / freedom / curvature[0, 0])
        assert expected > 1.1 * alone


def test_a_stated_noise_that_is_wrong_changes_nothing():
    """The residuals tell the size of the noise: twice as much is no more uncertain."""
    own = case("known")
    scale = np.full(1, SCALE, np.float32)
    one, other = (
        doubts(PHYSICS, None, own.first, own.parts, scale, noise, own.params)["diffusivity"].sd
        for noise in (NOISE, 2 * NOISE)
    )
    np.testing.assert_allclose(one, other, rtol=1e-2)


def with_noise(own, noise):
    """Return a part with other errors, over sigma, by Student's t of 4 degrees."""
    (part,), off = own.parts, np.zeros(own.parts[0].seen.shape)
    off[part.seen] = dense(own)[0]
    root = np.sqrt(part.weights)
    exact = part.values + off * SCALE * NOISE / root
    values = exact + SCALE * NOISE / root * noise
    values = np.where(part.seen, values, 0).astype(np.float32)
    return (replace(part, values=values, degrees=4.0),)


def test_student_s_errors_tell_by_their_own_information():
    """Fisher's, (nu + 1) / (nu + 3) of that of normal errors; of outliers little is told."""
    own, rng = case("known"), np.random.default_rng(5)
    scale, shape = np.full(1, SCALE, np.float32), own.parts[0].seen.shape

    def sd(parts):
        return doubts(PHYSICS, None, own.first, parts, scale, NOISE, own.params)["diffusivity"].sd

    _, _, curvature = dense(own)
    expected = 0.03 * np.exp(0.2) / np.sqrt(curvature[0, 0] * 5 / 7)
    np.testing.assert_allclose(sd(with_noise(own, rng.standard_t(4, shape))), expected, rtol=0.15)
    noise = rng.normal(size=shape)
    spoiled = np.where(rng.uniform(size=shape) < 0.08, 100 * np.sign(noise), noise)
    one, other = (sd(with_noise(own, own_noise)) for own_noise in (noise, spoiled))
    assert one < other < 2 * one


def test_what_the_measurements_do_not_tell_has_no_deviation():
    """The diffusivity of a state without any gradient."""
    own = case("known")
    first = First(np.ones_like(own.first.mean))
    scale = np.full(1, SCALE, np.float32)
    found = doubts(PHYSICS, None, first, own.parts, scale, NOISE, own.params)["diffusivity"].sd
    assert not np.isfinite(found) or found > 1e3


@pytest.mark.parametrize("spacing", [1, 4])
def test_the_uncertainty_of_first_states_has_the_slope_of_its_determinant(monkeypatch, spacing):
    """Of 1/2 log det A, A over the numbers of first states: by central differences of NumPy."""
    own = case("estimated", spacing)

    def half_log_determinant(x):
        with jax.enable_x64(True):
            at = jnp.asarray(x)
            jacobian = np.asarray(jax.jacfwd(own.residuals)(at))[:, 1:]
        return np.linalg.slogdet(jacobian.T @ jacobian + own.sure[1:, 1:])[1] / 2

    step = np.zeros(len(own.point))
    step[0] = 1e-3
    ends = [half_log_determinant(own.point + sign * step) for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / 2e-3
    monkeypatch.setattr(marginal, "_SAMPLES", 300)  # two are enough in a search, on the average
    data, factors = observations(own), priors.untold(own.first)
    program = jax.jit(marginal.uncertain, static_argnums=(0, 1))
    slope, shaped = program(PHYSICS, Unconstrained(PHYSICS), data, own.params, factors)
    np.testing.assert_allclose(slope["diffusivity"], expected, rtol=0.05)
    assert set(slope) == {"diffusivity"}
    assert expected < -0.1
    _, _, curvature = dense(own)
    inverse, q = np.linalg.inv(curvature[1:, 1:]), own.point[1:]
    waves = SYSTEMS * filters.waves_in_shells(BOX)
    gamma = [n - np.trace(part @ inverse) for n, part in zip(waves, in_shells(own), strict=True)]
    square = [q @ part @ q for part in in_shells(own)]
    step = (np.array(square) + 0.5) / (np.array(gamma) + 0.5)
    np.testing.assert_allclose(shaped[0] ** 2, np.clip(step, 0.1, 10), rtol=0.2)
    measured = replace(data.training, first=case("measured").first)
    about = Unconstrained(PHYSICS), replace(data, training=measured), own.params, None
    assert marginal.uncertain(PHYSICS, *about) == (None, None)


def test_a_prior_that_is_learned_is_the_likeliest(monkeypatch):
    """Five sensors: other factors of the shells have less evidence, by dense algebra."""
    monkeypatch.setattr(priors, "_LEAST", 1e-3)
    own, noise, rng = case("estimated").first, 0.05, np.random.default_rng(3)
    field = root_of(own.spectrum[0])
    places = rng.normal(size=(SYSTEMS, 5, CELLS)) / np.sqrt(CELLS)
    values = (3 * places @ field @ rng.normal(size=(SYSTEMS, CELLS, 1)))[..., 0]
    values += noise * rng.normal(size=values.shape)
    signs = np.sign(rng.normal(size=(200, SYSTEMS, 5 + CELLS)))
    step = jax.jit(priors.learned, static_argnums=0)
    factors = priors.untold(own)
    for _ in range(40):
        now = priors.shaped(own, factors)
        size = root_of(now.sizes[0])
        best, ends = [], []
        for place, value, e in zip(places, values, np.moveaxis(signs, 1, 0), strict=True):
            read = place @ field / noise
            right = np.concatenate([read, size]).T  # of measurements and prior
            solve = np.linalg.inv(right @ right.T) @ right
            best.append(solve[:, :5] @ value / noise)
            ends.append(e @ solve.T)
        arrays = np.stack(best), np.stack(ends, 1), signs[..., 5:]
        factors = step(BOX, now, factors, *(np.float32(a)[..., None] for a in arrays))

    def evidence(factors):
        spread = root_of(own.spectrum[0] / priors.shaped(own, factors).sizes[0])
        found = 0.0
        for place, value in zip(places, values, strict=True):
            covariance = place @ spread @ spread.T @ place.T + noise**2 * np.eye(5)
            square = value @ np.linalg.solve(covariance, value)
            found -= (np.linalg.slogdet(covariance)[1] + square) / 2
        return found

    best = evidence(factors)
    assert best > evidence(priors.untold(own)) + 1
    for shell in np.unique(own.shells[0]):
        for other in (0.7, 1.4):
            assert evidence(factors.at[0, shell].multiply(other)) < best + 0.05


def test_the_grid_s_part_of_an_error_is_told(cell_means):
    """Of a viscosity by the limited scheme, from the closed form of Cole and Hopf.

    The scheme is of second order: the finer model has a quarter of the error left.
    """
    nu, time, steps = 0.02, 0.5, 8
    domain = hj.Domain((24,), (1.0,), PERIODIC)
    (x,) = domain.centers()

    def wave(t):
        k = 2 * np.pi
        decayed = 0.8 * np.exp(-nu * k**2 * t)
        return 2 * nu * k * decayed * np.sin(k * x) / (1 + decayed * np.cos(k * x))

    path = np.stack([cell_means(wave(time * i / steps)) for i in range(steps + 1)])
    path = path[None, ..., None].astype(np.float32)
    parts = (Dense(path, np.ones(path.shape, bool)),)
    pde = hj.physics.Burgers(viscosity=hj.Unknown(start=nu), fronts="limited", pieces=1)
    physics, finer = (replace(pde, pieces=n).on(domain, time / steps, finer=n) for n in (1, 2))

    @jax.jit
    def loss(z):
        found = physics.predict({"viscosity": nu * jnp.exp(z)}, beginnings(path[:, 0]), steps)
        return jnp.mean((found - path) ** 2) / np.var(path)

    best = minimize_scalar(loss, bounds=(-1, 1), method="bounded", options={"xatol": 1e-4}).x
    scale = np.array([path.std()])
    about = First(path[:, 0]), parts, scale, 1e-3, {"viscosity": jnp.float32(best)}
    doubt = doubts(physics, finer, *about)["viscosity"]
    error = nu * (np.exp(best) - 1)
    assert abs(error) > 0.01 * nu
    assert 0.5 < doubt.discretisation / error < 1.1
    assert np.isnan(doubts(physics, None, *about)["viscosity"].discretisation)
