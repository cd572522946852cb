"""Harm done on purpose: what the project promises about bad files, kills, full disks and signals, tried at length.

The long forms are run by ``make faults``; each has a short form among the tests.
"""
