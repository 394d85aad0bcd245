"""What the engine does beyond running each job once: tries again, counts tokens, keeps partials apart, keeps to limits."""
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import unittest

import xpmtest

PLAN = """\
id: ID
SETTINGS
tasks:
  t:
    params: {n: int}
    TASK
    cwd: "{{experiment.dir}}"
    command: |
      COMMAND
plan:
  s: {task: t, sweep: {n: {range: [0, JOBS]}}}
"""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as listed:
        return [int(child) for child in listed.read().split()]


class Engine(xpmtest.Case):
    def plan(self, command, task="", settings="", jobs=1, name="e"):
        text = PLAN.replace("ID", name, 1).replace("SETTINGS", settings).replace("TASK", task)
        self.write(f"{name}.yaml", text.replace("COMMAND", command).replace("JOBS", str(jobs)))
        return f"{name}.yaml"

    def failure(self, number=0):
        return json.loads((self.job_directories("t")[number] / "t.failed").read_text())

    def status(self, number=0):
        return json.loads((self.job_directories("t")[number] / ".experimaestro" / "status.json").read_text())

    def parent(self, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return int(stat.read().rsplit(")", 1)[1].split()[1])

    def diary(self):
        """The most that were between `start` and `end` at once, and the lines."""
        lines, now, most = self.read("diary").split(), 0, 0
        for word in lines:
            now += 1 if word.startswith("start") else -1
            most = max(most, now)
        return most, lines


class Limits(Engine):
    def test_a_job_that_takes_too_long_ends_with_timeout(self):
        self.env["XPM_GRACE"] = "0"
        file = self.plan("trap '' TERM; sleep 1000", "requirements: duration=1s")
        self.run_experiment(file, status=1)
        self.assertEqual(self.failure()["reason"], "timeout")
        self.assertEqual(self.failure()["failure_status"], "TIMEOUT")

    def test_who_ends_well_when_told_to_end_has_not_finished(self):
        file = self.plan("trap 'exit 0' TERM; sleep 1000 & wait", "requirements: duration=1s")
        self.run_experiment(file, status=1)
        self.assertEqual(self.failure()["reason"], "timeout")

    def test_what_a_shell_waits_for_has_the_grace_when_the_shell_is_gone(self):
        self.write("save.py", """\
import os, signal, sys, time
def save(*_):
    time.sleep(0.5)
    open("saved", "w").close()
    sys.exit(75)
if os.path.exists("saved"):
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
time.sleep(1000)
""")
        for number, command in enumerate(("python3 save.py", "timeout 1000 python3 save.py")):  # which has a group of its own
            file = self.plan(command, "resumable: true\n    requirements: duration=1s", "", number + 1)
            self.run_experiment(file)
            self.assertTrue((self.here / "saved").exists())
            (self.here / "saved").unlink()

    def test_a_job_knows_when_its_time_is_over(self):
        file = self.plan("echo $((XPM_DEADLINE - $(date +%s))) > left", "requirements: duration=1h")
        self.run_experiment(file)
        self.assertIn(int(self.read("left")), range(3500, 3601))

    def test_a_job_that_takes_too_much_memory_is_killed(self):
        file = self.plan("python3 -c 'import time; x = bytearray(100 << 20); time.sleep(1000)'", "requirements: cpu(mem=40M)")
        self.run_experiment(file, status=1)
        self.assertEqual(self.failure()["reason"], "memory")

    def test_the_memory_of_a_daemon_is_that_of_its_job(self):
        daemon = "(setsid python3 -c 'import time; x = bytearray(100 << 20); time.sleep(1000)' &)"
        file = self.plan(f"{daemon}; sleep 1000", "requirements: cpu(mem=40M)")
        self.run_experiment(file, status=1)
        self.assertEqual(self.failure()["reason"], "memory")

    def test_a_job_that_took_too_much_memory_is_no_success(self):
        file = self.plan("python3 -c 'x = bytearray(100 << 20)'", "requirements: cpu(mem=40M)")
        self.run_experiment(file, status=1)
        self.assertEqual(self.failure()["reason"], "memory")
        self.assertIn("asked for 40", self.failure()["message"])


class Retries(Engine):
    def test_more_memory_is_given_to_who_had_too_little(self):
        file = self.plan("python3 -c 'x = bytearray(100 << 20)'",
                         "requirements: cpu(mem=60M)\n    retry: {on: [memory], times: 1, scale: {mem: 4}}")
        self.run_experiment(file)
        self.assertEqual([attempt["reason"] for attempt in self.status()["attempts"]], ["memory"])
        self.assertEqual(self.status()["resources"]["memory"], 240 << 20)

    def test_a_failure_is_tried_again_as_often_as_it_says(self):
        file = self.plan("echo x >> tries; exit 1", "retry: {on: [failed], times: 2}")
        self.run_experiment(file, status=1)
        self.assertEqual(self.read("tries"), "x\n" * 3)

    def test_all_tries_are_bounded(self):
        file = self.plan("echo x >> tries; exit 1", "retry: {on: [failed]}\n    max_retries: 1")
        self.run_experiment(file, status=1)
        self.assertEqual(self.read("tries"), "x\n" * 2)

    def test_a_resumable_job_asks_to_be_called_again(self):
        file = self.plan("echo x >> {{job.path}}/kept; test $(wc -l < {{job.path}}/kept) -ge 3 || exit 75",
                         "resumable: true\n    outputs: [kept]")
        self.run_experiment(file)
        self.assertEqual(self.status()["attempt"], 3)

    def test_status_75_of_one_that_is_not_resumable_is_a_failure(self):
        self.run_experiment(self.plan("exit 75"), status=1)
        self.assertEqual(self.failure()["code"], 75)


class Claims(Engine):
    DIARY = "echo start{{n}} >> diary; sleep 0.02; echo end{{n}} >> diary"

    def test_never_more_hold_a_token_than_there_are(self):
        file = self.plan(self.DIARY, "tokens: {seat: 2}", "tokens: {seat: 4}", 12)
        self.run_experiment("-j", 6, file)
        most, lines = self.diary()
        self.assertEqual((most, len(lines)), (2, 24))
        counter = self.workspace / "tokens" / "seat.counter"
        self.assertEqual(json.loads((counter / "informations.json").read_text()), {"total": 4})
        self.assertEqual(list((counter / "jobs").iterdir()), [])

    def test_engines_share_the_tokens_of_a_workspace(self):
        files = [self.plan(self.DIARY.replace("start", f"start{name}").replace("end", f"end{name}"), "tokens: {seat: 1}",
                           "tokens: {seat: 2}", 8, name) for name in "abc"]
        for name in "abc":
            self.write(f"{name}.yaml", self.read(f"{name}.yaml").replace("  t:", f"  t{name}:").replace("task: t", f"task: t{name}"))
        engines = [self.start("run-experiment", "--workdir", self.workspace, "-j", 2, file) for file in files]
        for engine in engines:
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 0, out + err)
        most, lines = self.diary()
        self.assertEqual((most, len(lines)), (2, 48))

    def test_jobs_that_share_a_partial_never_run_at_once(self):
        file = self.plan("mkdir {{partials.p}}/busy; sleep 0.02; rmdir {{partials.p}}/busy",
                         "partials: {p: {exclude_groups: [g]}}", "", 6)
        self.write(file, self.read(file).replace("{n: int}", "{n: {type: int, groups: [g]}}"))
        self.run_experiment("-j", 4, file)

    def test_two_engines_keep_a_partial_apart(self):
        command = "mkdir {{partials.p}}/busy; sleep 0.02; rmdir {{partials.p}}/busy"
        for name, first in (("a", 0), ("b", 100)):
            file = self.plan(command, "partials: {p: {exclude_groups: [g]}}", "", 4, name)
            text = self.read(file).replace("{n: int}", "{n: {type: int, groups: [g]}}")
            self.write(file, text.replace("[0, 4]", f"[{first}, {first + 4}]"))
        engines = [self.start("run-experiment", "--workdir", self.workspace, "-j", 2, f"{name}.yaml") for name in "ab"]
        for engine in engines:
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 0, out + err)

    def test_what_failed_before_runs_when_its_partial_is_free_again(self):
        command = "test -e good; echo {{n}} >> diary; test {{n}} -gt 0 || { echo x > begun; read line < go; }"
        for name in "ab":
            file = self.plan(command, "partials: {p: {exclude_groups: [g]}}", "", 2, name)
            self.write(file, self.read(file).replace("{n: int}", "{n: {type: int, groups: [g]}}"))
        self.write("b.yaml", self.read("b.yaml").replace("[0, 2]", "[1, 2]"))
        self.run_experiment("a.yaml", status=1)
        self.write("good", "")
        for name in ("begun", "go"):
            os.mkfifo(self.here / name)
        (first,) = [job for job in self.job_directories("t") if self.params(job)["n"] == 0]
        by_hand = subprocess.Popen(["sh", first / "t.sh"], cwd=self.here, env=self.env, stderr=subprocess.DEVNULL)
        self.read("begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, "b.yaml")
        self.assertIn("waits for what another one uses", engine.stderr.readline())
        self.write("go", "go\n")
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual((engine.returncode, by_hand.wait()), (0, 0), out + err)
        self.assertEqual(self.read("diary"), "0\n1\n")

    def leave_orphans(self, file):
        """Engine, guardian and worker are killed at once, and what the job started lives on, with its lock."""
        engine = subprocess.Popen([xpmtest.XPM, "run-experiment", "--workdir", self.workspace, file], cwd=self.here,
                                  env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for((self.here / "left").exists, "what is left")
        (guardian,) = children(engine.pid)
        (worker,) = children(guardian)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in (engine.pid, guardian, worker):
                os.kill(pid, number)
        engine.wait()

    LEAVES = "[ ! -e left ] || exit 0; setsid sh -c 'touch left; exec sleep 1000' & sleep 1000"

    def test_what_a_dead_worker_left_does_not_keep_tokens_from_another_engine(self):
        self.leave_orphans(self.plan(self.LEAVES, "tokens: {seat: 1}", "tokens: {seat: 1}", 1, "a"))
        other = self.plan("true", "tokens: {seat: 1}", "tokens: {seat: 1}", 1, "b")
        self.write(other, self.read(other).replace("[0, 1]", "[5, 6]"))
        self.run_experiment(other)
        self.run_experiment("a.yaml")

    def test_what_a_dead_worker_left_is_not_waited_for(self):
        self.leave_orphans(self.plan(self.LEAVES))
        self.run_experiment("e.yaml")

    def test_a_run_file_takes_its_tokens_itself(self):
        file = self.plan("ls ../here/ws/tokens/seat.counter/jobs > holders", "tokens: {seat: 1}", "tokens: {seat: 1}")
        self.run_experiment("--run-mode", "generate", file)
        (job,) = self.job_directories("t")
        done = self.command("sh", job / "t.sh")
        self.assertEqual(done.status, 0, done)
        self.assertIn(job.name, self.read("holders"))
        self.assertEqual(list((self.workspace / "tokens" / "seat.counter" / "jobs").iterdir()), [])


class Transient(Engine):
    FILE = """\
id: e
tasks:
  make: {params: {n: int}, command: "echo {{n}} > data", outputs: [data], transient: TRANSIENT}
  use: {params: {m: make}, command: "cat {{m.job.path}}/data"}
plan:
  make: {task: make, sweep: {n: [1, 2]}}
  use: {task: use, params: {m: {each: make}}}
"""

    def test_it_is_removed_at_the_end_and_not_made_again_for_nothing(self):
        self.write("e.yaml", self.FILE.replace("TRANSIENT", "remove"))
        self.assertIn("4 done", self.run_experiment("e.yaml").out)
        self.assertEqual(self.job_directories("make"), [])
        self.assertIn("2 not needed", self.run_experiment("--run-mode", "dry-run", "e.yaml").out)
        self.assertIn("2 before", self.run_experiment("e.yaml").out)
        self.assertEqual(self.job_directories("make"), [])

    def test_it_stays_while_another_run_counts_on_it(self):
        self.write("f.yaml", self.FILE.replace("TRANSIENT", "true").replace("id: e", "id: f"))
        self.run_experiment("f.yaml")
        self.write("e.yaml", self.FILE.replace("TRANSIENT", "remove"))
        with open(self.workspace / "experiments/f/lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_experiment("e.yaml")
            self.assertEqual(len(self.job_directories("make")), 2)
        self.run_experiment("e.yaml")
        self.assertEqual(self.job_directories("make"), [])
        self.assertEqual(list((self.run_directory("e") / "jobs").glob("make/*")), [])

    def test_it_stays_without_that_and_alone_it_is_not_run(self):
        self.write("e.yaml", self.FILE.replace("TRANSIENT", "true"))
        self.run_experiment("--only", "make", "e.yaml")
        self.assertFalse((self.workspace / "jobs" / "make").exists())
        self.run_experiment("e.yaml")
        self.assertEqual(len(self.job_directories("make")), 2)


class History(Engine):
    def test_old_runs_go_as_the_settings_say(self):
        settings = self.home / ".config" / "experimaestro" / "settings.yaml"
        settings.parent.mkdir()
        settings.write_text("history: {max_done: 2, max_failed: 1}\n")
        file = self.plan("true")
        for _ in range(5):
            self.run_experiment(file)
        runs = [path for path in (self.workspace / "experiments" / "e").iterdir() if path.is_dir() and not path.is_symlink()]
        self.assertEqual(len(runs), 3)
        self.assertEqual(len(self.job_directories("t")), 1)


class Locks(Engine):
    def test_a_filesystem_whose_locks_exclude_nobody_is_refused_by_name(self):
        self.write("shim.c", "int flock(int fd, int operation) { (void)fd; (void)operation; return 0; }\n")
        made = self.command("cc", "-shared", "-fPIC", "-o", "shim.so", "shim.c")
        self.assertEqual(made.status, 0, made)
        asan = self.command("sh", "-c", f"ldd {xpmtest.XPM} | sed -n 's/.*=> \\(.*libasan[^ ]*\\).*/\\1/p'").out.strip()
        env = {"LD_PRELOAD": " ".join(filter(None, (asan, str(self.here / "shim.so"))))}
        told = self.xpm("run-experiment", "--workdir", self.workspace, self.plan("true"), status=3, env=env)
        self.assertRegex(told.err, r"mounted on '/[^']*' exclude nobody")
        self.assertFalse((self.workspace / "jobs").exists())


class Others(Engine):
    def test_what_a_killed_engine_left_running_counts_against_the_slots(self):
        file = self.plan("echo start{{n}} >> diary; echo {{n}} > begun; read line < go; echo end{{n}} >> diary", "", "", 3)
        for name in ("begun", "go"):
            os.mkfifo(self.here / name)
        first = self.start("run-experiment", "--workdir", self.workspace, "-j", 1, file)
        with open(self.here / "begun") as begun:
            begun.read()
        first.kill()
        first.wait(timeout=xpmtest.PATIENCE)
        second = self.start("run-experiment", "--workdir", self.workspace, "-j", 1, file)
        for turn in range(3):
            with open(self.here / "go", "w") as go:
                go.write("go\n")
            if turn < 2:
                with open(self.here / "begun") as begun:
                    begun.read()
        out, err = second.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(second.returncode, 0, out + err)
        most, lines = self.diary()
        self.assertEqual((most, len(lines)), (1, 6))

    def test_who_lets_go_of_a_lock_without_a_run_has_not_failed(self):
        command = "echo {{n}} >> diary; test -e good; test {{n}} -eq 0 || echo x > begun"
        self.run_experiment(self.plan(command), status=1)
        self.write("good", "")
        os.mkfifo(self.here / "begun")
        with open(self.job_directories("t")[0] / "t.lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            engine = self.start("run-experiment", "--workdir", self.workspace, self.plan(command, jobs=2))
            self.read("begun")  # who starts jobs has looked at all
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        self.assertEqual(sorted(self.read("diary").split()), ["0", "0", "1"])

    def test_who_does_not_want_to_wait_is_told_who_runs_the_experiment(self):
        file = self.plan("echo x > begun; read line < go")
        for name in ("begun", "go"):
            os.mkfifo(self.here / name)
        first = self.start("run-experiment", "--workdir", self.workspace, file)
        with open(self.here / "begun") as begun:
            begun.read()
        told = self.xpm("run-experiment", "--workdir", self.workspace, "--no-wait", file, status=3)
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.assertRegex(told.err, r"held by process %d of %s on \S+ since 2" % (first.pid, user))
        with open(self.here / "go", "w") as go:
            go.write("go\n")
        out, err = first.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(first.returncode, 0, out + err)

    def test_a_request_to_kill_ends_a_job_as_cancelled(self):
        file = self.plan("echo x > begun; sleep 1000")
        os.mkfifo(self.here / "begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, file)
        with open(self.here / "begun") as begun:
            begun.read()
        (job,) = self.job_directories("t")
        (job / ".experimaestro" / "kill").touch()
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 1, out + err)
        self.assertEqual(self.failure()["reason"], "cancelled")

    def test_worker_and_guardian_killed_together_leave_nothing_that_runs(self):
        file = self.plan("setsid sleep 600 & echo $PPID $! > begun; test -e again || { touch again; sleep 1000; }")
        os.mkfifo(self.here / "begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, file)
        with open(self.here / "begun") as begun:
            worker, left = map(int, begun.read().split())
        guardian = self.parent(worker)
        os.kill(guardian, signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        os.kill(guardian, signal.SIGKILL)
        with open(self.here / "begun") as begun:
            last = int(begun.read().split()[1])
        self.assertNotIn(left, self.processes())
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        os.kill(last, signal.SIGKILL)

    def test_a_killed_guardian_takes_its_worker_with_it_and_the_next_one_has_a_guardian(self):
        file = self.plan("lasts=0; mkdir first && lasts=1000; echo $PPID > begun; sleep $lasts", jobs=3)
        os.mkfifo(self.here / "begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, "-j", 1, file)
        with open(self.here / "begun") as begun:
            worker = int(begun.read())
        os.kill(self.parent(worker), signal.SIGKILL)
        later = []
        while len(later) < 3:
            with open(self.here / "begun") as begun:  # of one job, or of several that followed at once
                later += map(int, begun.read().split())
        self.assertNotIn(worker, later)
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        self.assertIn("lost: the guardian of its worker was killed; it is run again", err)

    def test_a_job_that_deletes_its_directory_fails_alone(self):
        file = self.plan("test {{n}} -gt 0 || rm -rf {{job.path}}", "", "", 3)
        done = self.run_experiment(file, status=1)
        self.assertIn("2 done, 1 failed", done.out)
        self.assertIn("deleted while it ran", done.err)

    def test_a_job_whose_directory_is_deleted_is_ended_and_its_next_attempt_is_not(self):
        os.mkfifo(self.here / "begun")
        file = self.plan("echo $$ > begun; test -e again || { touch again; sleep 1000; }; while kill -0 $(cat first); do :; done 2> /dev/null")
        self.write("f.yaml", self.read(file).replace("id: e", "id: f"))
        first = self.start("run-experiment", "--workdir", self.workspace, file)
        with open(self.here / "begun") as begun:
            self.write("first", begun.read())
        shutil.rmtree(self.job_directories("t")[0])
        second = self.start("run-experiment", "--workdir", self.workspace, "f.yaml")
        with open(self.here / "begun") as begun:
            begun.read()
        for engine, status in ((first, 1), (second, 0)):
            out, err = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, status, out + err)
            self.assertEqual(status == 1, "its directory was deleted while it ran" in err, err)

    def test_what_a_killed_job_had_started_is_gone(self):
        file = self.plan("setsid sleep 600 & echo $$ $! > begun; sleep 1000")
        os.mkfifo(self.here / "begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, file)
        with open(self.here / "begun") as begun:
            job, left = map(int, begun.read().split())
        os.kill(job, signal.SIGKILL)
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 1, out + err)
        self.assertNotIn(left, self.processes())

    def test_what_a_failed_job_had_started_is_not_beside_its_next_attempt(self):
        file = self.plan("setsid sleep 600 & echo $! >> {{experiment.dir}}/left; exit 1", "retry: {on: [failed]}")
        self.run_experiment(file, status=1)
        left = [int(line) for line in (self.here / "left").read_text().split()]
        self.assertGreater(len(left), 1)
        self.assertFalse(set(left) & set(self.processes()))

    def test_a_shell_that_looks_into_a_job_outlives_it(self):
        file = self.plan("kill -KILL $$")
        self.run_experiment(file, status=1)
        (job,) = self.job_directories("t")
        self.run_experiment(file, status=1, env={"XPM_JOB_DIR": str(job)})


if __name__ == "__main__":
    unittest.main()
