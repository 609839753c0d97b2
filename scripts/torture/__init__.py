"""The modules of scripts/torture.sh.

__main__   the command line
campaign   draws tries from a seed, runs them in one worker a core, counts, prints the table
soak       one long run whose memory, descriptors and temporary files must stay flat

lab        what a try has: the program, a folder of its own, random numbers, the scenarios; the checks at its end
scenario   the tiny runs, each done once without a fault: the reference that every try is compared with
program    runs the program, with calls that fail; what is wrong with how it ended
calls      the calls that a run makes, by phase; the rules of tests/torture/fail_calls.cpp
run        what a run's folder holds, and how two of them differ
tfevents   reads TensorBoard's files

kills, failing_calls, full_disks, damage, hostile_states, pairs, signals, changed_data, descriptors: the kinds
of tries
"""
