"""What ``make gpu`` plays on a machine with a GPU; ``benchmarks/gpu.py`` starts it.

``parts``       the parts in their order, and how long each may take
``conduct``     plays them, each in a process of its own that is stopped at its limit
``child``       that process; ``sheet`` is the file that it writes as it goes
``written``     the report for people; ``aims`` beside what was measured

The others hold one part each, or what one part is made of. What runs in the conductor needs no torch.
"""
