"""Every state file cut at every length and each of its bytes changed: an older state, or refused by name; never misread.

Readers are called in one process by damage.c, because of the number; some forms, chosen at random, are given to the command:
XPM_FAULT_DAMAGES of them (60).
"""
import fcntl
import json
import os
import random
import shutil
import signal
import sys
import unittest

import xpmtest

DAMAGES = int(os.environ.get("XPM_FAULT_DAMAGES", "60"))
SEED = int(os.environ.get("XPM_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
DAMAGE = xpmtest.BUILD / "tests" / "fault" / "damage"
PLAN = """\
id: e
tokens: {seat: 1}
tasks:
  fine: {params: {n: int}, command: 'echo fine >> "$DIARY"', tokens: {seat: 1}}
  wrong: {params: {n: int}, command: [/bin/false]}
  needs: {params: {w: wrong}, command: 'echo needs >> "$DIARY"'}
  lost: {params: {n: int}, command: "test -e begun && exit; echo $$ $PPID > begun; sleep 1000", cwd: "{{experiment.dir}}"}
plan:
  fine: {task: fine, sweep: {n: [1, 2]}}
  wrong: {task: wrong, params: {n: 1}}
  needs: {task: needs, params: {w: {each: wrong}}}
  lost: {task: lost, params: {n: 1}}
"""
STATES = {"fine": "done", "wrong": "error", "needs": "error", "lost": "lost"}
SETTINGS = "workspaces:\n  - {id: here, path: WS, env: {A: b}, max_retries: 2}\nhistory: {max_done: 3}\n"
LAUNCHERS = "launchers:\n  here: {type: local, cores: 2}\n"


class Damage(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.env["DIARY"] = str(self.here / "diary")
        self.config = self.home / ".config" / "experimaestro"
        self.config.mkdir()
        self.write("plan.yaml", PLAN)
        self.lose_a_job()
        self.run_experiment("--only", "fine,needs", "plan.yaml", status=1)
        self.jobs = {}
        for task, state in STATES.items():
            self.jobs.update({job: state for job in self.job_directories(task)})

    def told(self, text):
        print(text, file=sys.stderr)

    def lose_a_job(self):
        """A job that lasted, and of which nothing is left: engine, guardian, worker and the job are killed."""
        engine = self.start("run-experiment", "--workdir", self.workspace, "--only", "lost", "plan.yaml")
        task = self.workspace / "jobs" / "lost"
        while not list(task.glob("*/lost.pid")) and engine.poll() is None:
            os.sched_yield()
        job, worker = map(int, self.read("begun").split())
        with open(f"/proc/{worker}/stat", encoding="utf-8") as stat:
            guardian = int(stat.read().rsplit(")", 1)[1].split()[1])
        # The worker is seen to by nobody, and what it started by nobody else.
        for pid in (engine.pid, guardian):
            os.kill(pid, signal.SIGSTOP)
        for pid in (worker, guardian, engine.pid):
            os.kill(pid, signal.SIGKILL)
        os.killpg(job, signal.SIGKILL)
        engine.communicate(timeout=xpmtest.PATIENCE)
        self.wait_until_gone(job, worker, guardian)

    def wait_until_gone(self, *pids):
        while set(pids) & set(self.processes()):
            os.sched_yield()

    def state_files(self):
        """What is read to know states: what counts now first."""
        found = []
        for job in self.jobs:
            found += [job / ".experimaestro" / "status.json", job / "params.json", *job.glob("*.failed"), *job.glob("*.pid")]
        runs = [path for path in (self.workspace / "experiments" / "e").iterdir() if path.is_dir() and not path.is_symlink()]
        for run in sorted(runs, key=lambda path: path != self.run_directory("e")):
            found += [run / "status.json", run / "jobs.jsonl", run / "environment.json", *run.glob("events/*.jsonl")]
        return [path for path in found if path.exists() and path.stat().st_size]

    def damage(self, *files):
        expected = "".join(f"{job.parent.name} {job.parent.name} {job.name} {state}\n" for job, state in self.jobs.items())
        done = self.command(DAMAGE, self.workspace, self.config, self.write("expected", expected), *files)
        self.assertEqual(done.status, 0, done)
        return done.lines()[-1]

    def test_readers_see_an_older_state_or_refuse_by_name(self):
        # One of each kind, of each task.
        kinds = {}
        for path in self.state_files():
            kinds.setdefault((path.parent.parent.parent.name, path.name), path)
        self.told(f"state files cut and changed: {self.damage(*kinds.values())}")

    def test_a_damaged_holder_keeps_its_token_while_its_job_runs(self):
        counter = self.workspace / "tokens" / "seat.counter"
        job = self.job_directories("fine")[0]
        holder = {"job_uri": f"{job}/fine", "information": {"count": 1}, "process": {"host": "h", "pid": 1}, "experiment": "e", "run": "r"}
        names = [counter / "jobs" / f"fine@{job.name}.json", counter / "informations.json"]
        names[0].parent.mkdir(exist_ok=True)
        names[0].write_text(json.dumps(holder))
        with open(job / "fine.lock", "r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.jobs = {path: state for path, state in self.jobs.items() if path != job}
            self.told(f"files of tokens cut and changed: {self.damage(*names)}; never a token too many")

    def test_settings_and_launchers_are_read_or_refused(self):
        self.config.joinpath("settings.yaml").write_text(SETTINGS.replace("WS", str(self.workspace)))
        self.config.joinpath("launchers.yaml").write_text(LAUNCHERS)
        self.told(f"settings cut and changed: {self.damage(self.config / 'settings.yaml')}")
        for path in (self.config / "settings.yaml", self.config / "launchers.yaml"):
            whole = path.read_bytes()
            for _ in range(DAMAGES // 4):
                how, content = self.damaged(whole)
                path.write_bytes(content)
                result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--run-mode", "dry-run", "plan.yaml")
                self.assertIn(result.status, (0, 2, 3), f"{path.name} {how}\n{result}")
                if result.status:
                    self.assertIn(path.name, result.err, f"{how}\n{result}")
            path.write_bytes(whole)

    def damaged(self, whole):
        if self.random.random() < 0.5:
            length = self.random.randrange(len(whole))
            return f"cut to {length} bytes", whole[:length]
        at, change = self.random.randrange(len(whole)), self.random.randrange(1, 256)
        return f"byte {at} changed by {change:#04x}", whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1:]

    def test_the_command_neither_crashes_nor_runs_again_what_is_done(self):
        files = [path.relative_to(self.workspace) for path in self.state_files()]
        self.workspace.rename(self.here / "kept")
        before = self.read("diary")
        statuses = {}
        for _ in range(DAMAGES):
            shutil.copytree(self.here / "kept", self.workspace, symlinks=True)
            name = self.random.choice(files)
            path = self.workspace / name
            how, content = self.damaged(path.read_bytes())
            path.write_bytes(content)
            what = f"seed {SEED}: {name} {how}"
            for words in (["jobs", "list"], ["experiments", "list"]):
                self.refuse_or_read(what, name, self.command(xpmtest.XPM, *words, "--workdir", self.workspace))
            self.expect_states(what)
            result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "plan.yaml")
            statuses[result.status] = statuses.get(result.status, 0) + 1
            self.assertIn(result.status, (1, 3), f"{what}\n{result}")
            self.assertEqual(self.read("diary"), before, f"{what}: what was done has run again\n{result}")
            self.assertEqual(list(self.workspace.glob("jobs/wrong/*/wrong.done")), [], what)
            shutil.rmtree(self.workspace)
        self.told(f"{DAMAGES} damaged workspaces read and continued by the command: exit statuses {statuses}; nothing that was done ran again")

    def refuse_or_read(self, what, name, result):
        self.assertIn(result.status, (0, 3), f"{what}\n{result}")
        if result.status:
            self.assertIn(name.name, result.err, f"{what}\n{result}")

    def expect_states(self, what):
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--run-mode", "dry-run", "--json", "plan.yaml")
        self.assertIn(result.status, (0, 3), f"{what}\n{result}")
        outlooks = {"fine": {"done", "done, command changed"}, "wrong": {"failed before"}, "needs": {"blocked", "will run"}, "lost": {"will run"}}
        for job in result.objects():
            self.assertIn(job["state"], outlooks[job["task_id"]], f"{what}\n{job}")


if __name__ == "__main__":
    unittest.main()
