"""Times: at which frames something is seen."""

import numpy as np
import pytest

from hycojax.data.times import AllFrames, Chosen, Endpoints, EveryNth, Times


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (AllFrames(), range(7)),
        (Endpoints(), [0, 6]),
        (EveryNth(), [0, 2, 4, 6]),
        (EveryNth(1), range(7)),
        (EveryNth(3), [0, 3, 6]),
        (EveryNth(9), [0]),
        (Chosen((5, 2)), [2, 5]),
        (Chosen(()), []),
    ],
)
def test_times_are_the_frames_that_they_name(times, expected):
    frames = times.frames(7)
    assert isinstance(times, Times)
    assert frames.dtype == bool
    np.testing.assert_array_equal(np.flatnonzero(frames), list(expected))


@pytest.mark.parametrize("numbers", [(7,), (0, -1)])
def test_a_frame_that_does_not_exist_is_refused(numbers):
    with pytest.raises(ValueError, match=r"numbers = .*: frames 0 to 6 exist"):
        Chosen(numbers).frames(7)


@pytest.mark.parametrize("n", [0, -2])
def test_an_impossible_distance_of_frames_is_refused(n):
    with pytest.raises(ValueError, match=f"n = {n}: at least 1"):
        EveryNth(n)
