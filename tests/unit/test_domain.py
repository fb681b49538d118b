import numpy as np
import pytest

from hycojax.domain import Boundary, Channel, Domain


def box(boundary=Boundary.CLOSED, shape=(4, 8)):
    channels = (Channel("d"), Channel("u", face=0), Channel("v", face=1), Channel("q", static=True))
    return Domain(shape, (2.0, 8.0), boundary, channels)


def test_centers_lie_half_a_cell_from_the_walls():
    x, y = box().centers()
    assert x[0, 0] == 0.25
    assert x[-1, 0] == 1.75
    assert y[0, 0] == 0.5
    assert y[0, -1] == 7.5


def test_static_channels_and_wall_faces_do_not_evolve():
    evolves = box().evolves()
    assert evolves[..., 0].all()
    assert not evolves[0, :, 1].any()
    assert evolves[1:, :, 1].all()
    assert not evolves[:, 0, 2].any()
    assert evolves[:, 1:, 2].all()
    assert not evolves[..., 3].any()


def test_periodic_faces_all_evolve():
    assert box(Boundary.PERIODIC).evolves()[..., :3].all()


@pytest.mark.parametrize("boundary", Boundary)
def test_restriction_keeps_integrals_and_divergence(boundary):
    """The coarse divergence is the mean of the fine one: Gauss' theorem on each coarse cell."""
    coarse = box(boundary)
    fine = coarse.refine(2)
    rng = np.random.default_rng(0)
    state = rng.normal(size=(*fine.shape, 4)).astype(np.float32) * fine.evolves()
    kept = np.asarray(coarse.restrict(state, 2))
    assert kept.shape == (*coarse.shape, 4)
    np.testing.assert_allclose(kept[..., 0].mean(), state[..., 0].mean(), atol=1e-6)

    def divergence(s, dx):
        # A closed box stores its upper walls nowhere; they are zero like the lower ones.
        return sum((np.roll(s[..., 1 + i], -1, i) - s[..., 1 + i]) / dx[i] for i in range(2))

    blocks = divergence(state, fine.dx).reshape(4, 2, 8, 2).mean((1, 3))
    np.testing.assert_allclose(divergence(kept, coarse.dx), blocks, atol=1e-5)


def test_restriction_keeps_leading_axes():
    coarse = box()
    path = np.ones((3, 5, *coarse.refine(2).shape, 4), np.float32)
    assert coarse.restrict(path, 2).shape == (3, 5, 4, 8, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (4, 4, 4)}, "domain.size"),
        ({"shape": (2, 8)}, "at least 4 cells"),
        ({"size": (1.0, -1.0)}, "must be positive"),
        ({"size": (1.0, float("nan"))}, "must be positive"),
        ({"shape": (), "size": ()}, "1 to 3 axes"),
    ],
)
def test_a_box_that_can_not_be_is_refused(change, message):
    fields = {"shape": (4, 8), "size": (2.0, 8.0), **change}
    with pytest.raises(ValueError, match=message):
        Domain(boundary=Boundary.CLOSED, channels=(Channel("d"),), **fields)
