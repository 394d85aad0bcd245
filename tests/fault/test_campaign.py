"""The kill campaign: SIGKILL at random instants of engine, worker, guardian and jobs, then the same command again.

Every job keeps a diary of its own: who began (with its pid) and who ended. A job that begins while an earlier one of its kind
still lives writes so, and so does one that finds more holders of a token than there are. At the end every job is done, and none
has begun more often than once and once more for each death of a worker (or its guardian) and each of its own; a death of the engine
gives nobody another run.

XPM_FAULT_KILLS is the number of kills (100), XPM_FAULT_SEED the seed (random; it is printed).
"""
import os
import random
import select
import signal
import sys
import time
import unittest

import xpmtest

KILLS = int(os.environ.get("XPM_FAULT_KILLS", "100"))
SEED = int(os.environ.get("XPM_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))

# What a job does, in a language that starts fast: $1 its name, $2 for how long, $3 the seats it has.
JOB = """\
#!/bin/sh
diary="$DIARIES/$1"
while read -r what pid rest; do
        [ "$what" = begin ] || continue
        # A zombie has no command line, and a number may have been given away.
        if grep -q "$0" "/proc/$pid/cmdline" 2>/dev/null && [ "$pid" != $$ ]; then echo "overlap $$ with $pid" >> "$diary"; fi
done < "$diary" 2>/dev/null
echo "begin $$" >> "$diary"
if [ "$3" -gt 0 ]; then
        held=0
        for file in "$DIARIES"/seats/*; do
                owner=${file##*/}
                grep -q "$0" "/proc/$owner/cmdline" 2>/dev/null && held=$((held + $(cat "$file" 2>/dev/null || echo 0)))
        done
        echo "$3" > "$DIARIES/seats/$$"
        [ $((held + $3)) -le 3 ] || echo "crowded $$ $held" >> "$diary"
fi
sleep "$2"
rm -f "$DIARIES/seats/$$"
echo "end $$" >> "$diary"
"""

PLAN = """\
id: campaign
tokens: {seat: 3}
tasks:
  plain:
    params: {n: int}
    command: ["JOB", "plain-{{n}}", "0.0{{n}}", "0"]
    max_retries: 1000000
  seated:
    params: {n: int, seats: int}
    command: ["JOB", "seated-{{n}}-{{seats}}", "0.0{{n}}", "{{seats}}"]
    tokens: {seat: "{{seats}}"}
    max_retries: 1000000
  after:
    params: {p: plain}
    command: ["JOB", "after-{{p.n}}", "0.01", "0"]
    max_retries: 1000000
plan:
  plain: {task: plain, sweep: {n: {range: [1, 10]}}}
  seated: {task: seated, sweep: {n: [3, 5, 9], seats: [1, 2, 3]}}
  after: {task: after, params: {p: {each: plain}}}
"""
JOBS = 27


class Campaign(xpmtest.Case):
    def tree(self):
        """(pid, parent, command line) of every process of this test."""
        found = []
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                with open(f"/proc/{pid}/cmdline", "rb") as line:
                    found.append((pid, parent, line.read().split(b"\0")))
            except OSError:
                pass
        return found

    def victims(self, kind):
        """What to kill: pids, or negative ones for groups."""
        tree = self.tree()
        workers = [(pid, parent) for pid, parent, words in tree if b"worker" in words]
        pids = {pid for pid, _ in workers}
        inner = [(pid, parent) for pid, parent in workers if parent in pids]
        jobs = {pid: words[2].decode() for pid, _, words in tree if len(words) > 2 and words[1].endswith(b"/job")}
        choices = {
            "engine": [[pid] for pid, _, words in tree if b"run-experiment" in words],
            "worker": [[pid] for pid, _ in inner],
            "guardian": [[parent] for _, parent in inner],
            "both": [[pid, parent] for pid, parent in inner],
            "job": [[pid] for pid in jobs],
            "group": [[-pid] for pid in jobs],
        }[kind]
        chosen = self.random.choice(choices) if choices else []
        if kind in ("job", "group") and chosen:
            self.hits.append(jobs[abs(chosen[0])])
        elif kind != "engine" and chosen:
            self.worker_deaths += 1
        return chosen

    def kill(self, kind):
        targets = self.victims(kind)
        if kind == "both":
            for pid in targets:
                self.send(pid, signal.SIGSTOP)
        return sum(self.send(pid, signal.SIGKILL) for pid in targets)

    def send(self, pid, number):
        try:
            if pid < 0:
                os.killpg(-pid, number)
            else:
                os.kill(pid, number)
            return 1
        except ProcessLookupError:
            return 0

    def one_experiment(self, number, budget):
        """Run the plan to its end in a workspace of its own, with kills; returns how many there were."""
        diaries = self.here / f"diaries{number}"
        (diaries / "seats").mkdir(parents=True)
        self.env["DIARIES"] = str(diaries)
        workspace, deaths = self.here / f"ws{number}", 0
        self.hits, self.worker_deaths = [], 0
        while True:
            engine = self.start("run-experiment", "--workdir", workspace, "-j", 4, "plan.yaml")
            ended = os.pidfd_open(engine.pid)
            try:
                while not select.select([ended], [], [], self.random.uniform(0, 0.15))[0]:
                    if deaths < budget:
                        kind = self.random.choice(["engine", "worker", "guardian", "both", "job", "group"])
                        killed = self.kill(kind)
                        deaths += killed
                        self.kinds[kind] = self.kinds.get(kind, 0) + (killed > 0)
            finally:
                os.close(ended)
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.runs += 1
            if engine.returncode == 0:
                break
            # 1: a job was killed; -9: the engine was.
            self.assertIn(engine.returncode, (1, -signal.SIGKILL), out + err)
        self.assertIn(f"{JOBS} jobs: ", out)
        self.check(diaries)
        return deaths

    def check(self, diaries):
        files = [path for path in diaries.iterdir() if path.is_file()]
        self.assertEqual(len(files), JOBS)
        for path in files:
            text = path.read_text(encoding="utf-8")
            self.assertNotIn("overlap", text, f"seed {SEED}: {path.name}\n{text}")
            self.assertNotIn("crowded", text, f"seed {SEED}: {path.name}\n{text}")
            begun, complete = text.count("begin "), text.count("end ")
            self.assertGreaterEqual(complete, 1, path.name)
            allowed = 1 + self.worker_deaths + self.hits.count(path.name)
            self.assertLessEqual(begun, allowed, f"seed {SEED}: {path.name}\n{text}")
            self.again += complete - 1
            self.more += begun - 1

    def test_nothing_is_lost_and_nothing_runs_twice_at_once(self):
        self.random, self.kinds, self.runs, self.again, self.more = random.Random(SEED), {}, 0, 0, 0
        # Who looks for leaks at his end does so by a process of his own, and waits for ever when that is killed.
        self.env["ASAN_OPTIONS"] = ":".join(filter(None, (self.env.get("ASAN_OPTIONS"), "detect_leaks=0")))
        job = self.write("job", JOB, 0o755)
        self.write("plan.yaml", PLAN.replace("JOB", str(job)))
        kills, experiments, began = 0, 0, time.monotonic()
        while kills < KILLS:
            kills += self.one_experiment(experiments, min(25, KILLS - kills))
            experiments += 1
        print(f"seed {SEED}: {kills} kills ({', '.join(f'{name} {n}' for name, n in sorted(self.kinds.items()))}) in {experiments} "
              f"experiments and {self.runs} runs: {experiments * JOBS} jobs done, {self.more} runs beyond the first, {self.again} of them of jobs that had ended, "
              f"no overlap, no token too many; {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
