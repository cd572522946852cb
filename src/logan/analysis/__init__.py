"""What the paper says of the dynamics of training, measured: rotation, second-order terms, scaling, movement.

:mod:`.spectrum` computes the leading eigenvalues of a game's Jacobian and of its potential and rotational parts (section 3.1);
:mod:`.alignment` compares latent optimisation's second-order terms with those of SGA and of appendix B.1; :mod:`.scaling` is
Figure 4a, :mod:`.movement` the normalisation of Figures 4b and 5a; :mod:`.probe` takes such measurements during training.

Each is imported from its own module: some functions have their module's name.
"""
