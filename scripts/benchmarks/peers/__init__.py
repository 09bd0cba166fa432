"""Other stores under the same workload, on the same machine, in the same run: each with its own indexes.

A peer that cannot be installed or started is reported as not measured, with the reason.
"""
