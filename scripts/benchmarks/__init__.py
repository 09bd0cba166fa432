"""What ``scripts/bench`` is made of: a workload, a load generator, one module for each target of the design, the peers.

Nothing here is imported by mcai. A figure is measured and printed, never asserted: machines differ.
"""
