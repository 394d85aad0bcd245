#!/usr/bin/env python3
"""What a run through Slurm costs, on a cluster of its own on this host (tests/support/slurmtest.py).

    submit   1,000 ready jobs alike: seconds until Slurm has them all, from the start of the program and from the time when the
             run begins, and the requests for it
    requests so many are made in a run of 1,000 jobs that takes about ten minutes
    idle     10,000 jobs in the queue: what the engine and its helper use of a core and of memory while they wait; then
             `xpm jobs kill` of all of them
    added    200 jobs of a second on a node of two cores against a bare `sbatch --array` of the same, in turn: seconds more
             for each job, and when the end is seen

Requests are counted by the controller (sdiag). A machine with other work gives no figures that mean anything: the load is
printed beside them.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import slurmtest  # noqa: E402

PLAN = """\
id: bench
tasks:
  bench.Run:
    params: {{n: int}}
    requirements: duration=10m & cpu(cores=1, mem=20M)
    command: [sleep, '{seconds}']
plan:
  run:
    task: bench.Run
    sweep: {{n: {{range: [0, {jobs}]}}}}
"""
# Of whoever runs jobs; others are the cluster's own, and sdiag's.
REQUESTS = ("REQUEST_SUBMIT_BATCH_JOB", "REQUEST_PARTITION_INFO", "REQUEST_BUILD_INFO", "REQUEST_JOB_INFO",
            "REQUEST_JOB_USER_INFO", "REQUEST_KILL_JOB", "REQUEST_JOB_INFO_SINGLE")


def requests(cluster):
    counts = dict(re.findall(r"^\s+(REQUEST_\w+)\s*\(\s*\d+\)\s*count:(\d+)", cluster.run("sdiag"), re.M))
    return sum(int(counts.get(name, 0)) for name in REQUESTS)


class Run:
    """xpm on a plan of JOBS jobs of SECONDS, in a directory of its own."""

    def __init__(self, options, cluster, jobs, seconds):
        self.here = pathlib.Path(tempfile.mkdtemp(prefix="xpm-bench-", dir=options.directory))
        (self.here / "plan.yaml").write_text(PLAN.format(jobs=jobs, seconds=seconds))
        self.log = open(self.here / "log", "w+")
        self.program = options.xpm
        self.env = {**os.environ, **cluster.env, "HOME": str(self.here), "XDG_CONFIG_HOME": str(self.here),
                    "XDG_CACHE_HOME": str(self.here)}
        self.begin = time.monotonic()
        self.process = subprocess.Popen([self.program, "run-experiment", "--workdir", "work", "--launcher", "slurm",
                                         "plan.yaml"], cwd=self.here, env=self.env, stdout=self.log, stderr=self.log)

    def xpm(self, *words):
        subprocess.run([self.program, *words], cwd=self.here, env=self.env, check=True, stdout=subprocess.DEVNULL)

    def files(self, pattern):
        return list(self.here.glob(f"work/experiments/bench/2*/{pattern}"))

    def wait_for(self, condition, pause=0.005):
        """Seconds from the start until CONDITION."""
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError("xpm ended early:\n" + self.said())
            time.sleep(pause)
        return time.monotonic() - self.begin

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def status(self):
        return json.loads(self.files("status.json")[0].read_text())

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


def drain(cluster):
    for i in range(1, cluster.nodes + 1):
        cluster.run("scontrol", "update", f"nodename=n{i}", "state=DRAIN", "reason=bench")


def cancel(cluster):
    cluster.run("scancel", "--user", os.getuid())
    cluster.wait_for("an empty queue", lambda: not cluster.run("squeue", "--noheader", "--format=%i").strip())


def measure_disk(options, jobs):
    """Seconds for what a run writes at least: a directory of five files for each job."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="disk-", dir=options.directory))
    begin = time.monotonic()
    for job in range(jobs):
        (top / str(job)).mkdir()
        for name in range(5):
            (top / str(job) / str(name)).write_text("x" * 1000)
    return time.monotonic() - begin


def measure_submit(options):
    cluster = slurmtest.Cluster(nodes=1, cpus=2, array=1001)
    figures = []
    try:
        drain(cluster)
        for _ in range(options.rounds):
            disk, before = measure_disk(options, 1000), requests(cluster)
            run = Run(options, cluster, 1000, 1)
            try:
                begun = run.wait_for(lambda: run.files("jobs.jsonl"))
                done = run.wait_for(lambda: run.files("batches/*.id"))
                figures.append((done, done - begun, requests(cluster) - before, disk))
            finally:
                run.end()
                cancel(cluster)
    finally:
        cluster.stop()
    for what, i in (("s from the start of the program", 0), ("s from the beginning of the run", 1), ("requests", 2),
                    ("s for five small files a job in Python", 3)):
        print(f"submit: 1,000 jobs alike: {statistics.median(one[i] for one in figures):.2f} {what} "
              f"({', '.join(f'{one[i]:.2f}' for one in figures)})")


def measure_requests(options):
    cluster = slurmtest.Cluster(nodes=2, cpus=8, array=1001)
    try:
        before = requests(cluster)
        run = Run(options, cluster, 1000, options.seconds)
        try:
            run.process.wait()
            took = time.monotonic() - run.begin
            print(f"requests: 1,000 jobs in {took:.0f} s: {requests(cluster) - before} requests, of which the run tells of "
                  f"{run.status()['requests']}; exit status {run.process.returncode}")
        finally:
            run.end()
    finally:
        cluster.stop()


