"""`make bench`: how fast it is, against yardsticks that are built and run here, on the same machine in the same run.

No test of pytest's: numbers depend on the machine. Rates are judged by their ratio to a yardstick: a new one is a
function in `rows`, its yardstick a route in `yardsticks`. Single answers are judged by what they may take at most, in
good times (`hits`, `cold`) and when something is broken (`bad_times`).
"""
