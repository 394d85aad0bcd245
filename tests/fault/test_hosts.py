"""Two hosts on one workspace: the other one is a set of namespaces with a name, a boot and processes of its own.

Its locks are this kernel's, so they exclude; for a filesystem whose locks hold on one host only, a shim grants every
lock there. A host that is cut off is one whose worker is stopped: it keeps its locks, as a server may do for the dead.
"""
import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import time
import unittest
import uuid

import xpmtest

# Here a job ends at once, there it waits.
PLAN = """\
id: e
tokens: {seat: 1}
tasks:
  t:
    params: {n: int}
    tokens: {seat: 1}
    cwd: "{{experiment.dir}}"
    command: 'echo "begin{{{n}}} $(uname -n) $(date +%s.%N)" >> diary; HERE; echo "end{{{n}}} $(uname -n)" >> diary'
plan:
  s: {task: t, sweep: {n: {range: [0, COUNT]}}}
"""
THERE = 'case $(uname -n) in other) echo x > told; read line < go; esac'

# The first process of the other host becomes the worker's guardian.
OTHER = 'hostname "$0" && mount --bind boot_id /proc/sys/kernel/random/boot_id && exec "$@"'
NAMESPACES = ["unshare", "--uts", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
if os.geteuid() != 0:
    NAMESPACES[1:1] = ["--user", "--map-root-user"]


class Hosts(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("boot_id", f"{uuid.uuid4()}\n")
        tried = self.command(*NAMESPACES, "sh", "-c", OTHER, "other", "true")
        if tried.status != 0:
            self.skipTest(f"namespaces are not allowed here: {tried.err}")

    def plan(self, here=THERE, count=1):
        self.write("e.yaml", PLAN.replace("HERE", here).replace("COUNT", str(count)))
        for name in ("told", "go"):
            os.mkfifo(self.here / name)

    def generate(self):
        self.run_experiment("--run-mode", "generate", "e.yaml")
        return self.job_directories("t")

    def engine(self):
        return self.start("run-experiment", "--workdir", self.workspace, "e.yaml")

    def there(self, job, host="other", **env):
        """The job's run file, on another host."""
        process = subprocess.Popen(
            [*NAMESPACES, "sh", "-c", OTHER, host, "env", *(f"{name}={env[name]}" for name in env), "sh",
             str(job / "t.sh")],
            cwd=self.here, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(self.finish, process)
        return process

    def ended(self, process, status):
        out, err = process.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(process.returncode, status, out + err)
        return err

    def told(self):
        with open(self.here / "told", encoding="utf-8") as fifo:
            fifo.read()

    def go(self):
        with open(self.here / "go", "w", encoding="utf-8") as fifo:
            fifo.write("go\n")

    def wait_until(self, what, is_true):
        limit = time.monotonic() + xpmtest.PATIENCE
        while not is_true():
            self.assertLess(time.monotonic(), limit, f"not within {xpmtest.PATIENCE} s: {what}")
            select.select([], [], [], 0.01)

    def status(self, job):
        return json.loads((job / ".experimaestro" / "status.json").read_text())

    def wait_until_it_lasts(self, job):
        """Its status names its heartbeat."""
        status = job / ".experimaestro" / "status.json"
        self.wait_until("a status that names a process", lambda: status.exists() and self.status(job)["process"])
        return self.workspace / self.status(job)["process"]["heartbeat"]

    def diary(self):
        return [line.split()[:2] for line in self.read("diary").splitlines()]

    def expect_done(self, job, host):
        self.assertTrue((job / "t.done").exists())
        self.assertEqual(self.status(job)["host"], host)
        left = [path.name for path in job.iterdir() if ".lock." in path.name or path.suffix == ".pid"]
        self.assertEqual(left, [])


class Heartbeat(Hosts):
    def test_a_worker_on_another_host_has_a_heartbeat_as_long_as_it_lives(self):
        self.plan()
        self.env["XPM_LEASE"] = "1"
        [job] = self.generate()
        worker = self.there(job)
        self.told()
        heartbeat = self.wait_until_it_lasts(job)
        self.assertEqual(heartbeat.parent, self.run_directory("e") / "workers")
        self.assertRegex(heartbeat.name, r"^other-\d+$")
        first = heartbeat.stat().st_mtime_ns
        self.wait_until("a second beat", lambda: heartbeat.stat().st_mtime_ns > first)
        self.go()
        self.ended(worker, 0)
        self.assertFalse(heartbeat.parent.exists())
        self.expect_done(job, "other")

    def test_an_engine_waits_for_what_another_host_runs(self):
        self.plan()
        [job] = self.generate()
        worker = self.there(job)
        self.told()
        self.wait_until_it_lasts(job)
        engine = self.engine()
        self.wait_until("a second run", lambda: len(list(self.workspace.glob("experiments/e/2*/status.json"))) == 2)
        self.go()
        self.ended(engine, 0)
        self.ended(worker, 0)
        self.assertEqual(self.diary(), [["begin0", "other"], ["end0", "other"]])

    def test_a_job_of_a_host_that_fell_silent_is_run_again_after_two_leases_and_not_before(self):
        self.plan()
        self.env["XPM_LEASE"] = "2"
        [job] = self.generate()
        worker = self.there(job)
        self.told()
        heartbeat = self.wait_until_it_lasts(job)
        worker.kill()  # the host is gone, with all its processes, and its lock is free
        worker.wait(timeout=xpmtest.PATIENCE)
        self.wait_until("the end of its processes", lambda: not self.processes())
        last = heartbeat.stat().st_mtime
        listed = self.xpm("jobs", "list", "--workdir", self.workspace, "--json").objects()
        self.assertEqual([one["state"] for one in listed], ["running"])
        self.xpm("jobs", "clean", "--workdir", self.workspace, "--all", "--perform")
        self.assertTrue((job / "t.out").exists())
        self.run_experiment("e.yaml")
        begun = float(self.read("diary").splitlines()[-2].split()[2])
        self.assertGreater(begun - last, 4)
        self.assertEqual(self.diary()[0], ["begin0", "other"])
        self.assertEqual(len(self.diary()), 3)
        self.expect_done(job, os.uname().nodename)
        self.assertEqual([one["reason"] for one in self.status(job)["attempts"]], ["lost"])

    def test_who_was_cut_off_and_replaced_ends_his_job_and_reports_nothing(self):
        self.plan('read line < "$(uname -n)"')
        here = os.uname().nodename
        for name in ("other", here):
            os.mkfifo(self.here / name)
        self.env["XPM_LEASE"] = "2"
        [job] = self.generate()
        worker = self.there(job)
        self.wait_until_it_lasts(job)
        stopped = self.worker_there()
        os.kill(stopped, signal.SIGSTOP)
        try:
            engine = self.engine()
            self.wait_until("a second attempt", lambda: len(self.diary()) == 2)
            # The last that it writes when it lasts is the text of its lock.
            lock = job / "t.lock"
            self.wait_until("its lock's text", lambda: lock.exists() and lock.read_text().endswith("attempt 2\n"))
            before = self.snapshot(job)
        finally:
            os.kill(stopped, signal.SIGCONT)
        self.assertIn("given to somebody else", self.ended(worker, 1))
        # The second attempt has the lock, the token and the status still.
        self.assertEqual(self.snapshot(job), before)
        self.assertIn("t.pid", before)
        self.assertIn("locks.json", before)
        self.assertEqual(len(list(self.workspace.glob("tokens/seat.counter/jobs/*.json"))), 1)
        with open(self.here / here, "w", encoding="utf-8") as fifo:
            fifo.write("go\n")
        self.assertIn("no sign of life", self.ended(engine, 0))
        self.assertEqual(self.diary(), [["begin0", "other"], ["begin0", here], ["end0", here]])
        self.expect_done(job, here)
        self.assertEqual([one["reason"] for one in self.status(job)["attempts"]], ["lost"])

    def worker_there(self):
        """What runs the job over there: not its guardian, which is the first process of that host."""
        for pid in self.processes():
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                numbers = dict(line.split(":", 1) for line in status)["NSpid"].split()
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"worker" in words and len(numbers) > 1 and numbers[-1] != "1":
                return pid
        self.fail("there is no worker on the other host")


class Locks(Hosts):
    def test_two_workers_on_hosts_of_their_own_run_a_job_once_also_where_locks_exclude_nobody(self):
        self.plan()
        [job] = self.generate()
        worker = self.there(job)
        self.told()
        self.wait_until_it_lasts(job)
        self.assertRegex(self.ended(self.there(job, host="third"), 3), r"held by process \d+ of \w+ on other")
        told = self.ended(self.there(job, host="third", LD_PRELOAD=self.shim()), 3)
        self.assertRegex(told, r"is run by a worker on other, which gives signs of life \('.*/workers/other-\d+'\)")
        self.go()
        self.ended(worker, 0)
        self.assertEqual(self.diary(), [["begin0", "other"], ["end0", "other"]])
        self.expect_done(job, "other")

    def shim(self):
        """The environment under which every lock is granted."""
        self.write("shim.c", "int flock(int fd, int operation) { (void)fd; (void)operation; return 0; }\n")
        made = self.command("cc", "-shared", "-fPIC", "-o", "shim.so", "shim.c")
        self.assertEqual(made.status, 0, made)
        asan = self.command("sh", "-c", f"ldd {xpmtest.XPM} | sed -n 's/.*=> \\(.*libasan[^ ]*\\).*/\\1/p'").out.strip()
        return " ".join(filter(None, (asan, str(self.here / "shim.so"))))

    def test_locks_that_exclude_nobody_on_other_hosts_end_the_run_and_the_worker_by_name(self):
        self.plan("echo x > told; read line < go")
        [job] = self.generate()
        engine = self.engine()
        self.told()
        worker = self.there(job, LD_PRELOAD=self.shim())
        mount = r"locks on '/[^']*' \(\w+.*\) exclude nobody on other hosts.*have it mounted with locks"
        self.assertRegex(self.ended(worker, 3), "this worker.*" + mount)
        engine.wait(timeout=xpmtest.PATIENCE)  # its own worker ends what it has begun
        self.go()
        self.assertRegex(self.ended(engine, 3), r"the worker 'other-\d+'.*" + mount)
        self.wait_until("the end of its job", lambda: (job / "t.done").exists())
        self.assertEqual(self.diary(), [[word, os.uname().nodename] for word in ("begin0", "end0")])
        self.assertEqual(json.loads((self.run_directory("e") / "status.json").read_text())["status"], "failed")

    def test_locks_that_exclude_are_found_to_do_so(self):
        self.plan("case {{n}} in 0) echo x > told; read line < go; esac", count=2)
        self.write("e.yaml", self.read("e.yaml").replace("    tokens: {seat: 1}\n", ""))
        jobs = {self.params(job)["n"]: job for job in self.generate()}
        engine = self.start("run-experiment", "--workdir", self.workspace, "-j", 1, "e.yaml")
        self.told()
        self.assertNotIn("lock", self.ended(self.there(jobs[1]), 0))
        self.go()
        self.ended(engine, 0)
        self.assertIn(["begin1", "other"], self.diary())
        self.assertEqual(len(self.diary()), 4)

    def test_a_worker_asks_once_whether_the_engine_of_its_run_is_dead(self):
        self.env["XPM_LEASE"] = "1"
        self.plan("[ -e killed ] || { echo x > told; read line < go; }", count=2)
        self.write("e.yaml", self.read("e.yaml").replace("    tokens: {seat: 1}\n", ""))
        jobs = self.generate()
        engine = self.start("run-experiment", "--workdir", self.workspace, "-j", 1, "e.yaml")
        self.told()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # one takes others with it
                os.kill(pid, signal.SIGKILL)
        engine.wait(timeout=xpmtest.PATIENCE)
        self.wait_until("the end of its processes", lambda: not self.processes())
        self.write("killed", "")
        told = [self.ended(self.there(job), 0) for job in jobs]
        self.assertIn("its engine is dead, or locks", told[0])
        self.assertNotIn("its engine is dead", told[1])
        for job in jobs:
            self.expect_done(job, "other")


class Tokens(Hosts):
    def test_a_silent_worker_gives_its_token_back_and_one_that_beats_does_not(self):
        self.plan(count=2)
        self.env["XPM_LEASE"] = "2"
        jobs = self.generate()
        worker = self.there(jobs[0])
        self.told()
        heartbeat = self.wait_until_it_lasts(jobs[0])
        worker.kill()
        worker.wait(timeout=xpmtest.PATIENCE)
        self.wait_until("the end of its processes", lambda: not self.processes())
        last = heartbeat.stat().st_mtime
        self.run_experiment("e.yaml")
        begins = [line.split() for line in self.read("diary").splitlines() if line.startswith("begin")]
        self.assertEqual(len(begins), 3)
        for _, _, begun in begins[1:]:
            self.assertGreater(float(begun) - last, 4)


if __name__ == "__main__":
    unittest.main()
