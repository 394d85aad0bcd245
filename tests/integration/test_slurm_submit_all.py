"""--submit-all on a real cluster: all jobs are handed over with their order, and nobody stays to look after them."""
import json
import signal
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=8, array=11, partitions="PartitionName=poor Nodes=n1 MaxTime=INFINITE "
                                "DefaultTime=60 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0\n")


def tearDownModule():
    CLUSTER.stop()


# A sweep, what follows each of its jobs, and what collects them all.
PLAN = """\
id: e
tasks:
  first:
    params: {n: int}
    requirements: cpu(cores=1, mem=50M) & duration=10m
    command: 'echo first{{n}} >> "$DIARY"; until [ -e "$GO" ]; do sleep 0.05; done; test ! -e "$GO".not{{n}}'
  next:
    params: {n: int, of: first}
    requirements: cpu(cores=1, mem=50M) & duration=10m
    command: 'echo next{{n}} >> "$DIARY"'
  last:
    params: {of: "list[next]"}
    requirements: cpu(cores=1, mem=50M) & duration=10m
    command: 'echo last >> "$DIARY"'
plan:
  first: {task: first, sweep: {n: {range: [0, COUNT]}}}
  next: {task: next, params: {of: {each: first}, n: {from: of.n}}}
  last: {task: last, params: {of: {all: next}}}
"""


