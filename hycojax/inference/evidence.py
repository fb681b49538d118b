"""How much a partner counts: by what it predicts better of the values that are held out."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

#: A partner counts only beyond so many standard errors.
_SURE = 2.0
#: A partner that knows more than this of what is to be learned, in the mean of what evolves, says
#: where systems begin. That is not asked of the trust: trust falls as a player learns to fit, and
#: starts that change sides from cycle to cycle set a network back.
LEADING = 0.5


def trust(
    own: Float[Array, "simulation time channels"],
    partner: Float[Array, "simulation time channels"],
    counts: Float[Array, "simulation time channels"],
    noise: Float[Array, ""],
    fitted: Float[Array, ""],
    limited: bool,
) -> tuple[Float[Array, " channels"], Float[Array, " channels"]]:
    """Return how much a partner counts in each channel, and how much it knows: from 0 to 1.

        known = max(0, (m_own - max(m_partner, l) - 2 s) / (m_own - sigma^2))
        trust = known * min(1, f / m_partner)

    with m the mean weighted squares of the distances from the values that are held out, s the
    standard error of m_own - m_partner, and sigma^2 the noise, or the lower of both m if that is
    less. Divided by 2 sigma^2, numerator and denominator are gains in log-likelihood per value: of
    the partner over oneself, two standard errors on the safe side, and of the truth over oneself.
    So `known` is the share of what one has to learn that the partner is known to know: a skill
    score.
    The difference is taken value by value, so what the noise does to both drops out; the frames of
    the systems are taken as independent.

    The partner's trajectories count beside the recordings as measurements with its errors do, f
    over m_partner, with f the player's mean square where it is trained: to the player that is the
    noise. So a network that fits the recordings well learns little from a poor PDE, even while its
    own rollouts are worse.

    What a PDE can't fit by its few coefficients, l = f, no partner can teach it: so a PDE that
    lacks a term learns nothing from a network that knows the term. A network is not limited, l = 0:
    what it does not fit, it has not learned yet.

    Nothing tells of a player that was not validated (negative), and a partner that has diverged
    (infinite) counts for nothing. Channels without held-out values have the trust of all others
    together.

    Args:
        own: Sums of the player's squares, in each frame of each system.
        partner: Those of its partner.
        counts: How many values these are sums over.
        noise: Standard deviation of the noise, in the same unit.
        fitted: Mean square of the player where it is trained, over all channels; negative: not
            told.
        limited: Whether the player can't fit more than that.

    Source: Murphy, "Skill scores based on the mean square error and their relationships to the
    correlation coefficient", Mon. Weather Rev. 116 (1988), equation 1; the standard error by Vuong,
    Econometrica 57 (1989), section 4, and Diebold, Mariano, J. Bus. Econ. Stat. 13 (1995).
    """
    own, partner, counts = (_with_all(a.reshape(-1, a.shape[-1])) for a in (own, partner, counts))
    lost = [jnp.any(jnp.isinf(sums), 0) for sums in (own, partner)]
    own, partner = (jnp.where(jnp.isinf(sums), 0, sums) for sums in (own, partner))
    count, frames = jnp.maximum(jnp.sum(counts, 0), 1), jnp.sum(counts > 0, 0)
    ours, theirs = jnp.sum(own, 0) / count, jnp.sum(partner, 0) / count
    scatter = jnp.sum((own - partner - (ours - theirs) * counts) ** 2, 0) / count**2
    error = jnp.sqrt(scatter * frames / jnp.maximum(frames - 1, 1))
    error = jnp.where(frames > 1, error, jnp.inf)  # one frame tells nothing
    unfit = jnp.maximum(fitted, 0) * ours / _positive(ours[-1])  # the same ratio in all channels
    gain = ours - (jnp.maximum(theirs, unfit) if limited else theirs) - _SURE * error
    room = ours - jnp.minimum(noise**2, jnp.minimum(ours, theirs))
    precise = jnp.where((fitted < 0) | (unfit > theirs), 1.0, unfit / _positive(theirs))
    known = jnp.where(gain > 0, gain / _positive(room), 0.0)
    known = jnp.where(lost[0] | lost[1], lost[0] & ~lost[1], known)
    known = jnp.where(jnp.any((own < 0) | (partner < 0)), 0.0, known)  # nobody has looked yet
    precise = jnp.where(lost[0] | lost[1], 1.0, precise)
    known, precise = (jnp.where(frames[:-1] > 0, a[:-1], a[-1]) for a in (known, precise))
    return known * precise, known


def _positive(values: Array) -> Array:
    """Return values that can be divided by: 1 in place of 0."""
    return jnp.where(values > 0, values, 1)


def _with_all(sums: Float[Array, "frame channels"]) -> Float[Array, "frame more"]:
    """Return sums with those over all channels as one more channel."""
    return jnp.concatenate([sums, jnp.sum(sums, 1, keepdims=True)], 1)
