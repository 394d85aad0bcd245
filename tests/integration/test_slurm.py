"""Jobs through Slurm, on a real cluster; XPM_SLURM says how it is asked."""
import json
import os
import signal
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, array=6)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


class Slurm(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        super().setUp()

    def test_jobs_alike_go_as_arrays_of_the_size_that_the_controller_takes(self):
        for count, arrays in ((1, 1), (2, 1), (7, 2)):
            with self.subTest(count):
                self.workspace = self.here / f"ws{count}"
                self.plan("echo $SLURM_JOB_ID $SLURM_ARRAY_TASK_ID", count)
                result = self.run_plan()
                self.assertIn(f"{count} done, 0 failed", result.out)
                self.assertIn("requests to the scheduler", result.out)
                self.assertEqual(len(self.batches()), arrays)
                # Logs that say nothing are gone.
                self.assertEqual(list(self.workspace.glob("experiments/e/2*/batches/*.log")), [])
                status = json.loads((self.jobs()[0] / ".experimaestro" / "status.json").read_text())
                self.assertEqual((status["state"], status["attempt"], status["attempts"]), ("done", 1, []))

    def test_each_way_to_fail_is_told(self):
        self.plan("case {{n}} in 0) exit 7;; 1) kill -SEGV $$;; 2) true;; esac", 3)
        result = self.run_plan(status=1)
        self.assertIn("1 done, 2 failed", result.out)
        failed = {n: json.loads((path / "t.failed").read_text()) for n, path in self.jobs().items() if n != 2}
        self.assertEqual((failed[0]["reason"], failed[0]["code"]), ("failed", 7))
        self.assertIn("signal 11", failed[1]["message"])
        # The same command runs what failed, and nothing else.
        again = self.run_plan(status=1)
        self.assertIn("1 done (1 before), 2 failed", again.out)

    def test_what_is_cancelled_from_outside_is_told(self):
        self.plan("touch '%s/up'; sleep 1000" % self.here, 1)
        engine = self.begin()
        self.wait_for((self.here / "up").exists, "the job")
        for job, _ in CLUSTER.live():
            CLUSTER.run("scancel", job)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 1, out)
        failed = json.loads((self.jobs()[0] / "t.failed").read_text())
        self.assertEqual(failed["reason"], "cancelled", out)

    def test_a_run_file_is_submitted_by_hand_and_leaves_what_the_engine_would(self):
        self.plan("echo {{n}} in ${SLURM_JOB_ID:+slurm}", 1)
        self.assertIn("dependencies first: sbatch SCRIPT.sh", self.run_plan("--run-mode", "generate").out)
        script = self.jobs()[0] / "t.sh"
        text = script.read_text()
        for directive in ("--ntasks=1", "--cpus-per-task=1", "--mem=50M", "--time=10:00", "--signal=B:TERM@30"):
            self.assertIn(f"#SBATCH {directive}\n", text)
        CLUSTER.run("sbatch", "--output=/dev/null", script)
        self.wait_for((script.parent / "t.done").exists, "the marker")
        self.assertEqual((script.parent / "t.out").read_text(), "0 in slurm\n")
        self.assertIn("1 done (1 before)", self.run_plan().out)

    def test_a_dry_run_tells_what_no_partition_takes(self):
        self.write("home/none", "")
        (self.home / ".config" / "experimaestro").mkdir()
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text(
            "launchers:\n  quick: {type: slurm, options: {partition: short}}\n"
            "  none: {type: slurm, options: {partition: nowhere}}\n")
        self.plan("true", 1)
        for name, words in (("quick", "it wants 600 s, and partition 'short' allows 120"),
                            ("none", "Slurm has no partition 'nowhere'")):
            result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", name,
                                  "--run-mode", "dry-run", "e.yaml")
            self.assertEqual(result.status, 0, result)
            self.assertIn("fits nowhere", result.out)
            self.assertIn(words, result.out)

    def test_an_engine_that_was_killed_finds_its_jobs_again(self):
        self.plan("echo run{{n}} >> '%s/diary'; until [ -e '%s/go' ]; do sleep 0.1; done" % (self.here, self.here), 4)
        engine = self.begin()
        self.wait_for(lambda: len(self.diary()) == 4, "the jobs")
        engine.kill()
        engine.communicate()
        second = self.begin()
        self.wait_for(lambda: len(list(self.workspace.glob("experiments/e/2*"))) == 2, "the second run")
        (self.here / "go").touch()
        out, _ = second.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(second.returncode, 0, out)
        self.assertIn("4 done", out)
        self.assertEqual(sorted(self.diary()), ["run0", "run1", "run2", "run3"])

    def test_an_engine_that_was_killed_finds_what_waits_and_starts_nothing_twice(self):
        """More jobs than there are processors, so that some wait; killed when more and more of them have begun."""
        self.plan("echo run{{n}} >> '%s/diary'; sleep 0.5" % self.here, 16)
        for begun in (1, 5, 9):
            engine = self.begin()
            self.wait_for(lambda: len(self.diary()) >= begun, "a job")
            engine.kill()
            engine.communicate()
        result = self.run_plan()
        self.assertIn("16 done", result.out)
        self.assertEqual(sorted(self.diary()), sorted(f"run{n}" for n in range(16)))

    def test_secrets_of_the_experiment_reach_jobs_and_no_file(self):
        self.plan('test "$KEY" = surely"-secret"', 1)
        self.write("e.yaml", "secrets: [KEY]\n" + self.read("e.yaml"))
        (self.home / ".config" / "experimaestro").mkdir(parents=True, exist_ok=True)
        (self.home / ".config" / "experimaestro" / "settings.yaml").write_text("env: {KEY: surely-secret}\n")
        self.assertIn("1 done", self.run_plan().out)
        holders = [path for path in self.workspace.rglob("*") if path.is_file() and b"surely-secret" in path.read_bytes()]
        self.assertEqual(holders, [])

    def test_an_element_that_is_cancelled_from_outside_before_it_begins_is_told(self):
        self.plan("echo run >> '%s/diary'; until [ -e '%s/go' ]; do sleep 0.05; done" % (self.here, self.here), 11)
        engine = self.begin()
        self.wait_for(lambda: len(self.diary()) == 8, "the jobs for which there is room")
        listed = CLUSTER.run("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i").split()
        # Who never sees it wait cannot know.
        listing = lambda: self.command(xpmtest.XPM, "experiments", "list", "--workdir", self.workspace, "--json").objects()
        self.wait_for(lambda: listing()[0]["jobs"].get("running") == 8, "the listing")
        CLUSTER.run("scancel", listed[0])
        self.wait_for(lambda: list(self.workspace.glob("jobs/t/*/t.failed")), "the failure")
        (self.here / "go").touch()
        self.expect_end(engine, status=1)
        self.assertEqual(len(self.diary()), 10)

    def test_one_interrupt_leaves_the_queue_and_two_cancel_it(self):
        self.plan("echo run >> '%s/diary'; exec sleep $(cat '%s/seconds')" % (self.here, self.here), 10)
        self.write("seconds", "1000")
        engine = self.begin()
        self.wait_for(lambda: len(self.diary()) == 8, "the jobs for which there is room")
        engine.send_signal(signal.SIGINT)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, out)
        self.assertIn("scancel", out)
        self.assertEqual(len(CLUSTER.live()), 10)
        engine = self.begin()
        # Who has made the run's directory hears signals.
        self.wait_for(lambda: len(list(self.workspace.glob("experiments/e/2*"))) == 2, "the second run")
        engine.send_signal(signal.SIGINT)
        said = self.read_until(engine, "scancel")
        engine.send_signal(signal.SIGINT)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, said + out)
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")
        self.assertEqual([self.status(n)["failure_reason"] for n in range(10)], ["CANCELLED"] * 10)
        # What was cancelled is run by the same command.
        self.write("seconds", "0")
        self.assertIn("10 done", self.run_plan().out)
        self.assertEqual(self.diary(), ["run"] * 18)

    def test_two_interrupts_leave_what_another_experiment_waits_for(self):
        self.plan("echo run >> '%s/diary'; until [ -e '%s/go' ]; do sleep 0.05; done" % (self.here, self.here), 10)
        first = self.begin()
        self.wait_for(lambda: len(self.diary()) == 8, "the jobs for which there is room")
        self.write("e.yaml", self.read("e.yaml").replace("id: e", "id: other"))
        second = self.begin()
        self.wait_for(lambda: list(self.workspace.glob("experiments/other/2*/jobs.jsonl")), "the second run")
        second.send_signal(signal.SIGINT)
        said = self.read_until(second, "scancel")
        second.send_signal(signal.SIGINT)
        out, _ = second.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(second.returncode, 130, said + out)
        self.assertIn("10 jobs of other experiments, which go on, stay with the scheduler", said + out)
        (self.here / "go").touch()
        self.expect_end(first)
        self.assertEqual(self.diary(), ["run"] * 10)

    def test_a_third_interrupt_does_not_wait_for_a_controller_that_is_away(self):
        self.plan("echo run >> '%s/diary'; exec sleep 1000" % self.here, 2)
        engine = self.begin()
        self.wait_for(lambda: len(self.diary()) == 2, "the jobs")
        CLUSTER.send("slurmctld", signal.SIGSTOP)
        try:
            for words in ("scancel", "interrupted again"):
                engine.send_signal(signal.SIGINT)
                self.read_until(engine, words)
            engine.send_signal(signal.SIGINT)
            out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        finally:
            CLUSTER.send("slurmctld", signal.SIGCONT)
        self.assertEqual(engine.returncode, 130, out)
        self.assertIn("2 jobs were told to end, and their scheduler has not said that they have", out)

    def test_a_controller_that_is_away_is_waited_for(self):
        self.plan("echo run{{n}} >> '%s/diary'" % self.here, 3)
        CLUSTER.end("slurmctld")
        engine = self.begin()
        self.wait_for(lambda: list(self.workspace.glob("experiments/e/2*/batches/*")), "the batch")
        CLUSTER.start_controller()
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out)
        self.assertEqual(sorted(self.diary()), ["run0", "run1", "run2"])

    def test_a_submission_whose_answer_is_lost_starts_nothing_twice(self):
        """The controller is stopped while it is asked, and does what it was asked when it goes on."""
        self.plan("echo run{{n}} >> '%s/diary'; sleep 0.3" % self.here, 3)
        CLUSTER.send("slurmctld", signal.SIGSTOP)
        try:
            engine = self.begin()
            self.wait_for(lambda: list(self.workspace.glob("experiments/e/2*/batches/*")), "the batch")
            for helper in self.helpers(engine.pid):
                os.kill(helper, signal.SIGKILL)
        finally:
            CLUSTER.send("slurmctld", signal.SIGCONT)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out)
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")
        self.assertEqual(sorted(self.diary()), ["run0", "run1", "run2"])

    def test_an_invalid_option_fails_the_job_with_the_words_of_slurm(self):
        (self.home / ".config" / "experimaestro").mkdir()
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text(
            "launchers:\n  slurm: {type: slurm, options: {constraint: no-such-feature}}\n")
        self.plan("true", 2)
        result = self.run_plan(status=1)
        self.assertIn("Slurm refused it: ", result.err)
        self.assertIn("feature", result.err)


if __name__ == "__main__":
    unittest.main()
