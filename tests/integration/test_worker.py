"""The worker from outside: who may start it, what it survives, and two engines that want the same jobs."""
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import unittest

import xpmtest

PLAN = """
id: ID
tasks:
  t:
    params: {n: int}
    command: |
      COMMAND
plan:
  s: {task: t, sweep: {n: {range: [0, 8]}}}
"""


def plan(command, name="e"):
    return PLAN.replace("ID", name, 1).replace("COMMAND", command)


class Worker(xpmtest.Case):
    def test_it_takes_a_job_or_a_socket_and_nothing_else(self):
        for words in ([], ["--job", "x", "--fd", "3"], ["--fd", "0"]):
            self.xpm("worker", *words, status=2)
        self.assertIn("params.json", self.xpm("worker", "--job", self.here, status=2).err)
        self.assertIn("--fd", self.xpm("worker", "--fd", "77", status=3).err)

    def test_it_is_in_no_list_of_commands(self):
        self.assertNotIn("worker", self.xpm("--help").out)

    def test_two_engines_run_each_job_once(self):
        self.write("a.yaml", plan("echo x >> count; sleep 0.05", "a"))
        self.write("b.yaml", plan("echo x >> count; sleep 0.05", "b"))
        engines = [self.start("run-experiment", "--workdir", self.workspace, "-j", 2, name) for name in ("a.yaml", "b.yaml")]
        for engine in engines:
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 0, out + err)
        self.assertEqual([(job / "count").read_text() for job in self.job_directories("t")], ["x\n"] * 8)

    def test_what_a_dead_worker_had_is_lost_and_runs_again(self):
        once = self.here / "once"
        self.write("e.yaml", plan(f"mkdir {once} 2>/dev/null && kill -9 $PPID; true"))
        died = self.run_experiment("-j", 1, "e.yaml")
        self.assertIn("killed by signal 9", died.err)
        self.assertEqual(died.err.count("run again"), 1, "those that only waited in the worker were not lost")
        self.assertIn("8 done", died.out)

    def test_one_that_kills_its_worker_each_time_fails_in_the_end(self):
        self.write("e.yaml", plan("test {{n}} -gt 0 || kill -9 $PPID; true"))
        died = self.run_experiment("-j", 1, "e.yaml", status=1)
        self.assertIn("7 done, 1 failed", died.out)
        self.assertEqual(died.err.count("of at most 3 times"), 3)
        (lost,) = self.workspace.glob("jobs/t/*/t.failed")
        self.assertEqual(json.loads(lost.read_text())["reason"], "lost")
        listed = self.xpm("jobs", "list", "--workdir", self.workspace, "--filter", '@failure = "lost"')
        self.assertIn("error: lost", listed.out)
        self.run_experiment("--keep-failed", "e.yaml", status=1)
        self.assertIn("7 done (7 before), 1 failed", self.run_experiment("-j", 1, "e.yaml", status=1).out)

    def test_interrupting_a_run_file_cancels_its_job(self):
        self.write("e.yaml", plan("echo started; echo > {{job.path}}/fifo; sleep 1000"))
        self.run_experiment("--run-mode", "generate", "--limit", 1, "e.yaml")
        (job,) = self.job_directories("t")
        os.mkfifo(job / "fifo")
        process = subprocess.Popen(["sh", str(job / "t.sh")], env=self.env, stderr=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(self.finish_by_hand, process)
        with open(job / "fifo", encoding="utf-8") as fifo:
            fifo.read()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        self.assertEqual(process.wait(xpmtest.PATIENCE), 130)
        self.assertIn("cancelled", said)
        self.assertIn('"cancelled"', (job / "t.failed").read_text())

    def give_to_a_scheduler(self, command, more="", nonce="00000000000000aa", requeue=False):
        """The directory of a job that a scheduler has, and the batch that it is the second of."""
        self.write("e.yaml", plan(command).replace("    command:", f"    {more}\n    command:"))
        self.run_experiment("--run-mode", "generate", "--limit", 1, "e.yaml")
        (job,) = self.job_directories("t")
        (job / ".experimaestro").mkdir(exist_ok=True)
        status = {"state": "scheduled", "nonce": nonce, "launcher": "s", "handle": "b#1", "attempt": 1}
        (job / ".experimaestro" / "status.json").write_text(json.dumps(status))
        lines = [{"job": str(self.here / "no-such"), "nonce": "1"}, {"job": str(job), "nonce": "00000000000000aa", "requeue": requeue}]
        return job, self.write("batch", "".join(json.dumps(line) + "\n" for line in lines))

    def start_batch(self, job, batch):
        """What a scheduler starts, when the command has written to its fifo."""
        os.mkfifo(job / "fifo")
        fifo = os.open(job / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, fifo)
        process = self.start("worker", "--batch", batch, env={"SLURM_ARRAY_TASK_ID": "1"})
        end = os.pidfd_open(process.pid)
        self.addCleanup(os.close, end)
        ready, _, _ = select.select([fifo, end], [], [], xpmtest.PATIENCE)
        self.assertEqual(ready, [fifo], "the command has not begun")
        return process

    def test_one_that_loses_its_guardian_does_not_say_that_the_job_was_given_away(self):
        job, batch = self.give_to_a_scheduler("echo > {{job.path}}/fifo; exec sleep 1000")
        process = self.start_batch(job, batch)
        process.kill()
        said = process.stderr.read()  # until the worker has ended, too
        self.assertIn("lost: the guardian of its worker was killed", said)
        self.assertNotIn("somebody else", said)
        self.assertEqual(self.outcome(job)["reason"], "lost")

    def test_a_job_that_ends_well_although_it_was_told_to_end_is_not_done(self):
        """A scheduler tells all processes: a shell whose command is ended goes on."""
        job, batch = self.give_to_a_scheduler(
            "sleep 1000 & echo $! > {{job.path}}/pid; echo > {{job.path}}/fifo; wait $!; exit 0")
        process = self.start_batch(job, batch)
        os.kill(int((job / "pid").read_text()), signal.SIGTERM)
        process.terminate()
        process.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(self.outcome(job)["reason"], "cancelled")
        self.assertFalse((job / "t.done").exists())

    def run_batch(self, batch, index=1, status=0):
        return self.xpm("worker", "--batch", batch, env={"SLURM_ARRAY_TASK_ID": str(index)}, status=status)

    def test_a_scheduler_starts_what_it_was_given(self):
        job, batch = self.give_to_a_scheduler("echo ran >> {{job.path}}/count")
        ran = self.run_batch(batch)
        self.assertEqual((ran.out, ran.err), ("", ""), "its log says nothing when all is well")
        self.assertEqual((job / "count").read_text(), "ran\n")
        self.assertTrue((job / "t.done").exists())
        status = json.loads((job / ".experimaestro" / "status.json").read_text())
        self.assertEqual((status["state"], status["nonce"], status["attempt"]), ("done", "00000000000000aa", 1))
        self.run_batch(batch)  # the scheduler has started it again
        self.assertEqual((job / "count").read_text(), "ran\n")

    def test_a_scheduler_that_starts_what_was_given_to_somebody_else_starts_nothing(self):
        job, batch = self.give_to_a_scheduler("echo ran >> {{job.path}}/count", nonce="00000000000000bb")
        before = self.snapshot(job / ".experimaestro")
        ran = self.run_batch(batch)
        self.assertIn("given to somebody else", ran.err)
        self.assertEqual(self.snapshot(job / ".experimaestro"), before)
        self.assertEqual([name for name in ("count", "t.done", "t.failed", "t.out") if (job / name).exists()], [])

    def test_a_scheduler_that_starts_what_is_running_starts_nothing_and_waits_for_nothing(self):
        job, batch = self.give_to_a_scheduler("echo ran >> {{job.path}}/count")
        with open(job / "t.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_batch(batch)
        self.assertEqual([name for name in ("count", "t.done", "t.failed", "t.out") if (job / name).exists()], [])

    def test_what_others_follow_waits_for_whoever_runs_it(self):
        job, batch = self.give_to_a_scheduler("echo ran >> {{job.path}}/count", requeue=True)
        with open(job / "t.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = self.start("worker", "--batch", batch, env={"SLURM_ARRAY_TASK_ID": "1"})
            self.wait_for(lambda: list(self.workspace.glob("experiments/e/*/workers/*")), "a worker that has found the lock")
            (job / "t.done").touch()
        _, said = process.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(process.returncode, 0, said)
        self.assertFalse((job / "count").exists())

    def test_a_batch_that_has_no_such_job_is_refused(self):
        _, batch = self.give_to_a_scheduler("true")
        self.assertIn("has no job 2", self.run_batch(batch, index=2, status=3).err)

    def test_a_scheduler_that_ends_a_job_near_its_limit_ends_it_for_the_time(self):
        for limit, reason in ((50, "timeout"), (1000, "cancelled")):
            with self.subTest(limit=limit):
                job, batch = self.give_to_a_scheduler("echo > {{job.path}}/fifo; exec sleep 1000", f"requirements: duration={limit}s")
                process = self.start_batch(job, batch)
                process.terminate()
                _, said = process.communicate(timeout=xpmtest.PATIENCE)
                self.assertEqual(process.returncode, 130, said)
                self.assertIn(f"{reason}: killed by signal 15", said)
                self.assertEqual(self.outcome(job)["reason"], reason)
                shutil.rmtree(self.workspace)

    def outcome(self, job):
        return json.loads((job / "t.failed").read_text())

    def finish_by_hand(self, process):
        process.stderr.close()
        if process.poll() is None:
            process.kill()
            process.wait()

    @unittest.skipUnless(os.geteuid() == 0, "only root may mount a small filesystem")
    def test_a_workspace_that_becomes_full_ends_the_run_naming_the_file(self):
        small = self.here / "small"
        small.mkdir()
        mounted = self.command("mount", "-t", "tmpfs", "-o", "size=160k", "none", small)
        if mounted.status != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        self.write("e.yaml", plan("head -c 30000 /dev/zero > big"))
        full = self.xpm("run-experiment", "--workdir", small / "ws", "-j", 1, "e.yaml", status=3)
        self.assertRegex(full.err, r"'[^']*small/ws.*no space left on device|no space left on device.*small/ws")


if __name__ == "__main__":
    unittest.main()
