"""The recorded engine and its operations."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
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
    ("side_effects/substitution.py", "fast/test_operations.py"): [
        ("running statistics at double speed", "* factor, momentum)", "* factor, 2 * momentum)"),
    ],
    ("fast/step.py", "fast/test_engine.py"): [
        ("zero-sum with the wrong sign", "None if g is None else -g", "None if g is None else g"),
    ],
}