def used(pid):
    """CPU seconds, and the present and the most memory in MiB."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss, peak = (int(re.search(rf"^{key}:\s*(\d+)", status, re.M).group(1)) / 1024 for key in ("VmRSS", "VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss, peak


def measure_idle(options):
    cluster = slurmtest.Cluster(nodes=1, cpus=2, array=1001, jobs=20000)
    try:
        drain(cluster)
        run = Run(options, cluster, 10000, 1)
        try:
            took = run.wait_for(lambda: len(run.files("batches/*.id")) == 10, 0.05)
            time.sleep(options.settle)
            children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(run.process.pid)], capture_output=True, text=True)
            pids = {"engine": run.process.pid, **{"helper": int(pid) for pid in children.stdout.split()}}
            before, asked = {name: used(pid) for name, pid in pids.items()}, requests(cluster)
            time.sleep(options.watch)
            print(f"idle: 10,000 jobs queued, submitted in {took:.1f} s; {requests(cluster) - asked} requests in {options.watch} s")
            for name, pid in pids.items():
                cpu, rss, peak = used(pid)
                print(f"idle: {name}: {100 * (cpu - before[name][0]) / options.watch:.2f} % of a core, {rss:.0f} MiB "
                      f"({peak:.0f} at most)")
            run.process.kill()
            run.process.wait()
            asked, begin = requests(cluster), time.monotonic()
            run.xpm("jobs", "kill", "--workdir", "work", "--all", "--perform")
            print(f"idle: killed in {time.monotonic() - begin:.1f} s by {requests(cluster) - asked} requests")
        finally:
            run.end()
            cancel(cluster)
    finally:
        cluster.stop()


def run_bare(cluster, directory):
    """Seconds from the submission until the last job has ended."""
    begin, started = time.monotonic(), time.time()
    job = cluster.run("sbatch", "--parsable", "--array=0-199", "--nodes=1", "--ntasks=1", "--cpus-per-task=1",
                      "--mem=20M", "--time=10:00", "--no-requeue", "--signal=B:TERM@30", "--output=/dev/null",
                      f"--wrap=sleep 1; date +%s.%N > {directory}/$SLURM_ARRAY_TASK_ID").strip()
    while len(list(pathlib.Path(directory).iterdir())) < 200:
        if time.monotonic() - begin > 600:
            raise RuntimeError(f"job {job} does not end")
        time.sleep(0.2)
    time.sleep(0.1)
    return max(float(path.read_text()) for path in pathlib.Path(directory).iterdir()) - started


def run_ours(options, cluster):
    """Seconds from the start of the program until the last job has ended, and from then to the end of the program."""
    started = time.time()
    run = Run(options, cluster, 200, 1)
    try:
        run.process.wait()
        ended = time.time()
        last = max(path.stat().st_mtime for path in run.here.glob("work/jobs/bench.run/*/*.done"))
        return last - started, ended - last
    finally:
        run.end()


def measure_added(options):
    cluster = slurmtest.Cluster(nodes=1, cpus=2, array=1001)
    figures = []
    try:
        for turn in range(options.rounds):
            for what in ("bare", "xpm") if turn % 2 else ("xpm", "bare"):
                if what == "bare":
                    bare = run_bare(cluster, tempfile.mkdtemp(prefix="bare-", dir=options.directory))
                else:
                    last, later = run_ours(options, cluster)
                cancel(cluster)
            figures.append((bare, last, last + later))
            print(f"added: bare {bare:.1f} s, xpm {last:.1f} s to the end of the last job, which is seen {later:.1f} s later; "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)
    finally:
        cluster.stop()
    for what, i in (("to the end of the last job", 1), ("to the end of the run", 2)):
        more = [(one[i] - one[0]) / 200 * 1000 for one in figures]
        print(f"added: {statistics.median(more):.0f} ms a job {what} ({', '.join(f'{one:.0f}' for one in more)})")


MEASURES = {"submit": measure_submit, "requests": measure_requests, "idle": measure_idle, "added": measure_added}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xpm", required=True, type=os.path.abspath)
    parser.add_argument("--directory", default=None, help="where runs are made; the default is that of temporary files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="that a job of `requests` takes: 16 run at once")
    parser.add_argument("--settle", type=float, default=20, help="seconds between the submission and the watch of `idle`")
    parser.add_argument("--watch", type=float, default=60, help="seconds of `idle`")
    parser.add_argument("what", nargs="*", choices=[[], *MEASURES], help="all of them")
    options = parser.parse_args()
    if slurmtest.missing():
        print("slurm: no Slurm here, nothing measured")
        return
    # Shortly after a large tree was removed everything on its filesystem is slower, so that is left to the end.
    options.directory = tempfile.mkdtemp(prefix="xpm-bench-", dir=options.directory)
    try:
        for name in options.what or MEASURES:
            print(f"# {name}, load {os.getloadavg()[0]:.1f}", flush=True)
            MEASURES[name](options)
    finally:
        shutil.rmtree(options.directory, ignore_errors=True)


if __name__ == "__main__":
    main()
