#!/usr/bin/env python3
"""How fast jobs run: xpm against a bare loop, ninja and make, on the same commands.

Rounds are interleaved and each run has a directory of its own, because shortly after a large tree was removed everything on its
filesystem is slower, and the more so the more files are made; the trees are removed at the end, and the first round is not counted.
Printed are medians, and medians of the ratios within a round. A machine with other work gives no figures that mean anything.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PLAN = """\
id: throughput
tasks:
  bench.Run:
    params: {{n: int}}
    command: [{command}]
plan:
  run:
    task: bench.Run
    sweep: {{n: {{range: [0, {jobs}]}}}}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def prepare_xpm(options, directory):
    write(f"{directory}/plan.yaml", PLAN.format(command=options.command, jobs=options.jobs))
    return [options.xpm, "run-experiment", "--workdir", f"{directory}/work", "-j", str(options.slots),
            f"{directory}/plan.yaml"]


def prepare_yardstick(options, directory):
    return [options.yardstick, directory, str(options.jobs), str(options.slots), options.command]


def prepare_ninja(options, directory):
    rules = [f"rule run\n  command = {options.command}\n"]
    rules += [f"build {job}: run\n" for job in range(options.jobs)]
    write(f"{directory}/build.ninja", "".join(rules))
    return ["ninja", "-C", directory, "-j", str(options.slots), "--quiet"]


def prepare_make(options, directory):
    targets = " ".join(str(job) for job in range(options.jobs))
    write(f"{directory}/Makefile", f"all: {targets}\n.PHONY: all {targets}\n{targets}:\n\t@{options.command}\n")
    return ["make", "-s", "-C", directory, "-j", str(options.slots)]


RUNNERS = {"xpm": prepare_xpm, "yardstick": prepare_yardstick, "ninja": prepare_ninja, "make": prepare_make}


def measure(argv):
    """Seconds of wall time and of CPU, children included."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def collect(options, names, root):
    figures = {name: [] for name in names}
    for turn in range(options.rounds + 1):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            directory = f"{root}/{name}-{turn}"
            os.mkdir(directory)
            figures[name].append(measure(RUNNERS[name](options, directory)))
    return {name: values[1:] for name, values in figures.items()}


def report(options, figures):
    base = figures["xpm"]
    print(f"{options.jobs} jobs of {options.command}, {options.slots} at once, medians of {options.rounds} rounds")
    print(f"{'':10} {'ms/job':>8} {'CPU ms':>8}   xpm is … times as long, with … times the CPU")
    for name, values in figures.items():
        wall, cpu = (statistics.median(value[i] for value in values) * 1e3 / options.jobs for i in (0, 1))
        ratios = [statistics.median(ours[i] / other[i] for ours, other in zip(base, values)) for i in (0, 1)]
        print(f"{name:10} {wall:8.3f} {cpu:8.3f}   {ratios[0]:.2f}  {ratios[1]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xpm", required=True)
    parser.add_argument("--yardstick", required=True)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--command", default="/bin/true")
    parser.add_argument("--directory", help="where to work (its filesystem is measured)")
    options = parser.parse_args()
    options.xpm, options.yardstick = os.path.abspath(options.xpm), os.path.abspath(options.yardstick)
    names = [name for name in RUNNERS if name in ("xpm", "yardstick") or shutil.which(name)]
    root = tempfile.mkdtemp(prefix="xpm-bench.", dir=options.directory)
    try:
        report(options, collect(options, names, root))
    finally:
        shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
