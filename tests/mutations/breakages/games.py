"""Other dynamics than two gradients, batches in parts, and several ranks."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
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
}
