"""Presets, checks of settings, and commands."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("config/findings.py", "config/test_findings.py"): [
        ("no word about few images", "if count < FEW:", "if count < 0:"),
        ("no word about tiny presets", "and size > TINY", "and size > 1000"),
    ],
    ("cli/shells.py", "cli/test_completion.py"): [
        ("one value of a flag in bash", 'last = "*" if flag.many', 'last = "1" if flag.many'),
    ],
    ("config/checks.py", "test_own_arguments.py"): [
        ("words that no setting knows", "if words and values[name] not in words:", "if False:"),
    ],
    ("cli/streams.py", "cli/test_streams.py"): [
        ("terminals obey", "self.rich_proxied_file.write(printable(text))", "self.rich_proxied_file.write(text)"),
    ],
    ("config/settings.py", "training/test_resume.py"): [
        ("settings repeated whole", "are {shown(values)}, not a group", "are {values!r}, not a group"),
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
}
