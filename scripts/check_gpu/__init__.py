"""The modules of scripts/check-gpu.py.

main      the command line, and which parts a call runs
plan      the parts in order, with the time of each
session   runs the steps of the parts, each with its limit, until the call's time is over or a signal stops it
step      Step and Part; the exceptions of a step
command   runs one program for a step, in a group of processes of its own
results   results.json and the archive of the logs
table     the tables that a call ends with
bundle    where the programs, the configs and the peers are
gtest     lists and runs the suites of a test program

device, suites, training, benchmark, ncu, peers, sanitizer: the steps of the parts
"""
