"""Harm done on purpose to whole programs: kills, full disks, signals, hours of work, damaged inputs. See docs/trust.md."""
