"""D's help when sampling: choose latents for which D says that G's images are good. Nothing is trained.

Each guide is a frozen dataclass of settings, called with (G, D, z), for any networks: see :class:`Guide`.

    from logan import guide
    better = guide.Langevin(steps=100, step_size=0.05)(G, D, z, prior="normal", seed=0).z

============  =====================================================  ==========================
guide         what it does                                           what it assumes of D
============  =====================================================  ==========================
`latent`      steps up D's score, as in training (appendix E)        a score that ranks nearby
`langevin`    samples p(z) exp(d(G(z))) by Langevin dynamics         a logit
`flow`        follows the gradient flow of a divergence              a logit
`transport`   moves z where the optimal transport would              a Wasserstein-like critic
`reject`      draws again until D accepts                            a logit
`metropolis`  an independence chain, accepted by D                   a logit
============  =====================================================  ==========================
"""

from .calibration import Calibration, calibrate
from .chain import Guided
from .climb import Latent
from .contract import Guide
from .flow import Flow
from .langevin import Langevin
from .metropolis import Metropolis
from .reject import Reject
from .transport import Transport

GUIDES: dict[str, type[Guide]] = {kind.name: kind for kind in (Latent, Langevin, Flow, Transport, Reject, Metropolis)}
"""By their names on the command line."""

__all__ = [
    "GUIDES",
    "Calibration",
    "Flow",
    "Guide",
    "Guided",
    "Langevin",
    "Latent",
    "Metropolis",
    "Reject",
    "Transport",
    "calibrate",
]
