"""Deliberate breakages: what a slip of the pen would do to the method, to its data or to its promises. See :mod:`.run`."""

from __future__ import annotations

from typing import NamedTuple


class Breakage(NamedTuple):
    """``old``, which occurs once in src/logan/``file``, becomes ``new``; the first to notice should be ``tests`` (of tests/)."""

    name: str
    file: str
    tests: str
    old: str
    new: str


# (file, tests): [(name, old, new), …]
BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("training/alarms.py", "training/test_alarms.py"): [
        ("D gives up by its lead alone", "or now[1] >= SLOPE_LOST * self.highest[1]:", ":"),
        ("a Wasserstein D saturates", "self.blind > 0 and paid", "paid"),
        ("samples alike at the start", "self.always.since >= UNTIL_DIVERSE_STEPS", "self.always.since >= 0"),
        ("a failing state is kept", 'or self.on or "back" in record', 'or "back" in record'),
    ],
    ("training/guard.py", "training/test_guard.py"): [
        ("back at the old rates", 'group["lr"] = rates[name]', "pass"),
        ("back to the old draws", "random_states.put(drawn, ", "random_states.take("),
        ("a kill loses the copy", "not at_hand or self.alarms.kept == run.progress.images", "not at_hand"),
    ],
    ("compare/runs.py", "compare/test_stops_of_comparisons.py"): [
        ("a line that the state does not know", 'if line["tick"] < ticks]', "]"),
    ],
    ("playable.py", "test_playable.py"): [
        ("an optimiser of before a change", "if lacking and held - own:", "if False:"),
        ("one that wants a closure", "p.default is p.empty and", "False and"),
        ("one sample to normalise over", "if not str(error).startswith(ONE_VALUE):", "if True:"),
    ],
    ("training/vitals.py", "training/test_vitals.py"): [
        ("looking moves D", "held(own, move=False), no_side_effects()", "held(own, move=True)"),
        ("overfitting by chance", "3 * error", "0 * error"),
    ],
    ("guide/langevin.py", "guide/test_targets.py"): [
        ("half the drift", "2 * self._delta * slope", "self._delta * slope"),
        (
            "the proposal taken for symmetric",
            "return joint(v, d_v, slope_v, u) - joint(u, d, slope, v)",
            "return d_v - d",
        ),
    ],
    ("guide/reject.py", "guide/test_targets.py"): [
        (
            "accepts by the odds",
            "torch.sigmoid(guide._log_odds(d, guide.gamma))",
            "guide._log_odds(d, guide.gamma).exp()",
        ),
    ],
    ("guide/flow.py", "guide/test_fixed_points.py"): [
        ("js for logd", 'd if self.divergence == "js" else -d', "d"),
    ],
    ("guide/transport.py", "guide/test_fixed_points.py"): [
        ("moves where D is not steep", ".clamp(min=0)", ".clamp(min=-1)"),
    ],
    ("guide/calibration.py", "guide/test_calls.py"): [
        ("the sizes of the sets come in", "0.5 / len(real)", "0.5 / len(fake)"),
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
    ("errors.py", "test_own_arguments.py"): [
        ("a field keeps its old name", "else names.get(self.field, self.field))", "else self.field)"),
    ],
    ("config/checks.py", "test_own_arguments.py"): [
        ("words that no setting knows", "if words and values[name] not in words:", "if False:"),
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
    ("dynamics/sga.py", "dynamics/test_sga.py"): [
        ("SGA turned round", "add(transposed, straight, -1.0)", "add(straight, transposed, -1.0)"),
        ("SGA never aligned", "< 0, -1.0, 1.0)", "< 0, 1.0, 1.0)"),
    ],
    ("dynamics/consensus.py", "dynamics/test_closed_forms.py"): [
        (
            "consensus pushes apart",
            "add(xi, field.transposed_times(xi), self.strength)",
            "add(xi, field.transposed_times(xi), -self.strength)",
        ),
        ("consensus by H, not its transpose", "field.transposed_times(xi)", "field.times(xi)"),
    ],
    ("dynamics/unrolled.py", "dynamics/test_unrolled.py"): [
        ("unrolling climbs", "x - self.rate * g", "x + self.rate * g"),
    ],
    ("dynamics/updates.py", "dynamics/test_games.py"): [
        ("extragradient stays where it looked", "    before.put_back()", "    pass"),
        ("optimism twice", "p.add_(change).sub_(last)", "p.add_(change)"),
    ],
    ("distributed/world.py", "distributed/test_ranks.py"): [
        ("gradients summed over ranks", "flat.div_(self.size)", "flat.div_(1)"),
    ],
    ("distributed/batch_norm.py", "distributed/test_ranks.py"): [
        ("batch norm of a rank alone", "own_variance + own_mean.square()", "own_variance"),
    ],
    ("accumulation.py", "distributed/test_ranks.py"): [
        ("parts weigh the same", "min(size, n - start) / n", "size / n"),
    ],
    ("fast/passes.py", "fast/test_passes.py"): [
        (
            "merges what is written into",
            "not _is_random(node) and not memory.touches_written(node)",
            "not _is_random(node)",
        ),
    ],
    ("fast/memory.py", "fast/test_memory.py"): [
        ("memory as schemas have it", 'node.meta["memory"] if "memory" in node.meta else', "() if False else"),
        ("writes as schemas have them", 'written = set(node.meta.get("writes", ()))', "written = set()"),
        ("addresses used again", "(len(self._ids), StorageWeakRef(storage))", "(len(self._ids), None)"),
    ],
    ("fast/few_channels.py", "fast/test_few_channels.py"): [
        ("channels padded with ones", "constant_pad_nd.default, x, pad)", "constant_pad_nd.default, x, pad, 1.0)"),
        ("padded anew for everyone", "if key not in made:", "if True:"),
        ("cuts for those who mind", "not all(_takes(reader, part, wide) for reader in readers)", "False"),
        ("a grey image lies as it likes", "turned = last and", "turned = False and"),
        ("groups padded as one", 'given["groups"] == 1', 'given["groups"] >= 1'),
    ],
    ("fast/vectors.py", "fast/test_vectors.py"): [
        ("summed over the columns", "[-2])", "[-1])"),
        ("a product as its factors lie", "if order(result.meta", "if False and order(result.meta"),
        ("a third tensor that is not to count", "if beta == 0:", "if beta is None:"),
    ],
    ("fast/passes.py", "fast/test_proved_as_played.py"): [
        ("padding proved in no type", "EVERY_TYPE if proving else None", "None"),
    ],
    ("fast/engine.py", "fast/test_proved_as_played.py"): [
        (
            "proved as another kind is",
            "            kind=self.kind,\n",
            '            kind="recorded" if proving else self.kind,\n',
        ),
    ],
    ("memory_order.py", "test_memory_order.py"): [
        ("sparse gradients put in order", "if not gradient.layout == parameter.layout == torch.strided:", "if False:"),
        ("entries that share a place are one", "if stride != size:", "if False:"),
    ],
    ("fast/attributes.py", "fast/test_peoples_networks.py"): [
        ("attributes stay as they were", "if now is not value and not (", "if False and not ("),
        ("arrays stay as they were", "all(f(x) == then for x, f, then in self._contents)", "True"),
        ("classes and globals do not count", "        self._visit_class(type(module))\n", "        pass\n"),
    ],
    ("fast/recording.py", "fast/test_peoples_networks.py"): [
        (
            "what is assigned stays out",
            "                owner[name] = new.requires_grad_",
            "                new.requires_grad_",
        ),
        (
            "numbers leave torch",
            "            left.append(name)\n            raise CannotRecordError",
            "            return\n            raise CannotRecordError",
        ),
        ("Python's random numbers are constants", "    if drawn:\n", "    if False:\n"),
        ("shapes by value", "if by_mask or by_value", "if False"),
    ],
    ("fast/recorded.py", "fast/test_proof.py"): [
        ("no play is checked", "if entry.is_due() and self.checking and", "if entry.is_due() and False and"),
        (
            "a check leaves the plain code's state",
            "        finally:\n            before.put_back()",
            "        finally:\n            pass",
        ),
        ("a wrong recording is played on", "entry.recording, self._to_say = None, trouble", "self._to_say = trouble"),
    ],
    ("fast/proof.py", "fast/test_proof.py"): [
        ("all differences are roundings", "if not largest <= limit:", "if False:"),
        ("roundings are differences", "ROUNDINGS[kind] * noise[name] if noise", "0.0 if noise"),
    ],
    ("fast/substitute.py", "fast/test_operations.py"): [],
    ("side_effects/substitution.py", "fast/test_operations.py"): [
        ("running statistics at double speed", "* factor, momentum)", "* factor, 2 * momentum)"),
    ],
    ("fast/step.py", "fast/test_engine.py"): [
        ("zero-sum with the wrong sign", "None if g is None else -g", "None if g is None else g"),
    ],
    ("training/averaging.py", "training/test_averaging.py"): [
        ("average half as slow", "0.5 ** (images / half_life)", "0.25 ** (images / half_life)"),
        ("statistics gathered the usual way", "norm.momentum = None  #", "#"),
    ],
    ("training/random_states.py", "training/test_resume.py"): [
        ("state without torch's generator", 'torch.set_rng_state(states["torch"])', "pass"),
    ],
    ("training/state.py", "training/test_resume.py"): [
        ("state without the memory", '"memory": parts.game.memory,', '"memory": {},'),
        (
            "state without D's optimiser",
            '"d_optimiser": parts.game.d_optimiser',
            '"d_optimiser": parts.game.g_optimiser',
        ),
        ("checksum of a state unread", "bad = stored.damaged_member(file, tensors)", "bad = None"),
    ],
    ("training/together.py", "training/test_together.py"): [
        ("one random state for all runs", "        self._surroundings.put()\n", "        pass\n"),
        ("the others are lost", "                failures.append(error)\n", "                raise\n"),
    ],
    ("training/whole_steps.py", "training/test_whole_steps.py"): [
        (
            "every graph believed",
            "trusted = wrong is None\n            return wrong\n",
            "trusted = True\n            return None\n",
        ),
        (
            "a check leaves its trace",
            "            as_before()\n            graph.replay()",
            "            graph.replay()",
        ),
        ("steps of a launch not counted", "sum(map(self._is_latent, range(first, first + steps)))", "steps"),
    ],
    ("training/script.py", "training/test_whole_steps.py"): [
        ("always the first step's images", "self.counter.add_(1)", "self.counter.add_(0)"),
        ("the weight of the average one step late", "start + (i + 1) * images", "start + i * images"),
        ("what is left is laid out twice", "old[len(old) - left :]", "old[:left]"),
    ],
    ("sealed.py", "sampling/test_sampling.py"): [
        ("checksum unread", "if header[CHECKSUM] != digest", "if False and header[CHECKSUM] != digest"),
        ("without a checksum all is well", "if CHECKSUM not in header:", "if False:"),
    ],
    ("evaluation/reference.py", "evaluation/test_reference.py"): [
        ("features that are not finite", "if not features.finite:", "if False:"),
    ],
    ("training/loop.py", "training/test_stops.py"): [
        ("no state before the scores", "progress.due = record\n        _save_state(run)", "progress.due = record"),
        ("scores that nobody can stop", "with stop.at_once():\n            samples", "if True:\n            samples"),
        ("what is due is forgotten", "if p.due is not None and", "if False and"),
    ],
    ("training/entries.py", "training/test_state_entries.py"): [
        ("numpy reads beyond its end", '"position", least=0, most=NUMPY_WORDS', '"position", least=0'),
    ],
    ("foreign.py", "test_foreign.py"): [
        ("infinite numbers", "if not math.isfinite(value):", "if False:"),
        ("nests", "    if level:\n        damaged", "    if False:\n        damaged"),
    ],
    ("interrupts.py", "test_interrupts.py"): [
        ("a closed session forgotten", '"SIGINT", "SIGTERM", "SIGHUP"', '"SIGINT", "SIGTERM"'),
        ("held back for ever", "if self.twice or not self.held", "if not self.held"),
    ],
    ("training/resume.py", "training/test_resume.py"): [
        ("other settings resumed", "and name not in MAY_DIFFER", "and False"),
    ],
    ("regular.py", "test_regular.py"): [
        ("links followed", "look = os.stat if through_links else os.lstat", "look = os.stat"),
        ("pipes waited for", '("O_NONBLOCK", "O_NOCTTY"', '("O_NOCTTY"'),
    ],
    ("training/stored.py", "training/test_stored.py"): [
        ("two ends", "if where != after:", "if False:"),
        ("parts that inflate", "if any(m.compress_type", "if False and any(m.compress_type"),
    ],
    ("training/lock.py", "training/test_lock.py"): [
        ("any error is a lack of locks", "if not _has_no_locks(error):", "if False:"),
    ],
    ("cli/streams.py", "cli/test_streams.py"): [
        ("terminals obey", "self.rich_proxied_file.write(printable(text))", "self.rich_proxied_file.write(text)"),
    ],
    ("files.py", "test_files.py"): [
        ("half a million damaged lines parsed", 'if line.lstrip()[:1] == b"{":', "if True:"),
        ("written in place", "write(partial)\n", "write(path); write(partial)\n"),
    ],
    ("data/supply.py", "data/test_data_stream.py"): [
        ("never mirrored", "images.flip(3), images)", "images, images)"),
        ("mirrored upside down", "images.flip(3)", "images.flip(2)"),
        (
            "every epoch in one order",
            "torch.cat([left, permutation(n, seed, epoch)])",
            "torch.cat([left, permutation(n, seed, 0)])",
        ),
        ("pixels in [0, 1]", "mul_(2).sub_(255).mul_(1 / 255)", "mul_(1 / 255)"),
    ],
    ("data/images.py", "data/test_data_images.py"): [
        ("crop of the corner", "(image.width - side) // 2, (image.height - side) // 2", "0, 0"),
        ("white border", "fill=0", "fill=255"),
        ("pixels uncounted", "if width * height > most:", "if False:"),
    ],
    ("data/eight_bits.py", "data/test_data_images.py"): [
        ("white is 255 in sixteen bits, whatever the file says", "255 - rounded if inverted else rounded", "rounded"),
        ("the high byte alone tells what is transparent", "(_low_bytes(png), 0)", "(image, 8)"),
    ],
    ("data/png.py", "data/test_data_images.py"): [
        ("checksums unread", "if zlib.crc32(view[at + 4 : end - 4]) !=", "if False and 0 !="),
    ],
    ("data/pickles.py", "data/test_pickles.py"): [
        ("any kind of array", 'if kind not in ("u1", b"u1"):', "if False:"),
        ("any flags of a kind", "if state[1:] not in", "if False and state[1:] not in"),
    ],
    ("data/formats.py", "data/test_formats.py"): [
        ("every format that Pillow has", "formats=_formats(name))", "formats=None)"),
    ],
    ("data/sources.py", "data/test_archives.py"): [
        ("sizes unread", "    if size > most:\n", "    if False:\n"),
    ],
    ("data/zip_packed.py", "data/test_archives.py"): [
        ("all of a member at once", "inflater.decompress(data, left)", "inflater.decompress(data)"),
    ],
    ("data/layout.py", "data/test_layout.py"): [
        ("the last label wins", "if table.setdefault(name, label) != label:", "if table.update({name: label}):"),
    ],
    ("data/array.py", "data/test_array.py"): [
        ("checksums of images unread", "if zlib.crc32(images.data) !=", "if False and 0 !="),
        ("checksum of labels unread", "or int(numbers[1]) != rest", "or False"),
    ],
    ("data/matlab.py", "data/test_matlab.py"): [
        ("elements that reach beyond the file", "if start + size > min(end, len(data)):", "if False:"),
        ("a table without a bound", "inflater.decompress(data, MOST_INFLATED)", "inflater.decompress(data)"),
    ],
    ("sampling/snapshot.py", "sampling/test_sampling.py"): [
        ("any network that a snapshot describes", "if left < 0:", "if False:"),
    ],
    ("metrics/classifier.py", "metrics/test_classifier.py"): [
        (
            "any network that a classifier's header describes",
            "if described != {name: value.shape for name, value in weights.items()}:",
            "if False:",
        ),
    ],
    ("metrics/efficientnet_lite0.py", "metrics/test_efficientnet_lite0.py"): [
        (
            "padding to the left and above",
            "border += [missing // 2, missing - missing // 2]",
            "border += [missing - missing // 2, missing // 2]",
        ),
        ("PyTorch's ε in batch norm", "nn.BatchNorm2d(c_out, eps=1e-3)", "nn.BatchNorm2d(c_out)"),
        ("any weights under a detector's name", "if check and self.sha256 != SHA256:", "if False:"),
        (
            "features in the caller's autocast",
            "without_tf32(), torch.autocast(images.device.type, enabled=False)",
            "without_tf32()",
        ),
    ],
    ("metrics/dinov2.py", "metrics/test_dinov2.py"): [
        (
            "positions by the sizes alone",
            'how = {"scale_factor": ((side + 0.1) / self.grid,) * 2}',
            'how = {"size": (side, side)}',
        ),
        (
            "the class token before the last norm",
            "return self.norm(self.blocks(x)[:, 0])",
            "return self.blocks(x)[:, 0]",
        ),
    ],
    ("metrics/pixels.py", "metrics/test_pixels.py"): [
        ("an aliased reduction", 'mode="bicubic", antialias=True', 'mode="bicubic"'),
    ],
    ("evaluation/detectors.py", "evaluation/test_detectors.py"): [
        ("a pin that holds nothing", "if found.hexdigest() != pin.lower():", "if False:"),
    ],
    ("training/state.py", "training/test_state_entries.py"): [
        ("torch's advice to run what is in a state", "except pickle.UnpicklingError:", "except ZeroDivisionError:"),
        ("a format that is a tensor", "is not int or known != FORMAT", "is None or known != FORMAT"),
    ],
    ("config/settings.py", "training/test_resume.py"): [
        ("settings repeated whole", "are {shown(values)}, not a group", "are {values!r}, not a group"),
    ],
    ("prior.py", "test_prior.py"): [
        ("truncation ignored", "z * trunc if trunc != 1 else z", "z"),
        ("normal prior cut at twice as far", "NORMAL_REACH * trunc)", "2 * NORMAL_REACH * trunc)"),
    ],
    ("metrics/distances.py", "metrics/test_distances.py"): [
        ("FID with n", "/ (len(wide) - 1)", "/ len(wide)"),
        ("FID without the cross term's 2", "traces - 2 * cross", "traces - cross"),
        ("biased KID", "k.sum() - k.trace()", "k.sum()"),
        ("IS of logits by their sum", "entr(p).sum(1).mean()", "entr(p).sum(1).sum()"),
    ],
    ("metrics/manifold.py", "metrics/test_manifold.py"): [
        ("one neighbour fewer", "kthvalue(k + 1", "kthvalue(k"),
        (
            "precision for recall",
            "_share_inside(real, fake, _radii(fake, k))",
            "_share_inside(fake, real, _radii(real, k))",
        ),
    ],
    ("metrics/modes.py", "metrics/test_modes.py"): [
        ("strays cover modes", "max(1.0, FAIR_SHARE * len(xy) / len(centres))", "1.0"),
    ],
    ("config/presets.py", "paper/test_table2.py::test_the_recipe_is_that_of_appendix_e"): [
        ("β of CIFAR-10", "beta=0.1, portion=0.7, penalty=3.0", "beta=5.0, portion=0.7, penalty=3.0"),
    ],
    ("config/presets_large.py", "config/test_presets_large.py"): [
        ("β of the headline", "beta=5.0, portion=0.5, penalty=300.0", "beta=0.1, portion=0.5, penalty=300.0"),
        ("α of the headline's gradient descent", "alpha=1e-4", "alpha=1e-2"),
        ("batch of BigGAN", "batch=2048)", "batch=1024)"),
        ("SAGAN's rates swapped", "g_lr=1e-4, d_lr=4e-4", "g_lr=4e-4, d_lr=1e-4"),
        ("steps of the headline", "600_000", "60_000"),
    ],
    ("config/checks.py", "distributed/test_training.py"): [
        (
            "any share of the batch",
            "if g.batch_gpu is not None and share % g.batch_gpu",
            "if False and share % g.batch_gpu",
        ),
    ],
    ("training/bars.py", "training/test_bars.py"): [
        ("a bar up to the last column, where ^C moves it", "FREE = 3", "FREE = 0"),
    ],
    ("cli/sample.py", "cli/test_places.py"): [
        ("two truncations in one file", "if given.trunc != plain.trunc:", "if False:"),
        (
            "a file is replaced unasked",
            'free_place(given.out, "out", given.force)',
            'free_place(given.out, "out", True)',
        ),
    ],
    ("cli/main.py", "test_errors.py"): [
        ("bad input is success", '{line}")\n    return 2', '{line}")\n    return 0'),
    ],
    ("sampling/manifest.py", "sharing/test_folder.py"): [
        ("an export of any content", "_hash(folder / name) != entry.sha256", "not _hash(folder / name)"),
        ("an export of any size", "if size != entry.bytes:", "if size > MOST_BYTES[path.suffix]:"),
        ("scripts in an export", "path.suffix.lower() not in BESIDE", "path.suffix.lower() in {}"),
        ("kinds of files that a manifest may not name", "if suffix not in MOST_BYTES:", "if not suffix:"),
        ("names that lead out of an export", "not SAFE_NAME.fullmatch(name)", "not SAFE_NAME.match(name)"),
    ],
    ("sampling/snapshot.py", "sharing/test_folder.py"): [
        ("the manifest not looked at", "        manifest.verify(path.parent)", "        pass"),
    ],
    ("sampling/download.py", "sharing/test_hub.py"): [
        ("all of a repository is fetched", "allow_patterns=[manifest.NAME, *wanted.files]", "allow_patterns=None"),
        ("sizes on the hub not looked at", "_sizes(hub, name, commit), f", "{}, f"),
    ],
    ("sharing/facts.py", "sharing/test_folder.py"): [
        ("local paths are shared", "data=file_name(config.data.data)", "data=config.data.data"),
        ("networks without their code", 'startswith("logan.")', 'startswith("")'),
    ],
    ("sharing/facts.py", "sharing/test_card.py"): [
        ("scores of other snapshots", 'line["images"] == info.images', 'line["images"] > 0'),
    ],
    ("sharing/onnx.py", "sharing/test_onnx.py"): [
        (
            "spectral norm left out of ONNX",
            "values = {name: getattr(module, name)",
            "values = {name: module.parametrizations[name].original",
        ),
        ("ONNX that nobody compared", "if not difference <= TOLERANCE:", "if False and difference:"),
    ],
    ("metrics/titles.py", "metrics/test_titles.py"): [
        ("an FID of any network", "own = all(name in OF_CLASSES", "own = True or all(name in OF_CLASSES"),
        ("scores without a detector", '} ({by}{deviation})"', '}"'),
    ],
    ("sampling/measured_by.py", "sampling/test_choice.py"): [
        ("a score by whatever measured last", 'str(measure[0] or "").startswith(digest)', "True"),
    ],
    ("report/quantities.py", "report/test_page.py"): [
        ("detectors in one chart", "kinds.setdefault((name, score_title(run, name))", 'kinds.setdefault((name, "")'),
    ],
    ("report/alike.py", "report/test_alike.py"): [
        ("a best that is one image", "for t in (last, chosen) if", "for t in (last,) if"),
    ],
    ("training/stopping.py", "training/test_stopping.py"): [
        ("nothing to sample from", "not any(run.path.glob(snapshot.PATTERN))", "False"),
        ("a stop that leaves its mark", "    (path / snapshot.STOPPED).unlink(missing_ok=True)", "    pass"),
    ],
    ("training/live_report.py", "training/test_stopping.py"): [
        ("the page of the tick before", "reached=run.progress.images / 1000", "reached=0.0"),
    ],
    ("config/findings.py", "config/test_findings.py"): [
        ("no word about few images", "if count < FEW:", "if count < 0:"),
        ("no word about tiny presets", "and size > TINY", "and size > 1000"),
    ],
    ("cli/shells.py", "cli/test_completion.py"): [
        ("one value of a flag in bash", 'last = "*" if flag.many', 'last = "1" if flag.many'),
    ],
    ("interrupts.py", "cli/test_cli.py::test_ctrl_c_while_modules_are_loaded"): [
        ("Ctrl-C is success", "os._exit(status)", "os._exit(0)"),
    ],
}

BREAKAGES = [Breakage(name, *where, old, new) for where, some in BY_FILE.items() for name, old, new in some]
