#!/usr/bin/env python3
"""Continuing an experiment of which all jobs are done: how long the same command takes to say so, and what memory.

The job directories are copies of one that xpm made (two of which are compared with what xpm makes), since running a hundred thousand
jobs would take minutes. Warm: medians of several rounds; cold: once, after the kernel has forgotten what it knew of files (as root).
The yardstick is one access() for each job's marker.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PLAN = """\
id: continuing
tasks:
  bench.Run:
    params: {{n: int}}
    command: [/bin/true]
plan:
  run:
    task: bench.Run
    sweep: {{n: {{range: [0, {jobs}]}}}}
"""
MODELS = 3  # jobs that are run


def command(options, root, *words):
    return [options.xpm, "run-experiment", "--workdir", f"{root}/work", *words, f"{root}/plan.yaml"]


def identifiers(options, root):
    dry = subprocess.run(command(options, root, "--run-mode", "dry-run", "--json"), check=True, capture_output=True, text=True)
    return [(job["job_id"], job["params"]["n"]) for job in map(json.loads, dry.stdout.splitlines())]


def copy(model, content, directory, job, number):
    """DIRECTORY as MODEL would look for another job; CONTENT is that of the model's files."""
    (directory / ".experimaestro").mkdir(parents=True)
    for name, text in content.items():
        text = text.replace(model.name, job).replace('{"n": 0}', f'{{"n": {number}}}')
        with open(directory / name, "w", encoding="utf-8") as file:
            file.write(text)


def files(directory):
    return {str(path.relative_to(directory)): path.read_text(encoding="utf-8") for path in directory.rglob("*") if path.is_file()}


def shape(directory, job):
    """What is the same in all directories: names, content but for the status, in which there are times."""
    found = files(directory)
    status = json.loads(found.pop(".experimaestro/status.json"))
    return {name: text.replace(job, "JOB") for name, text in found.items()}, sorted(status), status["state"]


def prepare(options, root):
    with open(f"{root}/plan.yaml", "w", encoding="utf-8") as file:
        file.write(PLAN.format(jobs=options.jobs))
    subprocess.run(command(options, root, "--limit", str(MODELS)), check=True, stdout=subprocess.DEVNULL)
    tree, jobs = pathlib.Path(root, "work", "jobs", "bench.run"), identifiers(options, root)
    model = tree / jobs[0][0]
    content = files(model)
    for job, number in jobs[1:MODELS]:
        copy(model, content, pathlib.Path(root, "copies", job), job, number)
        if shape(pathlib.Path(root, "copies", job), job) != shape(tree / job, job):
            sys.exit("a copied directory is not what xpm makes")
    for job, number in jobs[MODELS:]:
        copy(model, content, tree / job, job, number)
    return [str(tree / job / "run.done") for job, _ in jobs]


def measure(argv):
    """Seconds, and the peak of memory in MiB. By a small process, since a child's peak is not less than what its parent had."""
    script = "import resource,subprocess,sys,time; begin=time.monotonic();"
    script += "subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL);"
    script += "print(time.monotonic()-begin,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-S", "-c", script, *argv], check=True, capture_output=True, text=True)
    seconds, kibibytes = done.stdout.split()
    return float(seconds), int(kibibytes) / 1024


def look(markers):
    begin = time.monotonic()
    if not all(os.access(marker, os.F_OK) for marker in markers):
        sys.exit("not all are done")
    return time.monotonic() - begin


def forget_files():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")


def cold(action):
    try:
        forget_files()
    except OSError:
        return "not measured (only root may)"
    return f"{action():.2f} s"


def report(options, root):
    markers = prepare(options, root)
    argv = command(options, root)
    rounds = [(look(markers), *measure(argv)) for _ in range(options.rounds + 1)][1:]
    base, warm, memory = (statistics.median(values) for values in zip(*rounds))
    ratio = statistics.median(run / yardstick for yardstick, run, _ in rounds)
    print(f"continuing {options.jobs} jobs that are done, medians of {options.rounds} rounds")
    print(f"warm {warm:.2f} s, {ratio:.1f} times one access() for each job ({base:.2f} s); the engine's peak {memory:.0f} MiB")
    print(f"cold {cold(lambda: measure(argv)[0])}; one access() for each job, cold: {cold(lambda: look(markers))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xpm", required=True)
    parser.add_argument("--jobs", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="where to work (its filesystem is measured)")
    options = parser.parse_args()
    options.xpm = os.path.abspath(options.xpm)
    root = tempfile.mkdtemp(prefix="xpm-bench.", dir=options.directory)
    try:
        report(options, root)
    finally:
        shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
