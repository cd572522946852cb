"""Tests that repeat in a larger or another form what is played at every test: for ``make test-all``."""

import pytest

AT_LEISURE = (
    "benchmarks/test_gpu_parts.py",
    "benchmarks/test_lockstep.py",
    "benchmarks/test_gpu.py::test_whatever_ends",
    "benchmarks/test_gpu.py::test_an_interruption",
    "bench/test_plan.py::test_operations_and_memory_are_those_of_a_step[checkpointing]",
    "bench/test_plan.py::test_advice_where_nothing_fits_can_be_followed[dcgan]",
    "bench/test_plan.py::test_every_preset_can_be_planned[dcgan64]",
    "bench/test_plan.py::test_every_preset_can_be_planned[imagenet128-biggan]",
    "bench/test_plan.py::test_a_batch_in_parts_holds_the_gradients_of_earlier_parts_too[alternating]",
    "bench/test_bench.py::test_the_peak_is_a_rate",
    "distributed/test_training.py::test_a_mistake_that_is_found_later_is_said_once[flags0]",
    "dynamics/test_games.py::test_recorded_and_plain_are_one[sndcgan-",
    "fast/test_cuda_rules.py::test_every_preset_records_and_plays_under_cudas_rules[cifar10-bfloat16]",
    "fast/test_cuda_rules.py::test_every_preset_records_and_plays_under_cudas_rules[emoji128-float32]",
    "fast/test_cuda_rules.py::test_the_rules_act_below_the_tracer",
    "fast/test_engine.py::test_operations_of_the_cifar_step[4]",
    "fast/test_engine.py::test_simultaneous_of_convolutions[wasserstein-",
    "fast/test_engine.py::test_games_stay_the_same_over_many_steps[settings1]",
    "fast/test_peoples_networks.py::test_what_changes_between_steps_changes_the_game[a layer]",
    "fast/test_peoples_networks.py::test_what_changes_between_steps_changes_the_game[a class's number]",
    "fast/test_peoples_networks.py::test_what_changes_seldom",
    "fast/test_out_of_sight.py::test_what_is_read_from_around_is_looked_at[an object]",
    "fast/test_out_of_sight.py::test_what_is_read_from_around_is_looked_at[a class]",
    "fast/test_out_of_sight.py::test_what_is_read_from_around_is_looked_at[a function inside]",
    "fast/test_out_of_sight.py::test_what_is_read_from_around_is_looked_at[a bound method]",
    "fast/test_out_of_sight.py::test_rules_that_change_at_every_step[loss]",
    "fast/test_engine.py::test_games_stay_the_same_over_many_steps[settings3]",
    "fast/test_out_of_sight.py::test_what_is_read_from_around_is_looked_at[a custom",
    "paper/test_dynamics_table.py::test_from_end_to_end",
    "second_order/test_functions.py::test_functions_with_a_second_derivative_are_not_refused[recorded",
    "test_examples.py::test_second_derivatives",
    "training/test_resume.py::test_resume_is_exact[extragradient",
    "training/test_resume.py::test_resume_is_exact[conditional",
    "training/test_whole_steps.py::test_the_run_is_that_of_single_steps[alternating",
    "test_batched_norm.py::test_a_step_of_a_network_of_equal_layers[recorded]",
)
"""Beginnings of their names, after ``tests/``."""


def mark_slow(items, whole_files):
    """Mark those of the list; with ``whole_files`` refuse names of the list that no test has any more."""
    found = set()
    for item in items:
        names = [name for name in AT_LEISURE if item.nodeid.startswith(f"tests/{name}")]
        found.update(names)
        if names:
            item.add_marker(pytest.mark.slow)
    files = {item.nodeid.partition("::")[0] for item in items} if whole_files else set()
    gone = [name for name in AT_LEISURE if f"tests/{name.partition('::')[0]}" in files and name not in found]
    if gone:
        raise pytest.UsageError(f"tests/at_leisure.py lists tests that there are not: {', '.join(gone)}")
