"""Jobs that misbehave, and engines that want the same at once.

XPM_FAULT_ROUNDS is the number of rounds of two engines (20).
"""
import json
import os
import pathlib
import select
import signal
import sys
import unittest

import xpmtest

ROUNDS = int(os.environ.get("XPM_FAULT_ROUNDS", "20"))

PLAN = """\
id: ID
tokens: {seat: 2}
tasks:
  t:
    params: {n: int}
    cwd: "{{experiment.dir}}"
    command: ["python3", "-S", "{{experiment.dir}}/job.py", "{{n}}", "{{job.path}}"]
    MORE
plan:
  s: {task: t, sweep: {n: {range: [FIRST, LAST]}}}
"""

# Twice forked, in a session of its own, with nothing open but what tells that it is there.
DAEMON = """\
import os, signal, sys, time
told = os.open("told", os.O_WRONLY)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(told, b"%d %d\\n" % (JOB, os.getpid()))
        os.close(told)
        time.sleep(1000)
    os._exit(0)
os.close(told)
time.sleep(1000)
""".replace("JOB", "int(os.environ['JOB'])")


class Nasty(xpmtest.Case):
    def plan(self, job, more="", name="e", first=0, last=1):
        self.write("job.py", job)
        text = PLAN.replace("ID", name, 1).replace("MORE", more).replace("FIRST", str(first)).replace("LAST", str(last))
        self.write(f"{name}.yaml", text)
        return f"{name}.yaml"

    def engine(self, file, slots=2):
        return self.start("run-experiment", "--workdir", self.workspace, "-j", slots, file)

    def ended(self, engine, status):
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, status, out + err)
        return out + err

    def told(self):
        with open(self.here / "told", encoding="utf-8") as fifo:
            return [int(word) for word in fifo.read().split()]

    def failure(self):
        return json.loads((self.job_directories("t")[0] / "t.failed").read_text())

    def is_gone(self, pid):
        """PID ends, if it has not: its death may still be under way when the engine has seen that of the job."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], 10)[0])
        finally:
            os.close(descriptor)

    def test_a_daemon_goes_with_its_job(self):
        os.mkfifo(self.here / "told")
        engine = self.engine(self.plan("import os\nos.environ['JOB'] = str(os.getpid())\n" + DAEMON))
        job, daemon = self.told()
        os.kill(job, signal.SIGKILL)
        self.ended(engine, 1)
        self.assertTrue(self.is_gone(daemon))
        self.assertIn("SIGKILL", self.failure()["message"])

    def test_who_ignores_sigterm_is_killed_after_the_grace(self):
        os.mkfifo(self.here / "told")
        self.env["XPM_GRACE"] = "1"
        job = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport os\nos.environ['JOB'] = str(os.getpid())\n" + DAEMON
        engine = self.engine(self.plan(job, "requirements: duration=1s"))
        job, daemon = self.told()
        self.ended(engine, 1)
        self.assertTrue(self.is_gone(job) and self.is_gone(daemon))
        self.assertEqual(self.failure()["reason"], "timeout")

    def test_a_job_that_closes_all_descriptors_never_runs_twice_at_once(self):
        job = """\
import os, sys
def say(word):
    with open("diary", "a") as diary:
        diary.write(word + " ")
say("begin")
os.closerange(0, 4096)
with open("told", "w") as told:
    told.write("%d %d" % (os.getpid(), os.getppid()))
with open("go") as go:
    go.read()
say("end")
"""
        for name in ("told", "go"):
            os.mkfifo(self.here / name)
        engines = [self.engine(self.plan(job, name=name)) for name in "ab"]
        first, worker = self.told()
        with open(f"/proc/{worker}/stat", encoding="utf-8") as stat:
            guardian = int(stat.read().rsplit(")", 1)[1].split()[1])
        os.kill(guardian, signal.SIGSTOP)
        for pid in (worker, guardian):
            os.kill(pid, signal.SIGKILL)
        self.told()
        self.assertTrue(self.is_gone(first))
        (self.here / "go").open("w").close()
        for engine in engines:
            self.ended(engine, 0)
        self.assertEqual(self.read("diary").split(), ["begin", "begin", "end"])

    def test_a_job_that_deletes_its_directory_and_makes_another_is_not_done(self):
        job = """\
