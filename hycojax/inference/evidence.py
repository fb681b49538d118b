"""How much a partner counts: by what it predicts better of the values that are held out."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

#: A partner counts only beyond so many standard errors.
_SURE = 2.0
#: Less trust than this is none: what so little brings is not worth what the players meet for.
_LEAST = 0.01
#: Sums of squares so large are those of a player that has diverged: single precision ends at 3e38.
_LOST = 1e15
#: A partner that knows more than this of what is to be learned says where systems begin,
_LEADING = 0.5
#: unless its mean square is so many times that of the player in training.
_TOO_FAR = 10.0


def trust(
    own: Float[Array, "simulation time channels"],
    partner: Float[Array, "simulation time channels"],
    counts: Float[Array, "simulation time channels"],
    noise: Float[Array, ""],
    fitted: Float[Array, ""],
    limited: bool,
) -> tuple[Float[Array, " channels"], Float[Array, " channels"]]:
    """Return how much a partner counts in each channel, and how much it knows: from 0 to 1.

        known = max(0, m_own - max(m_partner, l) - 2 s) / (m_own - sigma^2) * harmless
        trust = known * min(1, f / m_partner)

    with m the mean weighted squares of the distances from the values that are held out, s the
    standard error of m_own - m_partner, and sigma^2 the noise, or the lower of both m if that is
    less. Divided by 2 sigma^2, numerator and denominator are gains in log-likelihood per value: of
    the partner over oneself, two standard errors on the safe side, and of the truth over oneself.
    So `known` is the share of what one has to learn that the partner is known to know: a skill
    score.

    A partner's trajectories are states of all channels. Where it is known to be worse in one, the
    others are learned from states that no system has: harmless = 1 - w, with w the highest of the
    skill scores of the player over its partner, max(0, m_partner - m_own - 2 s) / (m_partner -
    sigma^2).

    The partner's trajectories count beside the recordings as measurements with its errors do, f
    over m_partner, with f the player's mean square in its training: to the player that is the
    noise. So a network that fits the recordings well learns little from a poor PDE, even while its
    own rollouts are worse.

    What a PDE can't fit by its few coefficients, l = f, no partner can teach it: so a PDE that
    lacks a term learns nothing from a network that knows the term. A network is not limited, l = 0:
    what it does not fit, it has not learned yet.

    Nothing tells of a player that was not validated (negative), a partner that has diverged counts
    for nothing, and a trust below 0.01 is none. Channels without held-out values have the trust of
    all others together.

    Args:
        own: Sums of the player's squares, in each frame of each system.
        partner: Those of its partner.
        counts: How many values these are sums over.
        noise: Standard deviation of the noise, in the same unit.
        fitted: Mean square of the player where it is trained, over all channels; negative: not
            told.
        limited: Whether the player can't fit more than that.

    Source: Murphy, "Skill scores based on the mean square error and their relationships to the
    correlation coefficient", Mon. Weather Rev. 116 (1988), equation 1; the standard error of a
    difference by Vuong, Econometrica 57 (1989), section 4, and Diebold, Mariano, J. Bus. Econ.
    Stat. 13 (1995).
    """
    own, partner, counts = (_with_all(a.reshape(-1, a.shape[-1])) for a in (own, partner, counts))
    lost = [jnp.any(sums >= _LOST, 0) for sums in (own, partner)]
    unseen = jnp.any((own < 0) | (partner < 0))  # nobody has looked yet
    own, partner = (jnp.where(sums < _LOST, sums, 0) for sums in (own, partner))
    count, tells = jnp.maximum(jnp.sum(counts, 0), 1), jnp.sum(counts > 0, 0) > 0
    ours, theirs = jnp.sum(own, 0) / count, jnp.sum(partner, 0) / count
    doubt = _SURE * _standard_error(own, partner, counts) / count
    least = jnp.minimum(noise**2, jnp.minimum(ours, theirs))
    unfit = jnp.maximum(fitted, 0) * ours / _positive(ours[-1])  # the same ratio in all channels
    known = _share(ours - (jnp.maximum(theirs, unfit) if limited else theirs) - doubt, ours - least)
    known = jnp.where(lost[0] | lost[1], lost[0] & ~lost[1], known)
    worse = _share(theirs - ours - doubt, theirs - least)
    worse = jnp.where(lost[0] | lost[1], lost[1], worse)
    full = (fitted < 0) | (unfit > theirs) | lost[0][-1]
    precise = jnp.where(full, 1.0, unfit / _positive(theirs))
    known = jnp.where(unseen, 0.0, known * (1 - jnp.max(worse[:-1])))
    known, precise = (jnp.where(tells[:-1], a[:-1], a[-1]) for a in (known, precise))
    counted = known * precise
    return jnp.where(counted < _LEAST, 0.0, counted), known


def leads(trust: Float[Array, " channels"], known: Float[Array, " channels"]) -> Array:
    """Return whether a partner says where systems begin, by what `trust` returns of what evolves.

    Trust falls as a player learns to fit, down to what the partner's errors are worth. So it is not
    asked to be large: starts that change sides from cycle to cycle set a network back.
    """
    known = jnp.mean(known)
    return (known > _LEADING) & (jnp.mean(trust) > known / _TOO_FAR)


def _standard_error(
    own: Float[Array, "frame channels"],
    partner: Float[Array, "frame channels"],
    counts: Float[Array, "frame channels"],
) -> Float[Array, " channels"]:
    """Return the standard error of the sum of own - partner, from how much it differs by frame.

    Rollouts get worse with time: that the last frames differ by more is no sign of chance. So the
    difference is taken as a share of the frame's size, D_t = R x_t + e_t with R = sum D / sum x,
    and its error by the jackknife, (n - 1) / n sum (e_t / (1 - x_t / sum x))^2. Sizes are both
    players' errors together, or the number of values (a constant difference, whatever the noise
    does to both): the lower error of these two counts. One frame tells nothing.

    Source: Cochran, "Sampling Techniques" (3rd ed. 1977), sections 6.3 and 6.17.
    """
    apart = own - partner

    def variance(sizes: Float[Array, "frame channels"]) -> Float[Array, " channels"]:
        frames = jnp.sum(sizes > 0, 0)
        share = sizes / _positive(jnp.sum(sizes, 0))
        left = (apart - share * jnp.sum(apart, 0)) / _positive(1 - share)
        found = jnp.sum(left**2, 0) * (frames - 1) / jnp.maximum(frames, 1)
        return jnp.where((frames > 1) & jnp.all(share < 1, 0), found, jnp.inf)

    return jnp.sqrt(jnp.minimum(variance(counts), variance(own + partner)))


def _share(part: Array, whole: Array) -> Array:
    """Return a part of a whole, if there is some."""
    return jnp.where(part > 0, part / _positive(whole), 0.0)


def _positive(values: Array) -> Array:
    """Return values that can be divided by: 1 in place of 0."""
    return jnp.where(values > 0, values, 1)


def _with_all(sums: Float[Array, "frame channels"]) -> Float[Array, "frame more"]:
    """Return sums with those over all channels as one more channel."""
    return jnp.concatenate([sums, jnp.sum(sums, 1, keepdims=True)], 1)
