"""Measured ratios against peers and against the limit of the machine.

``python -m benchmarks`` runs all comparisons, ``python -m benchmarks NAME …`` some of them;
results are kept in one file, from which ``--report`` draws table, page and picture.
"""
