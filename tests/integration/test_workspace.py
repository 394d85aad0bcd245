"""What stands on disk after a run, workspaces that cannot be used, and workspaces of others."""
import json
import os
import stat
import subprocess
import unittest

import xpmtest

FILE = """\
id: shape
title: The shape of a workspace
tasks:
  Work:
    params: {n: int}
    command: "test {{n}} -lt 10"
plan:
  work: {task: Work, sweep: {n: [1, 2]}}
"""


class Shape(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)

    def modes(self):
        return {
            path.relative_to(self.workspace).as_posix(): stat.S_IMODE(path.lstat().st_mode)
            for path in self.workspace.rglob("*")
            if not path.is_symlink()
        }

    def test_a_run_and_its_jobs(self):
        self.run_experiment("e.yaml")
        self.assertEqual((self.workspace / ".__experimaestro__").read_text(), "")
        base = self.workspace / "experiments" / "shape"
        run = self.run_directory("shape")
        self.expect_match(r"^\d{8}_\d{6}(\.\d+)?$", run.name)
        self.assertEqual({path.name for path in base.iterdir()}, {run.name, "current", "lock"})
        self.assertEqual(os.readlink(base / "current"), run.name)
        self.assertEqual(list((self.workspace / ".tmp").iterdir()), [])
        for job in self.job_directories("work"):
            link = run / "jobs" / "work" / job.name
            self.assertFalse(os.readlink(link).startswith("/"))
            self.assertEqual(link.resolve(), job.resolve())

    def test_nobody_else_may_read_it(self):
        self.run_experiment("e.yaml")
        for name, mode in self.modes().items():
            self.assertEqual(mode & 0o077, 0, f"{name}: {mode:o}")

    def test_a_group_may_when_the_settings_say_so(self):
        self.write_settings(f"workspaces: [{{id: w, path: {json.dumps(str(self.workspace))}, sharing: group}}]")
        before = os.umask(0o077)
        try:
            self.xpm("run-experiment", "--workspace", "w", "e.yaml")
        finally:
            os.umask(before)
        for name, mode in self.modes().items():
            if not name.endswith(".sh"):
                wanted = 0o2770 if (self.workspace / name).is_dir() else 0o660
                self.assertEqual(mode & wanted, wanted, f"{name}: {mode:o}")
            self.assertEqual(mode & 0o007, 0, f"{name}: {mode:o}")

    def write_settings(self, text):
        directory = self.home / ".config" / "experimaestro"
        directory.mkdir(exist_ok=True)
        (directory / "settings.yaml").write_text(text)

    def test_a_job_costs_at_most_ten_inodes(self):
        self.run_experiment("e.yaml")
        before = sum(1 for _ in self.workspace.rglob("*"))
        self.write("e.yaml", FILE.replace("[1, 2]", "[1, 2, 3, 4, 5]"))
        self.run_experiment("e.yaml")
        run = sum(1 for path in self.run_directory("shape").rglob("*") if "jobs" not in path.parts[-3:-1]) + 1
        links = 5 + 1
        after = sum(1 for _ in self.workspace.rglob("*"))
        self.assertLessEqual(after - before - run - links + 3, 3 * 10)

    def test_the_run_before_stays_in_sight_until_one_ends_well(self):
        self.write("e.yaml", FILE.replace("[1, 2]", "[1, 20]"))
        self.run_experiment("e.yaml", status=1)
        first = self.run_directory("shape").name
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(os.readlink(self.run_directory("shape") / "jobs.bak"), f"../{first}/jobs")
        self.write("e.yaml", FILE)
        self.run_experiment("e.yaml")
        self.assertFalse((self.run_directory("shape") / "jobs.bak").is_symlink())

    def test_the_environment_is_not_saved(self):
        self.run_experiment("e.yaml", env={"MY_SECRET": "hunter2hunter2"})
        environment = json.loads((self.run_directory("shape") / "environment.json").read_text())
        self.assertEqual(environment["run"]["status"], "completed")
        self.assertIn("e.yaml", environment["command_line"])
        self.assertNotIn("hunter2", json.dumps(environment))

    def test_the_repository_of_the_file_is_saved(self):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a", "-C", str(self.here)]
        if subprocess.run([*git, "init", "-q"], capture_output=True).returncode != 0:
            self.skipTest("there is no git")
        subprocess.run([*git, "add", "e.yaml"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
        for text, dirty in ((FILE, False), (FILE + "# more\n", True)):
            self.write("e.yaml", text)
            self.run_experiment("e.yaml")
            found = json.loads((self.run_directory("shape") / "environment.json").read_text())["git"]
            head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
            self.assertEqual((found["commit"], found["dirty"]), (head, dirty))


class Choice(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)
        directory = self.home / ".config" / "experimaestro"
        directory.mkdir()
        (directory / "settings.yaml").write_text(
            f"workspaces:\n- {{id: first, path: {self.here}/first}}\n"
            f"- {{id: second, path: {self.here}/second, triggers: ['sh*'], env: {{A: b}}}}\n- {{id: third, path: {self.here}/third}}\n"
        )
        self.settings = directory / "settings.yaml"

    def made(self):
        return sorted(path.parent.name for path in self.here.glob("*/.__experimaestro__"))

    def test_a_workspace_is_chosen_in_order(self):
        for words, name in ((["--workdir", "given"], "given"), (["--workspace", "third"], "third"), ([], "second")):
            before = self.made()
            self.xpm("run-experiment", *words, "e.yaml")
            self.assertEqual(sorted(set(self.made()) - set(before)), [name])
        self.write("e.yaml", FILE.replace("id: shape", "id: other"))
        self.xpm("run-experiment", "e.yaml")
        self.assertIn("first", self.made())

    def test_without_settings_it_is_here_with_a_note(self):
        self.settings.unlink()
        result = self.xpm("run-experiment", "e.yaml")
        self.assertIn("experimaestro'", result.err)
        self.assertEqual(self.made(), ["experimaestro"])

    def test_an_unknown_one_gets_a_suggestion(self):
        for words in (["run-experiment", "--workspace", "thrid", "e.yaml"], ["jobs", "list", "--workspace", "thrid"]):
            self.assertIn("did you mean 'third'?", self.xpm(*words, status=2).err)
        self.assertEqual(self.made(), [])

    def test_wrong_settings_are_shown_with_their_place(self):
        self.settings.write_text("workspaces:\n- {id: a}\n")
        self.assertIn("settings.yaml:2:3: the workspace 'a' has no 'path'", self.xpm("run-experiment", "e.yaml", status=2).err)


class Folders(xpmtest.Case):
    def test_a_job_that_is_done_in_another_folder_is_not_run_again(self):
        self.write("e.yaml", FILE)
        self.xpm("run-experiment", "--workdir", "old", "e.yaml")
        directory = self.home / ".config" / "experimaestro"
        directory.mkdir()
        (directory / "settings.yaml").write_text(
            f"workspaces:\n- {{id: new, path: {self.here}/ws, folders: [{{path: {self.here}/old, mode: use}}]}}\n")
        self.write("e.yaml", FILE.replace("[1, 2]", "[1, 2, 3]"))
        before = self.snapshot(self.here / "old")
        states = [job["state"] for job in self.xpm("run-experiment", "--run-mode", "dry-run", "--json", "e.yaml").objects()]
        self.assertEqual(sorted(states), ["done", "done", "will run"])
        self.assertFalse(self.workspace.exists())
        self.assertIn("2 before", self.xpm("run-experiment", "e.yaml").out)
        self.assertEqual([job.is_symlink() for job in sorted(self.job_directories("work"), key=lambda job: not job.is_symlink())],
                         [True, True, False])
        self.xpm("run-experiment", "--rerun", "all", "e.yaml")
        self.assertEqual([job.is_symlink() for job in self.job_directories("work")], [False] * 3)
        self.assertEqual(self.snapshot(self.here / "old"), before)

    def test_a_job_that_was_cleaned_in_another_folder_is_run_again(self):
        self.write("e.yaml", FILE)
        self.xpm("run-experiment", "--workdir", "old", "e.yaml")
        directory = self.home / ".config" / "experimaestro"
        directory.mkdir()
        (directory / "settings.yaml").write_text(
            f"workspaces:\n- {{id: new, path: {self.here}/ws, folders: [{{path: {self.here}/old, mode: use}}]}}\n")
        self.assertIn("2 before", self.xpm("run-experiment", "e.yaml").out)
        # Away is not cleaned: what is done there is not run again behind its back.
        (self.here / "old").rename(self.here / "away")
        self.assertIn("leads nowhere", self.xpm("run-experiment", "e.yaml", status=3).err)
        (self.here / "away").rename(self.here / "old")
        self.xpm("jobs", "clean", "--workdir", "old", "--perform", "--all")
        self.assertIn("2 done", self.xpm("run-experiment", "e.yaml").out)
        self.assertEqual([job.is_symlink() for job in self.job_directories("work")], [False] * 2)


class Refused(xpmtest.Case):
    """Exit 3, and the file is named."""

    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)

    def test_a_file_in_the_way(self):
        self.write("ws", "")
        self.assertIn(str(self.workspace), self.run_experiment("e.yaml", status=3).err)

    def test_a_file_within_in_the_way(self):
        for name in ("experiments", "experiments/shape", ".tmp"):
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            self.assertIn(str(path), self.run_experiment("e.yaml", status=3).err)
            path.unlink()

    def mounted(self, options, prepare="true"):
        """The exit status and message of a run in a workspace with a file system of its own."""
        script = f'mount -t tmpfs -o "{options}" none "$1" || exit 99; {prepare}; exec "$2" run-experiment --workdir "$1" "$3"'
        self.workspace.mkdir(exist_ok=True)
        words = ["unshare", "-rm", "sh", "-c", script, "sh", str(self.workspace), str(xpmtest.XPM), str(self.here / "e.yaml")]
        result = self.command(*words)
        if result.status in (1, 99, 127) and "xpm:" not in result.err:
            self.skipTest("no file system can be mounted here")
        return result

    def test_a_workspace_that_is_full(self):
        for inodes in (2, 4, 6, 9):
            result = self.mounted(f"nr_inodes={inodes}")
            self.assertEqual(result.status, 3, result)
            self.expect_match("no space left on device", result.err)
            self.assertIn(str(self.workspace), result.err)

    def test_a_workspace_that_is_read_only(self):
        result = self.mounted("size=1m", 'mount -o remount,ro "$1"')
        self.assertEqual(result.status, 3, result)
        self.expect_match("read-only file system", result.err)
        self.assertIn(str(self.workspace), result.err)

    def test_looking_writes_nothing(self):
        for words in (["experiments", "list"], ["jobs", "list"], ["jobs", "log", "abc"], ["jobs", "path", "abc"]):
            self.assertIn("there is no workspace", self.xpm(*words, "--workdir", "ws", status=2).err)
        self.workspace.mkdir()
        self.assertIn("is not a workspace", self.xpm("jobs", "list", "--workdir", "ws", status=2).err)
        self.assertEqual(list(self.workspace.iterdir()), [])


class Foreign(xpmtest.Case):
    """A workspace as version 2.7 of the reference implementation leaves it."""

    JOBS = {"a" * 64: ("done", {"lr": 0.1}), "ab" + "c" * 62: ("error", {"lr": 0.2}), "d" * 64: ("running", {"lr": 0.3})}

    def setUp(self):
        super().setUp()
        run = self.workspace / "experiments" / "theirs" / "20260102_030405"
        run.mkdir(parents=True)
        (self.workspace / ".__experimaestro__").touch()
        (run.parent / "current").symlink_to(run)  # absolute, as theirs
        status = {"version": 1, "experiment_id": "theirs", "run_id": run.name, "status": "running", "hostname": "far",
                  "started_at": "2026-01-02T03:04:05.678901", "ended_at": None, "services": {}, "actions": {}, "run_tags": [],
                  "job_states": {job: state for job, (state, _) in self.JOBS.items()}}
        (run / "status.json").write_text(json.dumps(status, indent=2))
        with open(run / "jobs.jsonl", "w") as lines:
            for number, (job, (_, tags)) in enumerate(self.JOBS.items()):
                json.dump({"job_id": job, "task_id": "nn.train", "tags": tags, "timestamp": 1767322000.5 + number}, lines)
                lines.write("\n")
        for job, (state, _) in self.JOBS.items():
            directory = self.workspace / "jobs" / "nn.train" / job
            (directory / ".experimaestro").mkdir(parents=True)
            (directory / "train.py").touch()
            (directory / "train.out").write_text("out\n")
            (directory / "train.err").write_text("err\n")
            ending = {"done": ("train.done", ""), "error": ("train.failed", '{"code": 1, "reason": "failed", "failure_status": "TIMEOUT"}'),
                      "running": ("train.pid", json.dumps({"type": "local", "pid": os.getpid()}))}[state]
            (directory / ending[0]).write_text(ending[1])

    def test_it_is_listed(self):
        result = self.xpm("experiments", "list", "--workdir", "ws")
        self.expect_match(r"theirs +20260102_030405 +interrupted +1 +1 +1 +3 +2026-01-02 03:04:05 +far", result.out)
        jobs = self.xpm("jobs", "list", "--workdir", "ws", "--json").objects()
        self.assertEqual([(job["state"], job["tags"]["lr"]) for job in jobs], [("running", 0.3), ("error", 0.2), ("done", 0.1)])
        self.assertEqual(jobs[1]["failure"], "timeout")
        self.assertEqual(self.xpm("jobs", "path", "d", "--workdir", "ws").out, f"{self.workspace}/jobs/nn.train/{'d' * 64}\n")
        self.assertIn("err\n", self.xpm("jobs", "log", "ab", "--workdir", "ws").out)


if __name__ == "__main__":
    unittest.main()
