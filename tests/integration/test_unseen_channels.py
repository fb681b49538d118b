"""Of two substances one is seen: the other's first state needs a prior, and then it is found."""

from dataclasses import replace

import numpy as np
import pytest

import hycojax as hj
from hycojax.data import simulated
from hycojax.errors import InputError

BOX = hj.Domain((32,), (32.0,), hj.PERIODIC)
TRUTH, SIGMA = hj.physics.GrayScott(), 0.002


@pytest.fixture(scope="module")
def path():
    """Return a trajectory `[time, x, channel]`, frames 4 s apart."""
    data = hj.Simulated(TRUTH, training=1, validation=0, test=0, steps=8, refinement=1)
    return simulated.simulate(data, BOX, 4.0, 0)["training"][0]


def experiment(path, first):
    """Return a search for the feed rate from what is seen of the catalyst."""
    noisy = path[..., 1] + SIGMA * np.random.default_rng(0).normal(size=path.shape[:-1])
    film = hj.Film("v", "1", 4.0 * np.arange(9), (np.arange(32) + 0.5,), noisy, SIGMA)
    return hj.Experiment(
        name="unseen",
        domain=BOX,
        interval=4.0,
        physical=hj.Physical(replace(TRUTH, feed=hj.Unknown(start=0.06)), hj.LBFGS(iterations=20)),
        synthetic=hj.Synthetic(hj.networks.ConvNet(), hj.Adam()),
        data=hj.Recordings((hj.System("one", (film,)),), first=first),
        mode="physical",
        schedule=hj.Schedule(warmup=0, cycles=2),
    )


def test_a_prior_of_what_nobody_sees_is_enough(path):
    prior = hj.Prior(mean=1.0, amplitude=0.05)
    result = hj.fit(experiment(path, hj.Estimated({"u": prior})))
    first = result.tried["recorded"].first
    assert first.kind == "estimated"
    np.testing.assert_array_equal(first.mean[..., 0], 1.0)
    assert not first.ties
    found = result.parameters["feed"]
    print(f"\nfeed: {found.estimate:.5f} ± {found.sd:.5f}")
    assert 0 < found.sd < 0.3 * TRUTH.feed
    assert abs(found.estimate - TRUTH.feed) < 2 * found.sd
    seen, unseen = (result.predictions["physical"]["recorded"].values[0, 0, :, c] for c in (1, 0))
    assert np.abs(seen - path[0, :, 1]).max() < 3 * SIGMA
    assert np.abs(unseen - path[0, :, 0]).max() < 3 * prior.amplitude


@pytest.mark.parametrize("first", [None, hj.Estimated(), hj.Estimated({"u": hj.Prior(mean=1.0)})])
def test_without_a_prior_it_is_refused(path, first):
    with pytest.raises(InputError, match=r"u is never seen, so nothing tells of its first state: "):
        hj.fit(experiment(path, first))
