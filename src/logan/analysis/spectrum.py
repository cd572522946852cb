"""The leading eigenvalues of a game's Jacobian H = ∇ξ, of its potential part and of its rotation (section 3.1).

H = S + A: S = ½(H + Hᵀ) is the Hessian of a potential game, with real eigenvalues; A = ½(H − Hᵀ) only turns, with eigenvalues
in pairs ±iω (Balduzzi et al. 2018). Near a fixed point θ ← θ − η ξ multiplies the distance along an eigenvector of H by
1 − ηλ (:func:`growth`). H is not formed: the Arnoldi method (ARPACK) asks for products alone, each two backward passes
with H and one with Hᵀ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from logan.dynamics.field import Blocks, Field, dimension, flat
from logan.errors import InputError, not_installed

Product = Callable[[np.ndarray], np.ndarray]

FEWEST_BASIS_VECTORS = 20
"""ARPACK's own default: max(2k + 1, 20) vectors at a time."""
ROUNDING = 100.0
"""Times a type's ε: a part of H whose product is smaller than this, next to H's, is nothing but rounding."""


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenvalues, the largest magnitude first; at most k of each.

    Attributes:
        eigenvalues: λ of H, complex128. H is real: they come as conjugate pairs, that with the positive imaginary part
            first; the last may be the first of a pair that k cuts apart.
        potential: the eigenvalues of S, float64, of either sign.
        rotation: ω >= 0 of A, float64; one for each pair ±iω.
        converged: False if ARPACK gave up before it had all of them.
    """

    eigenvalues: np.ndarray
    potential: np.ndarray
    rotation: np.ndarray
    converged: bool = True


def spectrum(field: Field, k: int = 6, seed: int = 0, tolerance: float = 1e-6, iterations: int = 300) -> Spectrum:
    """The k leading eigenvalues of H, S and A of a game at one point, without forming any of them.

    Where n parameters are no more than the vectors that ARPACK would work with, H is formed instead, and the result exact.

    Args:
        field: the game; that of a GAN only while its :func:`~logan.dynamics.gan_field` is open.
        k: how many of each.
        seed: of the vector that ARPACK starts from. torch's random numbers have no part in it.
        tolerance: of ARPACK: relative to the eigenvalue's magnitude. In float32, 1e-6 is about what the products can bear.
        iterations: restarts of ARPACK, each of about max(k, 20 − k) products.

    Returns:
        A :class:`Spectrum`. If ARPACK does not converge within ``iterations``, it has what did, fewer than k and perhaps
        not the leading ones, and ``converged`` is False.

    Raises:
        ValueError: k is not a whole number >= 1.
        InputError: scipy is missing; products with H are not finite; or no eigenvalue at all of one of the three converged.
    """
    if not (isinstance(k, int) and k >= 1):
        raise ValueError(f"k must be a whole number >= 1, not {k!r}")
    n = dimension(field.players)
    if n <= max(2 * k + 1, FEWEST_BASIS_VECTORS):
        return _of_matrix(dense(field), k)
    products = _Products(field)
    search = _Search(products, k, np.random.default_rng(seed).standard_normal(n), tolerance, iterations)
    eigenvalues, all_h = search.leading("H", "eigs", products.h, "LM", np.float64)
    potential, all_s = search.leading("S", "eigsh", products.s, "LM", np.float64)
    rotation, all_a = search.leading("A", "eigsh", products.i_a, "LA", np.complex128)
    return Spectrum(
        _in_order(eigenvalues, k),
        _in_order(potential, k).real,
        np.abs(_in_order(np.maximum(rotation.real, 0), k)),
        all_h and all_s and all_a,
    )


@dataclass(frozen=True)
class _Products:
    """Products with a game's Jacobian and with its parts; (n,) numbers to (n,) numbers."""

    field: Field

    def h(self, v: np.ndarray) -> np.ndarray:
        return _numbers(self.field.times(_blocks(self.field, v)))

    def h_transposed(self, v: np.ndarray) -> np.ndarray:
        return _numbers(self.field.transposed_times(_blocks(self.field, v)))

    def s(self, v: np.ndarray) -> np.ndarray:
        return (self.h(v) + self.h_transposed(v)) / 2

    def a(self, v: np.ndarray) -> np.ndarray:
        return (self.h(v) - self.h_transposed(v)) / 2

    def i_a(self, v: np.ndarray) -> np.ndarray:
        """iAv: iA is Hermitian, with the eigenvalues ±ω, so that its largest are each pair's ω, once."""
        return 1j * self.a(v.real) - self.a(v.imag)


