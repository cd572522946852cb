"""Tests that repeat in a larger or another form what is played at every test: for ``make test-all``."""

import pytest

AT_LEISURE = (
    "report/test_page_in_a_browser.py::test_play_goes_through_all_of_them",
    "report/test_page_in_a_browser.py::test_a_hundred_snapshots_open_in_two_seconds",
    "report/test_page_in_a_browser.py::test_without_scripts_there_is_the_last_picture",
    "fast/test_engine.py::test_operations_of_the_cifar_step",
    "cli/test_compare.py::test_runs_together_are_the_same_runs",
    "paper/test_table2.py::test_the_numbers_are_those_of_the_records",
    "test_real_data.py::test_fashion[ngd]",
    "docs/test_code.py::test_python_runs[training.md]",
    "install/test_other_systems.py::test_a_run_without_what_only_unix_has[ascii]",
    "faults/test_signals_short.py::test_it_leaves_tidily_and_goes_on[train]",
    "benchmarks/test_gpu.py::test_table2_in_tiny_form",
    "bench/test_plan.py::test_operations_and_memory_are_those_of_a_step[simultaneous]",
    "fast/test_proved_as_played.py::test_padding_is_proved_in_float32[0.5]",
    "fast/test_proved_as_played.py::test_what_is_right_is_played[recorded-bfloat16]",
    "training/test_live_report.py::test_a_run_is_the_same_with_it_and_without[cs]",
    "training/test_live_report.py::test_a_run_is_the_same_with_it_and_without[classes]",
    "sharing/test_onnx.py::test_what_a_user_of_it_finds",
    "training/test_resume.py::test_kill_9_at_a_random_moment[1-",
    "faults/test_inputs.py::test_all_that_no_reader_may_do_is_seen",
    "faults/test_disks.py::test_files_that_may_not_be_large",
    "distributed/test_ranks.py::test_memory_is_as_planned",
    "paper/test_table2.py::test_every_method_under_every_protocol",
    "paper/test_figures.py::test_from_end_to_end[figure4a]",
    "bench/test_bench.py::test_step",
    "bench/test_plan.py::test_memory_of_the_cifar_step",
    "bench/test_plan.py::test_checkpointing_saves_memory",
    "bench/test_plan.py::test_a_latent_step_now_and_then_costs_its_part",
    "bench/test_plan.py::test_operations_and_memory_are_those_of_a_step[alternating",
    "bench/test_plan.py::test_a_batch_in_parts_holds_the_gradients_of_earlier_parts_too[simultaneous]",
    "bench/test_plan.py::test_advice_where_nothing_fits_can_be_followed[checkpointing]",
    "fast/test_few_channels.py::test_a_whole_step_of_sn_dcgan",
    "fast/test_few_channels.py::test_it_is_on_for_bfloat16_on_cuda",
    "fast/test_proved_as_played.py::test_padding_is_proved_in_float32[1.3]",
    "fast/test_proved_as_played.py::test_spelling_out_is_proved_without_tf32[1.3]",
    "training/test_stops.py::test_a_terminal_that_is_closed",
    "training/test_full_disk.py::test_full_at_every_file_in_turn[6]",
    "training/test_resume.py::test_resume_is_exact[sga",
    "training/test_resume.py::test_resume_is_exact[everything on-13",
    "networks/test_residual_details.py::test_the_published_ones_are_relu[biggan-deep]",
    "networks/test_residual_details.py::test_a_swap_leaves_no_relu_in_any_module_or_function[biggan-deep]",
    "networks/test_residual_details.py::test_the_largest_singular_value_comes_to_one[biggan-deep]",
    "networks/test_checkpointing.py::test_the_most_that_a_step_holds[ngd]",
    "evaluation/test_training.py::test_seconds_are_those_of_training_without_measuring",
    "training/test_guard.py::test_a_healthy_run_raises_no_alarm[ring]",
    "data/test_data_cifar.py::test_cifar_as_jpeg_unpacked",
    "training/test_probe.py::test_a_run_with_a_probe",
    "second_order/test_fused.py::test_the_recorded_engine_plays_the_same[transformer-dtype0]",
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
    "fast/test_few_channels.py::test_convolutions_and_their_gradients[1-",
    "fast/test_few_channels.py::test_convolutions_and_their_gradients[3-",
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
