#!/usr/bin/env python3
"""What planning costs: a dry run of a million jobs, 50,000 jobs against 5,000, and the start of the program.

Printed are medians of interleaved rounds, and ratios to a yardstick of the same round.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MILLION = """\
id: million
tasks:
  bench.Plan:
    params: {{a: int, b: float, c: str}}
    command: [/bin/true, "{{{{a}}}}", "{{{{b}}}}", "{{{{c}}}}"]
plan:
  plan:
    task: bench.Plan
    sweep:
      a: {{range: [0, 100]}}
      b: {{linspace: [0, 1, 100]}}
      c: [{names}]
"""

MANY = """\
id: many
tasks:
  bench.Run:
    params: {{n: int}}
    command: [/bin/true]
plan:
  run:
    task: bench.Run
    sweep: {{n: {{range: [0, {jobs}]}}}}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def timed(argv, output=subprocess.DEVNULL):
    begin = time.monotonic()
    subprocess.run(argv, check=True, stdout=output, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin


def peak(argv):
    """Peak memory in MiB: of a child's child, so that no larger one that was waited for before counts."""
    script = "import resource,subprocess,sys; subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL);"
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", script, *argv], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def million(options, root):
    plan = write(f"{root}/million.yaml", MILLION.format(names=", ".join(f"v{i}" for i in range(100))))
    ours = [options.xpm, "run-experiment", "--workdir", f"{root}/none", "--run-mode", "dry-run", "--json", plan]
    least = [options.hashing, "1000000"]
    rounds = [(timed(ours), timed(least)) for _ in range(options.rounds)]
    seconds = statistics.median(ours for ours, _ in rounds)
    ratio = statistics.median(ours / least for ours, least in rounds)
    print(f"dry run of 1,000,000 jobs: {seconds:.2f} s, {peak(ours):.0f} MiB; {ratio:.2f} times the hashes and the JSON alone")


def scaling(options, root):
    def each(jobs, turn):
        plan = write(f"{root}/many-{jobs}.yaml", MANY.format(jobs=jobs))
        work = f"{root}/work-{jobs}-{turn}"
        return timed([options.xpm, "run-experiment", "-j", "2", "--workdir", work, plan]) / jobs

    rounds = [(each(50000, turn), each(5000, turn)) for turn in range(options.long_rounds)]
    many, few = (statistics.median(values) * 1e3 for values in zip(*rounds))
    ratio = statistics.median(many / few for many, few in rounds)
    print(f"a job of 50,000: {many:.3f} ms, of 5,000: {few:.3f} ms; {ratio:.2f} times")


def start(options, root):
    plan = write(f"{root}/one.yaml", MANY.format(jobs=1))
    help_, one, nothing = [], [], []
    for turn in range(20):
        help_.append(timed([options.xpm, "run-experiment", "--help"]))
        one.append(timed([options.xpm, "run-experiment", "--workdir", f"{root}/one-{turn}", plan]))
        nothing.append(timed(["/bin/true"]))
    help_, one, nothing = (statistics.median(values) * 1e3 for values in (help_, one, nothing))
    print(f"--help: {help_:.1f} ms, {help_ / nothing:.1f} times /bin/true; a run of one job: {one:.1f} ms, {one / nothing:.1f} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xpm", required=True)
    parser.add_argument("--hashing", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long-rounds", type=int, default=3)
    parser.add_argument("--directory", help="where to work (its filesystem is measured)")
    options = parser.parse_args()
    options.xpm, options.hashing = os.path.abspath(options.xpm), os.path.abspath(options.hashing)
    root = tempfile.mkdtemp(prefix="xpm-bench.", dir=options.directory)
    try:
        start(options, root)
        million(options, root)
        scaling(options, root)
    finally:
        shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