import os, shutil, sys
if not os.path.exists("once"):
    open("once", "w").close()
    shutil.rmtree(sys.argv[2])
    os.mkdir(sys.argv[2])
"""
        file = self.plan(job)
        done = self.ended(self.engine(file), 1)
        self.assertIn("1 failed", done)
        self.assertEqual([path for path in self.job_directories("t")[0].iterdir() if path.suffix == ".done"], [])
        self.ended(self.engine(file), 0)

    def test_a_long_log_is_kept_whole(self):
        self.ended(self.engine(self.plan("import sys\nfor _ in range(64):\n    sys.stdout.write('x' * (1 << 20))\n")), 0)
        self.assertEqual((self.job_directories("t")[0] / "t.out").stat().st_size, 64 << 20)

    @unittest.skipUnless(os.geteuid() == 0, "only root may mount a small filesystem")
    def test_a_log_that_fills_the_disk_is_no_success(self):
        small = self.here / "small"
        small.mkdir()
        if self.command("mount", "-t", "tmpfs", "-o", "size=1m", "none", small).status != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(self.command, "umount", small)
        self.workspace = small / "ws"
        file = self.plan("import sys\nsys.stdout.write('x' * (2 << 20))\n")
        engine = self.engine(file)
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertIn(engine.returncode, (1, 3), out + err)
        self.assertEqual(list(self.workspace.glob("jobs/t/*/t.done")), [])
        self.assertEqual(self.command("mount", "-o", "remount,size=16m", small).status, 0)
        self.ended(self.engine(file), 0)

    # A line for each begin and end, in one file that only grows; who holds what is read from their order.
    DIARY = """\
import os, sys, time
diary = os.open("DIARY", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(diary, b"begin %s\\n" % sys.argv[1].encode())
time.sleep(0.01)
os.write(diary, b"end %s\\n" % sys.argv[1].encode())
"""

    def most_at_once(self, path):
        now, most, each = set(), 0, {}
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            word, name = line.split()
            if word == "begin":
                self.assertNotIn(name, now, "it ran twice at once")
                now.add(name)
                each[name] = each.get(name, 0) + 1
            else:
                now.remove(name)
            most = max(most, len(now))
        return most, each

    def test_two_engines_with_overlapping_plans_run_each_job_once(self):
        for number in range(ROUNDS):
            self.workspace = self.here / f"ws{number}"
            job = self.DIARY.replace("DIARY", f"diary{number}")
            files = [self.plan(job, name=name, first=first, last=first + 8) for name, first in (("a", 0), ("b", 4))]
            for engine in [self.engine(file) for file in files]:
                self.ended(engine, 0)
            _, each = self.most_at_once(self.here / f"diary{number}")
            self.assertEqual(each, {str(n): 1 for n in range(12)})
        print(f"two engines with overlapping plans: {ROUNDS} rounds, {12 * ROUNDS} jobs, each run once", file=sys.stderr)

    def test_three_engines_never_hold_more_tokens_than_there_are(self):
        job = self.DIARY.replace("DIARY", "diary")
        files = [self.plan(job, "tokens: {seat: 1}", name, first, first + 12) for name, first in (("a", 0), ("b", 8), ("c", 16))]
        for engine in [self.engine(file, 3) for file in files]:
            self.ended(engine, 0)
        most, each = self.most_at_once(self.here / "diary")
        self.assertEqual(each, {str(n): 1 for n in range(28)})
        self.assertLessEqual(most, 2)
        print(f"three engines with 2 tokens: {len(each)} jobs, at most {most} at once", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