class SubmitAll(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        super().setUp()
        self.env.update(DIARY=str(self.here / "diary"), GO=str(self.here / "go"))

    def plan(self, count=3):
        self.write("e.yaml", PLAN.replace("COUNT", str(count)))

    def submit(self, *options, status=0):
        return self.run_plan("--submit-all", *options, status=status)

    def go(self):
        (self.here / "go").touch()
        CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())

    def diary(self):
        return sorted(super().diary())

    def states(self):
        listed = self.command(xpmtest.XPM, "jobs", "list", "--workdir", self.workspace, "--json", "e")
        self.assertEqual(listed.status, 0, listed)
        return [json.loads(line) for line in listed.out.splitlines()]

    def test_experiments_that_share_jobs_and_begin_at_once_are_all_run_to_their_end(self):
        """Whichever copy of a job begins, nothing that follows the other is forgotten."""
        self.plan(3)
        text = self.read("e.yaml")
        for name in "fg":
            own = text.replace("id: e", f"id: {name}").replace("of: \"list[next]\"", f'of: "list[next]", who: {{type: str, default: {name}}}')
            self.write(f"{name}.yaml", own.replace("echo last", "echo last{{who}}"))
        for more in (["--submit-all"], ["--submit-all"]), ([], ["--submit-all"]), ([], []):
            with self.subTest(more=more):
                for path in self.here.glob("diary"):
                    path.unlink()
                workspace = self.here / f"ws{len(list(self.here.glob('ws*')))}"
                engines = [self.start("run-experiment", "--workdir", workspace, "--launcher", "slurm", *options, f"{name}.yaml")
                           for name, options in zip("fg", more)]
                (self.here / "go").touch()
                for engine in engines:
                    out, err = engine.communicate(timeout=xpmtest.PATIENCE)
                    self.assertEqual(engine.returncode, 0, out + err)
                CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())
                self.assertEqual(self.diary(), ["first0", "first1", "first2", "lastf", "lastg", "next0", "next1", "next2"])

    def test_all_jobs_run_in_order_without_an_engine(self):
        self.plan(3)
        result = self.submit()
        self.assertIn("7 submitted", result.out)
        self.assertIn("scancel", result.err)
        # A sweep is an array, and what follows its jobs one by one is another.
        self.assertEqual(len(list(self.workspace.glob("experiments/e/2*/batches/*.id"))), 3)
        self.go()
        self.assertEqual(self.diary(), sorted(["first0", "first1", "first2", "next0", "next1", "next2", "last"]))
        # Nobody has written it down, and yet it is known.
        run, = self.command(xpmtest.XPM, "experiments", "list", "--workdir", self.workspace, "--json").objects()
        self.assertEqual((run["status"], run["jobs"]["done"]), ("done", 7))
        again = self.submit()
        self.assertIn("7 done (7 before)", again.out)
        self.assertEqual(len(self.diary()), 7)

    def test_the_same_command_submits_only_what_is_neither_done_nor_queued(self):
        self.plan(2)
        self.submit()
        again = self.submit()
        self.assertIn("5 submitted", again.out)
        self.assertEqual(len(CLUSTER.live()), 5)
        self.plan(4)
        more = self.submit()
        # What collects them is another job now; the one before stays in the queue.
        self.assertIn("9 submitted", more.out)
        self.go()
        self.assertEqual(self.diary(), sorted([f"{task}{n}" for n in range(4) for task in ("first", "next")] + 2 * ["last"]))

    def test_what_depends_on_a_failure_does_not_run_and_the_same_command_runs_it_again(self):
        self.plan(3)
        (self.here / "go.not1").touch()
        self.submit()
        self.go()
        self.assertEqual(self.diary(), ["first0", "first1", "first2", "next0", "next2"])
        # Slurm ended the other two, and nobody was there to say so.
        self.assertEqual(sorted(job["state"] for job in self.states()), 4 * ["done"] + 3 * ["error"])
        dry = self.command(*self.arguments("--run-mode", "dry-run"))
        self.assertIn("4 done, 1 failed before, 2 blocked", dry.out)
        (self.here / "go.not1").unlink()
        result = self.command(*self.arguments())
        self.assertEqual(result.status, 0, result)
        self.assertIn("7 done (4 before)", result.out)
        self.assertEqual(self.diary(), sorted(["first0", "first1", "first1", "first2", "next0", "next1", "next2", "last"]))

    def test_what_follows_a_failure_and_is_queued_still_is_submitted_anew_with_it(self):
        """Slurm ends it, some time after the failure."""
        self.plan(2)
        (self.here / "go.not1").touch()
        self.submit()
        for job in {job.split("_")[0] for job, state in CLUSTER.live()}:
            if job != self.batches()[0].read_text().strip():
                CLUSTER.run("scontrol", "uhold", job)
        (self.here / "go").touch()
        CLUSTER.wait_for("the failure", lambda: list(self.workspace.glob("jobs/first/*/first.failed"))
                         and list(self.workspace.glob("jobs/first/*/first.done")))
        (self.here / "go.not1").unlink()
        self.submit()
        for job in {job.split("_")[0] for job, state in CLUSTER.live()}:
            CLUSTER.run("scontrol", "release", job)
        self.go()
        self.assertEqual(self.diary(), ["first0", "first1", "first1", "last", "next0", "next1"])
        self.assertEqual([job["state"] for job in self.states()], 5 * ["done"])

    def test_an_engine_waits_for_what_was_submitted(self):
        self.plan(2)
        self.submit()
        engine = self.start(*self.arguments()[1:])
        CLUSTER.wait_for("its run", lambda: len(list(self.workspace.glob("experiments/e/2*"))) == 2)
        self.go()
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        self.assertEqual(self.diary(), ["first0", "first1", "last", "next0", "next1"])

    def test_an_engine_that_is_killed_between_is_continued(self):
        self.plan(10)
        engine = self.start(*self.arguments("--submit-all")[1:])
        CLUSTER.wait_for("the first batch", lambda: list(self.workspace.glob("experiments/e/2*/batches/*.id")))
        engine.kill()
        engine.communicate()
        self.assertIn("21 submitted", self.submit().out)
        self.go()
        self.assertEqual(len(self.diary()), 21)
        self.assertEqual(len(set(self.diary())), 21)
        self.assertIn("21 done (21 before)", self.submit().out)

    def test_an_interrupted_job_is_started_again_by_the_scheduler(self):
        self.plan(1)
        self.submit()
        CLUSTER.wait_for("the job", lambda: self.diary() == ["first0"])
        first = next(job for job, state in CLUSTER.live() if state == "RUNNING")
        CLUSTER.run("scontrol", "requeue", first)
        job = next(self.workspace.glob("jobs/first/*"))
        status = lambda: json.loads((job / ".experimaestro" / "status.json").read_text())
        CLUSTER.wait_for("the worker to let go", lambda: status()["state"] == "scheduled")
        self.assertFalse((job / "first.failed").exists())
        CLUSTER.wait_for("the queue", lambda: (first, "PENDING") in CLUSTER.jobs())
        # Not at once: a node takes no second credential of one job within a second or so.
        CLUSTER.run("scontrol", "update", f"JobId={first}", "StartTime=now+3")
        CLUSTER.wait_for("its restart", lambda: self.diary() == ["first0", "first0"])
        self.go()
        self.assertEqual(self.diary(), ["first0", "first0", "last", "next0"])
        self.assertEqual((status()["state"], status()["attempt"]), ("done", 2))

    def test_a_preempted_job_is_started_again_and_followed(self):
        self.launcher(partition="poor")
        self.plan(1)
        self.submit()
        CLUSTER.wait_for("the job", lambda: self.diary() == ["first0"])
        first = next(job for job, state in CLUSTER.live() if state == "RUNNING")
        CLUSTER.run("sbatch", "--partition=high", "--nodelist=n1", "--cpus-per-task=8", "--mem=3900", "--output=/dev/null",
                    "--wrap", "sleep 1000")
        CLUSTER.wait_for("the preemption", lambda: (first, "PENDING") in CLUSTER.jobs())
        rich = [job for job, state in CLUSTER.live() if state == "RUNNING"]
        CLUSTER.run("scancel", *rich)
        CLUSTER.run("scontrol", "update", f"JobId={first}", "StartTime=now+3")
        CLUSTER.wait_for("its restart", lambda: self.diary() == ["first0", "first0"])
        self.go()
        self.assertEqual(self.diary(), ["first0", "first0", "last", "next0"])

    def test_the_same_command_twice_at_once_submits_each_job_once(self):
        self.plan(3)
        engines = [self.start(*self.arguments("--submit-all")[1:]) for _ in range(2)]
        for engine in engines:
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 0, out + err)
            self.assertIn("7 submitted", out)
        self.assertEqual(len(CLUSTER.live()), 7)
        self.go()
        self.assertEqual(len(self.diary()), 7)

    def test_one_interrupt_leaves_what_is_submitted_and_the_same_command_goes_on(self):
        self.plan(3)
        CLUSTER.end("slurmctld")
        try:
            engine = self.start(*self.arguments("--submit-all")[1:])
            CLUSTER.wait_for("the batch", lambda: list(self.workspace.glob("experiments/e/2*/batches/*")))
            engine.send_signal(signal.SIGINT)
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 130, out + err)
        finally:
            CLUSTER.start_controller()
        self.assertIn("the same command again continues", out)
        self.submit()
        self.go()
        self.assertEqual(len(self.diary()), 7)

    def test_what_only_an_engine_can_do_is_refused_before_anything_is_submitted(self):
        task = "t: {params: {n: int}, command: 'true'%s}"
        for more, words in (("", None), (", retry: {on: [failed]}", "it has a 'retry'"), (", tokens: {seat: 1}", "it wants tokens"),
                            (", launcher: local", "its launcher cannot let jobs follow each other")):
            with self.subTest(words):
                self.write("e.yaml", "id: e\ntokens: {seat: 1}\ntasks: {%s}\nplan: {s: {task: t, params: {n: 1}}}\n" % (task % more))
                options = [] if "launcher" in more else ["--launcher", "slurm"]
                self.workspace = self.here / f"ws{len(more)}"
                result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--submit-all", *options, "e.yaml")
                self.assertEqual(result.status, 2 if words else 0, result)
                self.assertIn(words or "1 submitted", result.err if words else result.out)
                self.assertEqual(len(CLUSTER.live()), 0 if words else 1)
                self.drain()


if __name__ == "__main__":
    unittest.main()
