"""The command line of scripts/torture.sh, which says how it is used."""
import argparse
import pathlib
import sys

from torture import campaign, soak
from torture.program import Program
from torture.scenario import SetupFailed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preload", type=pathlib.Path, required=True)
    parser.add_argument("--try", dest="again")
    parser.add_argument("--soak", type=float)
    parser.add_argument("minutes", type=float, nargs="?", default=1.0)
    parser.add_argument("seed", nargs="?", default="1")
    parser.add_argument("--program", type=pathlib.Path, required=True)
    options = parser.parse_args()
    program = Program(options.program, options.preload)
    try:
        if options.soak is not None:
            return soak.run_soak(program, options.soak)
        if options.again:
            seed, _, number = options.again.rpartition(".")
            return campaign.repeat(program, seed, int(number))
        return campaign.run_campaign(program, options.minutes, options.seed)
    except SetupFailed as error:
        print(f"FAILED without any fault: {error}")
        return False
    except KeyboardInterrupt:
        return False


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
