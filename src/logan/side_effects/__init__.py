"""Keep a network the same function for a while.

A pass through a network in training mode leaves traces: batch norm moves its running statistics, spectral norm its
singular vectors. LOGAN runs two passes per step, f(z) and f(z′), and equation 8 of Wu et al. (2019) is only true of them
if both are values of *one* function f = D∘G. The context managers here see to that:

* :func:`no_side_effects`: whatever runs inside leaves no trace in the state of any module that is called;
* :func:`on_copies_of_state`: likewise of the modules it is given, from the start and not once they are called;
* :func:`same_random_numbers_next`: what runs after it draws the random numbers that were drawn inside;
* :func:`held`: spectral-norm vectors move once, on entry; inside, D and G have one fixed set of weights;
* :func:`frozen`: likewise, but inside the parameters may be others: D and G are one fixed function of them.

All of them put things into places for a while and the old ones back (:mod:`.places`). :mod:`.substitution` does so with functions.
"""

from logan.side_effects.traceless import no_side_effects, on_copies_of_state, same_random_numbers_next
from logan.side_effects.weights import frozen, held

__all__ = ["frozen", "held", "no_side_effects", "on_copies_of_state", "same_random_numbers_next"]
