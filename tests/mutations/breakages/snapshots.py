"""What becomes of snapshots: samples, D's help, exports."""

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
