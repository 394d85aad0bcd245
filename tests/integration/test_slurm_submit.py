"""The engine itself as a batch job, and engines inside of allocations, on a real cluster."""
import json
import os
import signal
import subprocess
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


PLAN = """\
id: e
tasks:
  t:
    params: {{n: int}}
    {more}
    command: |
      {command}
plan:
  t: {{task: t, sweep: {{n: {{range: [0, {count}]}}}}}}
"""

# Wait for the test, in a job.
AWAIT = "while [ ! -e '{}' ]; do sleep 0.1; done"


class Submit(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.env.update(CLUSTER.env)
        if "XPM_SLURM" in os.environ:
            self.env["XPM_SLURM"] = os.environ["XPM_SLURM"]
        self.addCleanup(self.drain)
        self.engine = self.workspace / "experiments" / "e" / "engine.sh"

    def drain(self):
        """Nothing of this test stays in the queue."""
        subprocess.run([slurmtest.find("scancel"), "--user", str(os.getuid())], env={**os.environ, **CLUSTER.env})
        CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())

    def plan(self, command, count, more="requirements: duration=10m & cpu(cores=1, mem=50M)"):
        self.write("e.yaml", PLAN.format(command=command, count=count, more=more))

    def submit(self, *options, status=0):
        return self.xpm("run-experiment", "--submit", "--workdir", "ws", *options, "e.yaml", status=status)

    def sbatch(self, *words):
        done = self.command(slurmtest.find("sbatch"), "--parsable", *words)
        self.assertEqual(done.status, 0, done)
        return done.out.strip()

    def wait_for(self, what, condition):
        CLUSTER.wait_for(what, condition)

    def engines(self, live=False):
        """Numbers of the jobs of engines of this workspace."""
        listed = CLUSTER.run("squeue", "--noheader", *([] if live else ["--states=all"]), "--format=%i|%k")
        return sorted(int(line.split("|")[0]) for line in listed.splitlines()
                      if line.endswith(f"|xpm:{self.workspace}:engine:e"))

    def state(self, job):
        return dict(CLUSTER.jobs()).get(str(job))

    def notice(self, job):
        """What Slurm does some time before the end."""
        CLUSTER.run("scancel", "--batch", "--signal=USR1", job)

    def log(self):
        path = self.engine.with_suffix(".log")
        return path.read_text() if path.exists() else ""

    def diary(self):
        path = self.here / "diary"
        return path.read_text().split() if path.exists() else []

    def outputs(self):
        return {self.params(path)["n"]: (path / "t.out").read_text() for path in self.job_directories("t")}

    def done(self, job):
        self.wait_for(f"the end of job {job}", lambda: self.state(job) == "COMPLETED")

    def test_the_engine_is_a_job_and_another_continues_before_its_time_is_over(self):
        self.plan(f"echo {{{{n}}}} >> '{self.here}/diary'; echo $SECRET $SLURM_MEM_PER_NODE $SLURM_JOB_NAME ${{XPM_ENGINE-none}} ${{SLURM_OF_ENGINE-none}} "
                  f"$(umask); {AWAIT.format(self.here / 'go')}", 3)
        self.write("more.yaml", "title: of the other file\n")
        self.env["SLURM_OF_ENGINE"] = "seen"
        old = os.umask(0o027)
        try:
            result = self.submit("--env", "SECRET", "se 'cret", "--post-yaml", "more.yaml", "--sbatch-option=--time=30",
                                 "--sbatch-option", "--mem=200M")
        finally:
            os.umask(old)
        first, = self.engines()
        self.assertIn(f"the engine of 'e' is Slurm's job {first}\n", result.out)
        self.assertIn(str(self.engine.with_suffix(".log")), result.out)
        self.assertNotIn("cret", self.engine.read_text())
        self.wait_for("the jobs", lambda: len(self.diary()) == 3)
        self.assertIn(f"Slurm's job {first} already (RUNNING)", self.submit(status=3).err)
        self.assertEqual(CLUSTER.run("squeue", "-h", "-j", first, "-o", "%l %m").split(), ["30:00", "200M"])
        self.notice(first)
        self.notice(first)
        self.done(first)
        _, second = self.engines()
        # The jobs that wait need what stands in the first run.
        self.assertEqual(json.loads(min(self.workspace.glob("experiments/e/2*/environment.json")).read_text())["run"]["status"],
                         "detached")
        (self.here / "go").touch()
        self.done(second)
        self.assertEqual(self.engines(), [first, second])
        self.assertEqual(sorted(self.diary()), ["0", "1", "2"])
        self.assertEqual(set(self.outputs().values()), {"se 'cret 50 e none none 0027\n"})
        self.assertIn(f"job {second} continues", self.log())
        self.assertRegex(self.log(), r"e: 3 jobs: 3 done( \(\d before\))?, 0 failed")
        self.assertEqual(json.loads(self.xpm("experiments", "list", "--json", "--workdir", "ws").out)["title"],
                         "of the other file")
        self.assertIn("nothing was submitted", self.submit().out)
        self.assertEqual(self.engines(), [first, second])

    def test_what_runs_already_is_not_submitted(self):
        self.plan(AWAIT.format(self.here / "go"), 1)
        other = self.start("run-experiment", "--workdir", "ws", "--launcher", "local", "e.yaml")
        self.wait_for("the job", lambda: list(self.workspace.glob("jobs/t/*/t.pid")))
        self.assertIn("'e' is being run already", self.submit(status=3).err)
        (self.here / "go").touch()
        self.assertEqual(other.wait(xpmtest.PATIENCE), 0)
        self.assertEqual(self.engines(), [])

    def test_what_waits_in_slurm_keeps_the_run_that_it_was_submitted_by(self):
        self.plan("true", 2)
        config = self.home / ".config" / "experimaestro"
        config.mkdir()
        (config / "launchers.yaml").write_text("launchers:\n  s: {type: slurm, options: {hold: true}}\n")
        (config / "settings.yaml").write_text("history: {max_done: 0, max_failed: 0}\n")
        current = self.workspace / "experiments" / "e" / "current"
        runs = {None}
        for _ in range(3):
            engine = self.start("run-experiment", "--workdir", "ws", "e.yaml")
            self.wait_for("the run", lambda: current.is_symlink() and os.readlink(current) not in runs)
            self.wait_for("the submission", lambda: list(self.workspace.glob("experiments/e/2*/batches/*.id")))
            runs.add(os.readlink(current))
            engine.send_signal(signal.SIGINT)
            self.assertEqual(engine.wait(xpmtest.PATIENCE), 130)
        job, = {job.split("_")[0] for job, _ in CLUSTER.live()}
        CLUSTER.run("scontrol", "release", job)
        self.wait_for("the end", lambda: not CLUSTER.live())
        self.assertEqual(len(list(self.workspace.glob("jobs/t/*/t.done"))), 2)

    def test_the_time_is_what_the_partition_allows(self):
        self.plan("true", 1)
        # What was said for this job counts more than what is said for all.
        self.env.update(SBATCH_PARTITION="high", SBATCH_SIGNAL="TERM@9", SBATCH_COMMENT="mine")
        for options, time in ((["--partition=short"], "2:00"), (["-p", "low"], "1-00:00:00"), ([], "1-00:00:00")):
            with self.subTest(options):
                self.submit("--sbatch-option=--hold", *(["--sbatch-option", " ".join(options)] if options else []))
                engine = self.engines()[-1]
                self.assertEqual(CLUSTER.run("squeue", "-h", "-j", engine, "-o", "%l %P").split(),
                                 [time, {"-": "short", "p": "low"}[options[0][1]] if options else "high"])
                CLUSTER.run("scancel", engine)
                self.wait_for("its end", lambda: not self.engines(live=True))

    def test_mistakes_are_told_before_anything_is_submitted(self):
        self.write("e.yaml", "id: e\nplan: {t: {task: none}}\n")
        self.submit(status=2)
        self.plan("true", 1)
        for options, words, status in ((["--run-mode", "dry-run"], "leave out --run-mode", 2),
                                       (["--sbatch-option", "time=3"], "'time=3' is no option of sbatch", 2),
                                       (["--sbatch-option=--partition=none"], "Batch job submission failed: Invalid partition name", 3)):
            self.assertIn(words, self.submit(*options, status=status).err)
        self.assertIn("has a line break", self.xpm("run-experiment", "--submit", "--workdir", "w\ns", "e.yaml", status=2).err)
        result = self.xpm("run-experiment", "--sbatch-option=--time=3", "e.yaml", status=2)
        self.assertIn("is for --submit", result.err)
        (self.home / ".config" / "experimaestro").mkdir()
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text(
            "launchers:\n  quick: {type: slurm, options: {partition: short}}\n")
        result = self.submit(status=1)
        self.assertIn("fits nowhere: quick: it wants 600 s, and partition 'short' allows 120", result.out)
        self.assertIn("nothing was submitted", result.out)
        self.assertEqual(self.engines(), [])

    def test_of_two_engines_the_older_one_leaves(self):
        self.plan("true", 1)
        self.submit("--sbatch-option=--hold")
        first, = self.engines()
        second = self.sbatch(self.engine)
        CLUSTER.run("scontrol", "release", first)
        self.done(first)
        self.assertIn(f"job {second} is a later engine of 'e'", self.log())
        CLUSTER.run("scontrol", "release", second)
        self.done(second)
        self.assertIn("1 done, 0 failed", self.log())

    def test_a_submission_whose_answer_is_lost_has_one_successor_all_the_same(self):
        self.plan(AWAIT.format(self.here / "go"), 1)
        tools = self.here / "tools"
        self.write("tools/sbatch", f"#!/bin/sh\n[ -e '{self.here}/refuse' ] && {{ rm '{self.here}/refuse'; echo 'error: refused' >&2; exit 1; }}\n"
                   f"{slurmtest.find('sbatch')} \"$@\" || exit\n"
                   f"[ ! -e '{self.here}/lose' ] || {{ rm '{self.here}/lose'; echo 'error: Socket timed out' >&2; exit 1; }}\n", 0o755)
        self.env["PATH"] = f"{tools}:{self.env['PATH']}"
        self.submit()
        first, = self.engines()
        self.wait_for("the job", lambda: len(CLUSTER.live()) == 2 and all(state == "RUNNING" for _, state in CLUSTER.live()))
        (self.here / "refuse").touch()
        (self.here / "lose").touch()
        self.notice(first)
        self.done(first)
        self.assertIn("refused", self.log())
        self.assertEqual(list(self.here.glob("[rl]*e")), [])
        _, second = self.engines()
        (self.here / "go").touch()
        self.done(second)
        self.assertEqual(self.engines(), [first, second])
        self.assertRegex(self.log(), r"1 done( \(1 before\))?, 0 failed")

    def test_an_engine_that_waits_for_another_one_is_continued_too(self):
        self.plan(AWAIT.format(self.here / "go"), 1)
        self.submit("--sbatch-option=--hold")
        first, = self.engines()
        other = self.start("run-experiment", "--workdir", "ws", "--launcher", "local", "e.yaml")
        self.wait_for("the job", lambda: list(self.workspace.glob("jobs/t/*/t.pid")))
        CLUSTER.run("scontrol", "release", first)
        self.wait_for("the engine", lambda: "waiting for another run" in self.log())
        self.notice(first)
        self.done(first)
        (self.here / "go").touch()
        self.assertEqual(other.wait(xpmtest.PATIENCE), 0)
        second = self.engines()[-1]
        self.assertGreater(second, first)
        CLUSTER.run("scontrol", "release", second)
        self.done(second)
        self.assertIn("1 done (1 before), 0 failed", self.log())

    def test_jobs_in_the_allocation_of_the_engine_end_in_order_and_go_on_in_the_next(self):
        self.plan(f"trap 'echo saved >> saved; exit 75' TERM; echo {{{{n}}}} >> '{self.here}/diary'; [ -e saved ] || "
                  f"{AWAIT.format(self.here / 'never')}", 2, "resumable: true")
        self.submit("--launcher", "local")
        first, = self.engines()
        self.wait_for("the first job", lambda: len(self.diary()) == 1)
        self.notice(first)
        self.done(first)
        second = self.engines()[-1]
        self.assertGreater(second, first)
        self.wait_for("the other job", lambda: len(self.diary()) == 3)
        self.notice(second)
        self.done(second)
        third = self.engines()[-1]
        self.done(third)
        # One core was asked for, so one job ran at a time.
        one, again, other, last = self.diary()
        self.assertEqual((one, other), (again, last))
        self.assertIn("e: 2 jobs: 2 done (1 before), 0 failed", self.log())
        self.assertEqual({path.read_text() for path in self.workspace.glob("jobs/t/*/saved")}, {"saved\n"})

    def test_an_allocation_is_used_as_far_as_it_goes(self):
        cpus = min(2, os.cpu_count())
        for n in (1, cpus):
            # As many as there are cores meet, and no more are ever there.
            self.write(f"{n}/e.yaml", PLAN.format(
                count=2 * n, more="requirements: cpu(cores=1)",
                command=f"echo + >> '{self.here}/{n}/diary'; while [ $(grep -c + '{self.here}/{n}/diary') -lt {n} ]; do sleep 0.1; done; "
                f"sleep 0.2; echo - >> '{self.here}/{n}/diary'"))
        jobs = [self.sbatch(f"--nodelist=n{i + 1}", f"--cpus-per-task={n}", "--output=/dev/null", f"--chdir={self.here / str(n)}",
                            "--wrap", f"{xpmtest.XPM} run-experiment --workdir ws e.yaml")
                for i, n in enumerate((1, cpus))]
        for job, n in zip(jobs, (1, cpus)):
            self.done(job)
            level, highest = 0, 0
            for word in (self.here / str(n) / "diary").read_text().split():
                level += 1 if word == "+" else -1
                highest = max(highest, level)
            self.assertEqual(highest, n)

    def test_a_wrapped_command_is_resumed_by_submitting_it_again(self):
        self.plan(f"echo {{{{n}}}} >> '{self.here}/diary'; [ {{{{n}}}} = 0 ] || {AWAIT.format(self.here / 'go')}", 2)
        wrapped = ["--output=/dev/null", "--wrap", f"{xpmtest.XPM} run-experiment --workdir ws e.yaml"]
        first = self.sbatch(*wrapped)
        self.wait_for("both jobs", lambda: sorted(self.diary()) == ["0", "1"])
        CLUSTER.run("scancel", first)
        self.wait_for("its end", lambda: not CLUSTER.live())
        (self.here / "go").touch()
        self.done(self.sbatch(*wrapped))
        self.assertEqual(sorted(self.diary()), ["0", "1", "1"])
        self.assertEqual(len(list(self.workspace.glob("jobs/t/*/t.done"))), 2)

    def test_the_remaining_time_is_that_of_slurm(self):
        left = f"{xpmtest.XPM} remaining-time"
        job = self.sbatch("--time=10", "--output", self.here / "left", "--wrap",
                          f"{left}; {AWAIT.format(self.here / 'go')}; {left}; SLURM_JOB_END_TIME=1000 {left}; XPM_DEADLINE=1000 {left}")
        self.wait_for("the first answer", lambda: (self.here / "left").exists() and self.read("left"))
        CLUSTER.run("scontrol", "update", f"JobId={job}", "TimeLimit=100")
        (self.here / "go").touch()
        self.done(job)
        first, second, *zero = map(int, self.read("left").split())
        self.assertTrue(500 < first <= 600, first)
        self.assertTrue(5900 < second <= 6000, second)
        self.assertEqual(zero, [0, 0])
        # A job's own limit counts where it is sooner, and squeue is asked once.
        self.plan(f"{left}; {left}; cat .experimaestro/slurm-end", 1, "requirements: duration=2h")
        (self.home / ".config" / "experimaestro").mkdir()
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text(
            "launchers:\n  s: {type: slurm, options: {time: 10}}\n")
        self.xpm("run-experiment", "--workdir", "ws", "e.yaml")
        first, second, job, asked, end = self.outputs()[0].split()
        self.assertTrue(500 < int(second) <= int(first) <= 600, (first, second))
        self.assertTrue(int(asked) < int(end) <= int(asked) + 600)


if __name__ == "__main__":
    unittest.main()