class _Search:
    """ARPACK's search for the k leading eigenvalues, from one vector, with one set of limits; as in :func:`spectrum`.

    Raises:
        InputError: scipy is missing, or products with H are not finite.
    """

    def __init__(self, products: _Products, k: int, start: np.ndarray, tolerance: float, iterations: int) -> None:
        try:
            from scipy.sparse import linalg
        except ImportError:
            raise not_installed("a search for leading eigenvalues", "scipy", "analysis") from None
        self.arpack = linalg
        self.k, self.start, self.tolerance, self.iterations = k, start, tolerance, iterations
        epsilon = max(torch.finfo(x.dtype).eps for x in flat(products.field.players))
        self.negligible = ROUNDING * epsilon * float(np.linalg.norm(products.h(start)))

    def leading(self, name: str, solver: str, product: Product, which: str, dtype: type) -> tuple[np.ndarray, bool]:
        """Those of one matrix, in no order, and whether they are all that were asked for.

        Args:
            name: of the matrix, for messages.
            solver: ``eigs``, or ``eigsh`` for a Hermitian matrix.
            product: with the matrix.
            which: ARPACK's word for what is leading.
            dtype: of the vectors.

        Raises:
            InputError: if none converged.
        """
        n, start = len(self.start), self.start
        if np.linalg.norm(product(start)) <= self.negligible:  # ARPACK needs something; 100 ε of H is not
            return np.zeros(self.k, dtype=complex if solver == "eigs" else float), True
        operator = self.arpack.LinearOperator((n, n), matvec=lambda v: product(v.reshape(-1)), dtype=dtype)
        settings = {"which": which, "v0": start.astype(dtype), "tol": self.tolerance, "maxiter": self.iterations}
        try:
            return getattr(self.arpack, solver)(operator, k=self.k, **settings, return_eigenvectors=False), True
        except self.arpack.ArpackNoConvergence as error:
            if len(error.eigenvalues) == 0:
                raise InputError(
                    f"none of the {self.k} leading eigenvalues of {name} converged in {self.iterations} iterations; "
                    f"allow more iterations, or a larger tolerance"
                ) from None
            return error.eigenvalues, False


def dense(field: Field) -> np.ndarray:
    """H itself, (n, n) float64 with H_ij = ∂ξ_i/∂θ_j, by n products with Hᵀ: for tiny games, and to test with.

    Raises:
        InputError: H is not finite.
    """
    n = dimension(field.players)
    return np.stack([_numbers(field.transposed_times(_blocks(field, row))) for row in np.eye(n)])


def growth(eigenvalues: np.ndarray, rate: float) -> np.ndarray:
    """|1 − ηλ|: by what factor each step θ ← θ − η ξ multiplies the distance from a fixed point along each eigenvector.

    ``growth(eigenvalues, rate).max() > 1`` predicts divergence. With H's leading eigenvalues alone the reverse does not hold:
    a smaller λ with a negative real part also diverges, slowly. λ = ±iω, pure rotation, diverges at every rate.

    Args:
        eigenvalues: λ, real or complex, of any shape.
        rate: η, the step size of plain gradient descent, the same for all players.
    """
    return np.abs(1 - rate * np.asarray(eigenvalues))


def _of_matrix(h: np.ndarray, k: int) -> Spectrum:
    rotation = np.linalg.eigvalsh(1j * (h - h.T) / 2)[::-1]
    rotation = rotation[: (len(rotation) + 1) // 2]  # the others are the pairs' −ω
    return Spectrum(
        _in_order(np.linalg.eigvals(h), k),
        _in_order(np.linalg.eigvalsh((h + h.T) / 2), k).real,
        np.maximum(rotation[:k], 0),
    )


def _in_order(values: np.ndarray, k: int) -> np.ndarray:
    """The k largest by magnitude, complex, each pair's λ with the positive imaginary part before the other."""
    values = np.asarray(values, dtype=complex)
    magnitude = np.abs(values)
    # A pair's are equal but for rounding.
    level = np.round(magnitude / max(magnitude.max(initial=0), np.finfo(float).tiny), 9)
    kept = values[np.lexsort((-values.imag, -np.abs(values.imag), -level))][:k]
    if len(kept) and kept[-1].imag < 0 and not np.isclose(kept[-1].conj(), kept[:-1]).any():
        kept[-1] = kept[-1].conj()  # of the pair that k cuts apart ARPACK may have either
    return kept


def _blocks(field: Field, v: np.ndarray) -> Blocks:
    """(n,) numbers as the parameters are: by player and tensor, on their devices, of their types."""
    parameters = flat(field.players)
    parts = torch.tensor(v, dtype=torch.float64).split([x.numel() for x in parameters])
    return field.like(part.view(x.shape).to(x) for part, x in zip(parts, parameters, strict=True))


def _numbers(blocks: Blocks) -> np.ndarray:
    """The reverse: (n,) float64."""
    v = torch.cat([x.detach().flatten() for x in flat(blocks)]).cpu().double().numpy()
    if not np.isfinite(v).all():
        raise InputError(
            "the game's Jacobian is not finite here: its training has diverged, or its loss has no curvature"
        )
    return v
