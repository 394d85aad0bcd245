"""Jobs through Slurm, on a real cluster; XPM_SLURM says how it is asked."""
import json
import os
import signal
import subprocess
import time
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    if not slurmtest.is_there():
        raise unittest.SkipTest("needs slurmctld, slurmd, munge and Slurm's commands")
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, array=6)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


PLAN = """\
id: e
tasks:
  t:
    params: {{n: int}}
    requirements: duration=10m & cpu(cores=1, mem=50M)
    command: |
      {command}
plan:
  t: {{task: t, sweep: {{n: {{range: [0, {count}]}}}}}}
"""


class Slurm(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.env.update(CLUSTER.env)
        if "XPM_SLURM" in os.environ:
            self.env["XPM_SLURM"] = os.environ["XPM_SLURM"]
        self.addCleanup(self.drain)

    def drain(self):
        """Nothing of this test stays in the queue."""
        subprocess.run([slurmtest.find("scancel"), "--user", str(os.getuid())], env={**os.environ, **CLUSTER.env})
        CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())

    def plan(self, command, count, name="e.yaml"):
        self.write(name, PLAN.format(command=command, count=count))

    def arguments(self, *options):
        return [xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm", *options, "e.yaml"]

    def run_plan(self, *options, status=0):
        result = self.command(*self.arguments(*options))
        self.assertEqual(result.status, status, result)
        return result

    def begin(self, *options):
        return subprocess.Popen([str(word) for word in self.arguments(*options)], cwd=self.here, env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def jobs(self):
        return {json.loads((path / "params.json").read_text())["params"]["n"]: path
                for path in self.workspace.glob("jobs/t/*")}

    def diary(self):
        path = self.here / "diary"
        return path.read_text().split() if path.exists() else []

    def batches(self):
        return sorted(path for path in self.workspace.glob("experiments/e/2*/batches/*") if path.suffix == ".id")

    def wait_for(self, condition, what="it"):
        CLUSTER.wait_for(what, condition)

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
        self.run_plan("--run-mode", "generate")
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
        """More jobs than there are processors, so that some wait."""
        self.plan("echo run{{n}} >> '%s/diary'; sleep 0.5" % self.here, 12)
        for _ in range(3):
            engine = self.begin()
            self.wait_for(lambda: len(self.diary()) >= 1 or engine.poll() is not None, "a job")
            time.sleep(0.2)
            engine.kill()
            engine.communicate()
        result = self.run_plan()
        self.assertIn("12 done", result.out)
        self.assertEqual(sorted(self.diary()), sorted(f"run{n}" for n in range(12)))

    def test_one_interrupt_leaves_the_queue_and_two_cancel_it(self):
        self.plan("sleep 1000", 3)
        engine = self.begin()
        self.wait_for(lambda: [one for one in CLUSTER.live() if one[1] == "RUNNING"], "a job")
        engine.send_signal(signal.SIGINT)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, out)
        self.assertIn("scancel", out)
        self.assertEqual(len(CLUSTER.live()), 3)
        engine = self.begin()
        self.wait_for(lambda: len(list(self.workspace.glob("experiments/e/2*"))) == 2, "the second run")
        time.sleep(0.5)
        engine.send_signal(signal.SIGINT)
        time.sleep(0.2)
        engine.send_signal(signal.SIGINT)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, out)
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")

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

    def helpers(self, engine):
        children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(engine)], capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in children.splitlines() if "xpm-slurm" in line]

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
