"""The method: latent step, losses, priors, turns; passes without side effects; second derivatives."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("playable.py", "test_playable.py"): [
        ("an optimiser of before a change", "if lacking and held - own:", "if False:"),
        ("one that wants a closure", "p.default is p.empty and", "False and"),
        ("one sample to normalise over", "if not str(error).startswith(ONE_VALUE):", "if True:"),
    ],
    ("latent.py", "test_latent.py"): [
        ("g without its graph", "(z,), create_graph=create_graph", "(z,), create_graph=False"),
        ("g of the mean", "objective(wide)).sum()", "objective(wide)).mean()"),
        ("portion rounded down", "self.portion * d + 0.5", "self.portion * d"),
        ("penalty of the clipped move", "self.penalty * delta.flatten", "self.penalty * (moved - start).flatten"),
        ("penalty summed over the batch", "square().sum(1).mean()", "square().sum(1).sum()"),
        (
            "other dimensions clipped",
            'moved if self.bounds == "sphere" else torch.where',
            "moved if self.bounds else torch.where",
        ),
        ("no damping", "(self.beta + norm_squared)", "(1e-12 + norm_squared)"),
        (
            "g, not its square",
            "norm_squared = g.flatten(1).square().sum(1)",
            "norm_squared = g.flatten(1).square().sum(1).sqrt()",
        ),
        ("descent of the score", "delta = delta + step", "step = -step; delta = delta + step"),
        ("stop_gradient ignored", 'self.stop_gradient in (player, "both")', 'self.stop_gradient == "both"'),
    ],
    ("latent.py", "test_side_effects.py"): [
        (
            "random numbers not drawn again",
            "with no_side_effects(), same_random_numbers_next(z.device), differentiated_again:",
            "with no_side_effects(), differentiated_again:",
        ),
        ("batch norm moves in the step", "with no_side_effects(), same_random", "with same_random"),
    ],
    ("second_order/functions.py", "second_order/test_functions.py"): [
        ("compiled functions overlooked", "startswith(_COMPILERS)", "startswith(_TRANSFORMS)"),
        ("only a backward that is marked itself", "depth: int = 4", "depth: int = 1"),
        ("functions of the weights refused", "if not ends.isdisjoint(", "if ends or ends.isdisjoint("),
        ("custom operations overlooked", 'getattr(value, "_backward_fn", value)', "value"),
    ],
    ("second_order/fused.py", "second_order/test_fused.py"): [
        ("attention stays fused", "return sdpa_kernel(SDPBackend.MATH)", "return ExitStack()"),
        ("settings not put back", "torch.backends.cudnn.enabled = enabled", "pass"),
    ],
    ("second_order/differentiate.py", "second_order/test_refusals.py"): [
        ("an operation's name in the dark", "if found:", "if not found:"),
        ("the graph is lost", "create_graph=create_graph, allow_unused", "create_graph=False, allow_unused"),
    ],
    ("turns.py", "test_game.py"): [
        ("penalty in D's loss", 'player == "discriminator" and', 'player == "generator" and'),
        (
            "D plays at z",
            "call(discriminator, call(generator, for_d.z, labels), labels)",
            "call(discriminator, call(generator, z, labels), labels)",
        ),
        (
            "z′ a constant for both players",
            "call(discriminator, call(generator, for_d.z, labels), labels)",
            "call(discriminator, call(generator, for_d.z.detach(), labels), labels)",
        ),
        (
            "gain with its sign turned",
            "float() - moved.scores.detach().float()",
            "float() + moved.scores.detach().float()",
        ),
    ],
    ("turns.py", "fast/test_engine.py"): [
        ("penalty of a share unscaled", "moved.penalty * (n / (n + len(rest)))", "moved.penalty"),
    ],
    ("game.py", "fast/test_engine.py"): [
        (
            "latent step in the wrong steps",
            "self.steps_played % self.latent_every == 0",
            "self.steps_played % self.latent_every == 1",
        ),
    ],
    ("side_effects/places.py", "test_side_effects.py"): [
        (
            "side effects stay",
            "owner, name, thing = self._before.pop()\n            owner[name] = thing",
            "self._before.pop()",
        ),
    ],
    ("side_effects/weights.py", "test_side_effects.py"): [
        ("weights of each pass its own", "parametrize.cached(), Replaced()", "Replaced()"),
        ("vectors move where they are to stay", "        if move:\n", "        if True:\n"),
        ("vectors never move", "        if move:\n", "        if False:\n"),
        ("a hook's vectors move where they are to stay", "if not move else ():", "if False else ():"),
    ],
    ("losses.py", "test_losses.py"): [
        ("hinge without its margin for fakes", "F.relu(1 + t)", "F.relu(t)"),
        ("D's loss of fakes taken off", "mean(self.real, real_scores) + mean", "mean(self.real, real_scores) - mean"),
        (
            "saturating for non-saturating",
            "fake=_minus_log_one_minus_sigmoid, fool=_minus_log_sigmoid",
            "fake=_minus_log_one_minus_sigmoid, fool=_log_one_minus_sigmoid",
        ),
    ],
    ("cs_gan.py", "test_cs_gan.py"): [
        ("CS-GAN of the sum", "log_step.exp() / (self.batch or len(z))", "log_step.exp()"),
        ("CS-GAN starts off the sphere", "to_sphere(working_copy(z))", "working_copy(z)"),
        ("CS-GAN's penalty of the projected draw", "delta = moved - z", "delta = moved - to_sphere(z)"),
    ],
    ("memory_order.py", "test_memory_order.py"): [
        ("sparse gradients put in order", "if not gradient.layout == parameter.layout == torch.strided:", "if False:"),
        ("entries that share a place are one", "if stride != size:", "if False:"),
    ],
    ("prior.py", "test_prior.py"): [
        ("truncation ignored", "z * trunc if trunc != 1 else z", "z"),
        ("normal prior cut at twice as far", "NORMAL_REACH * trunc)", "2 * NORMAL_REACH * trunc)"),
    ],
}
