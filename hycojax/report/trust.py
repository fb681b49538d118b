"""What came of the trust between the players, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hycojax.game.state import NAMES
from hycojax.run.record import Record
from hycojax.solvers import Reason

#: From so many squares of the noise on, recordings refute a model.
FAR = 3.0
_TITLES = {"synthetic": "the network", "physical": "the PDE"}


def told(
    history: Sequence[Record], meeting: Collection[str], noise: float, apart: bool = False
) -> list[str]:
    """Return a sentence on each player that evidence left alone to the end.

    And one if the network pulled at the PDE to the end. Cycles before the players meet, and those
    in which a player has no turn, tell nothing.

    Args:
        history: Records of all cycles.
        meeting: Players that learn from their partner, if that one is worth it.
        noise: Standard deviation of the noise over the scale; 0 if there is none.
        apart: Whether the players see different recordings: the PDE is then no worse for what it
            predicts badly of those that it has not seen.
    """
    found = []
    for name in filter(meeting.__contains__, NAMES):
        turns = [(r.cycle, r.players[name]) for r in history if r.phase == "hybrid"]
        trusts = [(c, max(p.trust.values())) for c, p in turns if p.reason != Reason.FROZEN.words]
        heard = [cycle for cycle, trust in trusts if trust > 0]
        alone = [cycle for cycle, _ in trusts if not heard or cycle > heard[-1]]
        if alone:
            found.append(_apart(name, history[-1], noise, alone[0], apart))
        elif trusts and name == "physical":
            found.append(
                f"the network pulls at the PDE to the end, with a trust of {trusts[-1][1]:.2g}: "
                "standard deviations leave that out"
            )
    return found


def led(history: Sequence[Record], name: str, cycle: int) -> bool:
    """Return whether a player began where its partner did in a cycle."""
    return any(record.players[name].led for record in history if record.cycle == cycle)


def _apart(name: str, last: Record, noise: float, cycle: int, apart: bool) -> str:
    """Return what is said of a player that was trained alone from a cycle on."""
    partner = next(other for other in NAMES if other != name)
    errors = [last.players[p].validation for p in (partner, name)]
    theirs, ours = ((error / (noise or 1)) ** 2 for error in errors)
    figure, shown = ("chi2 per value", (theirs, ours)) if noise else ("error", errors)
    about = f"{figure} {shown[0]:.2g}, that of {_TITLES[name]} {shown[1]:.2g}"
    better, refuted = FAR * theirs < ours, theirs > (max(ours, FAR) if noise else FAR * ours)
    if partner == "physical" and refuted and not apart:
        cause = f"the recordings refute {_TITLES[partner]}: {about}"
    elif better and name == "physical":
        cause = f"what {_TITLES[name]} can't fit {_TITLES[partner]} can't teach it: {about}"
    elif better:
        cause = (
            f"{_TITLES[partner]} predicts held-out values better, but these are too few to be sure "
            f"of it, or it is worse in one channel: {about}"
        )
    else:
        cause = f"{_TITLES[partner]} is not known to predict held-out values better: {about}"
    return f"{cause}; {_TITLES[name]} was trained alone from cycle {cycle} on"
