"""`make bench`: how fast it is, against yardsticks that are built and run here, on the same machine in the same run.

No test of pytest's: numbers depend on the machine, so that only ratios are judged. A new row is a function in `rows`,
its yardstick a route in `yardsticks`.
"""
