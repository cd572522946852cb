"""Files, errors and interruptions: what all rooms use."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("errors.py", "test_own_arguments.py"): [
        ("a field keeps its old name", "else names.get(self.field, self.field))", "else self.field)"),
    ],
    ("sealed.py", "sampling/test_sampling.py"): [
        ("checksum unread", "if header[CHECKSUM] != digest", "if False and header[CHECKSUM] != digest"),
        ("without a checksum all is well", "if CHECKSUM not in header:", "if False:"),
    ],
    ("foreign.py", "test_foreign.py"): [
        ("infinite numbers", "if not math.isfinite(value):", "if False:"),
        ("nests", "    if level:\n        damaged", "    if False:\n        damaged"),
    ],
    ("interrupts.py", "test_interrupts.py"): [
        ("a closed session forgotten", '"SIGINT", "SIGTERM", "SIGHUP"', '"SIGINT", "SIGTERM"'),
        ("held back for ever", "if self.twice or not self.held", "if not self.held"),
    ],
    ("regular.py", "test_regular.py"): [
        ("links followed", "look = os.stat if through_links else os.lstat", "look = os.stat"),
        ("pipes waited for", '("O_NONBLOCK", "O_NOCTTY"', '("O_NOCTTY"'),
    ],
    ("files.py", "test_files.py"): [
        ("half a million damaged lines parsed", 'if line.lstrip()[:1] == b"{":', "if True:"),
        ("written in place", "write(partial)\n", "write(path); write(partial)\n"),
    ],
    ("interrupts.py", "cli/test_cli.py::test_ctrl_c_while_modules_are_loaded"): [
        ("Ctrl-C is success", "os._exit(status)", "os._exit(0)"),
    ],
}
