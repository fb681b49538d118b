import numpy as np
import pytest

from hycojax.grid.domain import Boundary, Channel, Domain, with_channels
from hycojax.grid.transfers import restricted

CHANNELS = (Channel("d"), Channel("u", face=0), Channel("v", face=1), Channel("q", static=True))


def box(boundary=Boundary.CLOSED, shape=(4, 8)):
    return with_channels(Domain(shape, (2.0, 8.0), boundary), CHANNELS)


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
    assert box().dynamic == (0, 1, 2)


def test_channels_take_the_place_of_others():
    other = with_channels(box(), CHANNELS[:1])
    assert other.channels == CHANNELS[:1]
    assert other == with_channels(Domain((4, 8), (2.0, 8.0), Boundary.CLOSED), CHANNELS[:1])


def test_periodic_faces_all_evolve():
    assert box(Boundary.PERIODIC).evolves()[..., :3].all()


@pytest.mark.parametrize("boundary", Boundary)
def test_restriction_keeps_integrals_and_divergence(boundary):
    """The coarse divergence is the mean of the fine one: Gauss' theorem on each coarse cell."""
    coarse = box(boundary)
    fine = coarse.refine(2)
    rng = np.random.default_rng(0)
    state = rng.normal(size=(*fine.shape, 4)).astype(np.float32) * fine.evolves()
    kept = np.asarray(restricted(coarse, state, 2))
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
    assert restricted(coarse, path, 2).shape == (3, 5, 4, 8, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (4, 4, 4)}, "domain.size"),
        ({"shape": (2, 8)}, "at least 4 cells"),
        ({"size": (1.0, -1.0)}, "must be positive"),
        ({"size": (1.0, float("nan"))}, r"size\[1\] = nan: a finite number"),
        ({"shape": (4, 8.5)}, r"shape\[1\] = 8.5: a whole number"),
        ({"boundary": "open"}, "boundary = 'open': one of 'periodic', 'closed'"),
        ({"shape": (), "size": ()}, "1 to 3 axes"),
    ],
)
def test_a_box_that_can_not_be_is_refused(change, message):
    fields = {"shape": (4, 8), "size": (2.0, 8.0), "boundary": Boundary.CLOSED, **change}
    with pytest.raises(ValueError, match=message):
        Domain(**fields)


def test_a_box_may_be_given_by_lists_and_numbers_of_other_kinds():
    given = Domain(np.array([4, 8]), [2, np.float32(8)], "closed")
    assert given == Domain((4, 8), (2.0, 8.0), Boundary.CLOSED)
    assert [type(value) for value in (*given.shape, *given.size)] == [int, int, float, float]


@pytest.mark.parametrize("boundary", Boundary)
def test_averages_undo_a_coarse_constant_and_keep_the_mean(boundary):
    domain = box(boundary, (8, 12))
    values = np.random.default_rng(0).normal(size=(8, 12)).astype(np.float32)
    coarse = domain.average(values, 2)
    assert coarse.shape == domain.coarsen(2).shape == (4, 6)
    np.testing.assert_allclose(coarse[1, 2], values[2:4, 4:6].mean(), rtol=1e-6)
    np.testing.assert_allclose(coarse.mean(), values.mean(), rtol=1e-4)


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_prolongation_is_exact_for_what_is_linear(boundary, factor):
    """Between the outermost centres; a periodic box goes on across its ends."""
    domain = Domain((12, 24), (3.0, 6.0), boundary)
    coarse = domain.coarsen(factor)
    x, y = coarse.centers()
    found = np.asarray(domain.prolong((2 * x - 3 * y + 1).astype(np.float32), factor))
    inner = (slice(factor, -factor),) * 2
    expected = 2 * domain.centers()[0] - 3 * domain.centers()[1] + 1
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-5)
    constant = domain.prolong(np.full(coarse.shape, 0.7, np.float32), factor)
    np.testing.assert_allclose(constant, 0.7, rtol=1e-6)


def test_prolongation_of_a_periodic_wave_has_order_2(order):
    sizes, errors = [8, 16, 32], []
    for n in sizes:
        domain = Domain((4 * n,), (1.0,), Boundary.PERIODIC)
        wave = [np.sin(2 * np.pi * d.centers()[0]) for d in (domain.coarsen(4), domain)]
        errors.append(np.abs(domain.prolong(wave[0].astype(np.float32), 4) - wave[1]).max())
    assert 1.9 < order(sizes, errors) < 2.1


@pytest.mark.parametrize("factor", [0, 3])
def test_a_coarsening_that_does_not_divide_is_refused(factor):
    with pytest.raises(ValueError, match=f"{factor} does not divide"):
        box().coarsen(factor)
