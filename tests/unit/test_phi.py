import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hycojax import phi
from hycojax.domain import Boundary, Domain
from hycojax.physics import smoke


@pytest.mark.parametrize("enabled", [False, True])
def test_import_leaves_double_precision_as_it_was(enabled):
    code = f"import jax; jax.config.update('jax_enable_x64', {enabled}); import hycojax.phi; "
    code += "print(jax.config.jax_enable_x64)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == str(enabled)


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 8)])
def test_arrays_survive_the_border(boundary, shape):
    domain = Domain(shape, shape, boundary, smoke.channels(len(shape)))
    rng = np.random.default_rng(0)
    state = jnp.asarray(rng.normal(size=(*shape, len(domain.channels))) * domain.evolves(), "f4")
    faces = [state[..., 1 + i] for i in range(len(shape))]
    back = phi.face_values(phi.staggered(domain, faces))
    for sent, returned in zip(faces, back, strict=True):
        np.testing.assert_array_equal(returned, sent)
    np.testing.assert_array_equal(
        phi.cell_values(phi.centered(domain, state[..., 0])), state[..., 0]
    )


def test_a_step_works_under_every_transformation_without_leaks(plume):
    state = plume.sample(jax.random.key(0))

    def loss(b, states):
        def path(s):
            forward = jax.checkpoint(lambda c: plume.forward({"buoyancy": b}, c))
            return jax.lax.scan(lambda c, _: (forward(c), None), s, length=2)[0]

        return jnp.mean(jax.vmap(path)(states) ** 2)

    with jax.checking_leaks():
        value, gradient = jax.jit(jax.value_and_grad(loss))(0.1, jnp.stack([state, state]))
    assert jnp.isfinite(value)
    assert gradient > 0  # more buoyancy, more motion


def test_a_step_keeps_the_precision_of_its_state(plume):
    state = plume.sample(jax.random.key(0))
    assert jax.jit(plume.forward)({"buoyancy": 0.1}, state).dtype == jnp.float32
    with jax.enable_x64(True):
        double = state.astype(jnp.float64)
        assert jax.jit(plume.forward)({"buoyancy": 0.1}, double).dtype == jnp.float64
