"""Metrics, detectors, and what is measured when."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
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
    ("evaluation/reference.py", "evaluation/test_reference.py"): [
        ("features that are not finite", "if not features.finite:", "if False:"),
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
}
