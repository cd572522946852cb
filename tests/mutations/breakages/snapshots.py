"""What becomes of snapshots: samples, D's help, photographs and films, exports."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
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
    ("guide/langevin.py", "guide/test_calls.py"): [
        ("less noise gathers a cube in its middle", "else self.noise**2", "else 1.0"),
    ],
    ("guide/transport.py", "guide/test_calls.py"): [
        ("what a class adds for a slope", "labels[:, None] != labels[None]", "labels[:, None] != labels[:, None]"),
    ],
    ("guide/contract.py", "guide/test_calls.py"): [
        ("a D that has diverged guides", "if not bool((d < torch.inf).all()):", "if False:"),
    ],
    ("guide/chain.py", "install/test_mps.py"): [
        ("float64 for a device without", "z.detach().to(self.wide).to(self.device)", "z.detach().to(self.device)"),
    ],
    ("guide/calibration.py", "guide/test_calls.py"): [
        ("the sizes of the sets come in", "0.5 / len(real)", "0.5 / len(fake)"),
    ],
    ("sampling/guidance.py", "sampling/test_guided.py"): [
        ("hinge scores taken for logits", "guide.needs_logit and not calibrated:", "False:"),
        ("every prior truncated", "guide.draws_from_prior and trunc != 1", "False"),
        (
            "seconds for passes",
            "t.evaluations += int(found.evaluations.sum())",
            "t.evaluations += int(found.evaluations.max())",
        ),
    ],
    ("sampling/model.py", "sampling/test_guided.py"): [
        ("every batch the first", "seed=seed, first=start)", "seed=seed, first=0)"),
        ("measured on the batch", "guide.measured(", "(lambda *a, **k: guide)("),
    ],
    ("sampling/calibrating.py", "sampling/test_guided.py"): [
        ("calibrated on training images alone", 'open_configured(settings, "test")', "open_configured(settings)"),
        ("any classes", "model.num_classes and list(data.class_names)", "False and list(data.class_names)"),
    ],
    ("evaluation/snapshots.py", "cli/test_guiding.py"): [
        ("guided scores pass for plain ones", 'not r.get("guide")', "True"),
    ],
    ("cli/guiding.py", "cli/test_guiding.py"): [
        ("settings of other guides ignored", "    if stray:\n        others", "    if False:\n        others"),
    ],
    ("sampling/projection.py", "sampling/test_projection.py"): [
        ("the prior left out of a search", "loss + s.prior_weight * u", "loss + 0 * u"),
        ("features not relative to the target's", ".to(pixels) / scale", ".to(pixels)"),
        ("the worst candidates", "argsort(stable=True)[:n]", "argsort(stable=True)[-n:]"),
        (
            "the last step and not the best",
            "torch.where(better[:, None], at, best), torch.where(better, loss, least)\n\n    def",
            "at, loss\n\n    def",
        ),
        ("the first class", "int(torch.stack(best).argmin())", "0"),
    ],
    ("sampling/interpolation.py", "sampling/test_interpolation.py"): [
        ("a curve of one norm", "((1 - t) * a.norm() + t * b.norm()) * direction", "a.norm() * direction"),
        (
            "a path out of the prior",
            "within(between(a.z, b.z, share, curved=curved))",
            "between(a.z, b.z, share, curved=curved)",
        ),
        ("a loop that stays open", "legs if loop else legs[:-1]", "legs[:-1]"),
    ],
    ("sampling/latent_files.py", "sampling/test_latent_files.py"): [
        ("latents that are no numbers", "if not bool(found.isfinite().all()):", "if False:"),
        ("two latents for one", "(z.ndim == 2 and len(z) != 1) or", "False or"),
    ],
    ("sampling/photos.py", "cli/test_project.py"): [
        ("a sample's border twice", "0 if image.size == (size, size) else info", "info"),
    ],
    ("cli/project.py", "cli/test_project.py"): [
        ("a photo is replaced by its latent's picture", "if path.resolve() in photographs:", "if False:"),
        ("the features of a run's data forgotten", "features=detector,", "features=None,"),
    ],
    ("cli/interpolate.py", "cli/test_interpolate.py"): [
        ("a latent of another snapshot, unsaid", 'if kept.snapshot not in ("", here):', "if False:"),
    ],
    ("report/animation.py", "report/test_animation.py"): [
        (
            "a palette for each frame",
            "picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)",
            "picture.quantize(256)",
        ),
        ("a film that runs ahead", "round(1000 * k / fps / unit)", "k * round(1000 / fps / unit)"),
    ],
    ("sampling/snapshot.py", "sampling/test_sampling.py"): [
        ("any network that a snapshot describes", "if left < 0:", "if False:"),
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
}
