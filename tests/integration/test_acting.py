"""Commands that end and remove jobs: jobs kill, jobs clean, orphans."""
import fcntl
import json
import os
import select
import shutil
import tempfile
import threading
import time
import unittest

import xpmtest

FILE = """\
id: act
tasks:
  nn.Train:
    params: {model: str}
    command: test {{model}} != bad
plan:
  train: {task: nn.Train, sweep: {model: [a, b, bad]}}
"""


class Acting(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)

    def jobs(self, *words, status=0):
        return self.xpm("jobs", words[0], "--workdir", self.workspace, *words[1:], status=status)

    def models(self):
        return sorted(self.params(job)["model"] for job in self.job_directories("nn.train"))

    def lock(self, directory):
        """Hold the job's lock as its worker does."""
        file = open(directory / "train.lock", "w", encoding="utf-8")
        self.addCleanup(file.close)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def wait_for(self, path):
        limit = time.monotonic() + xpmtest.PATIENCE
        while not path.exists():
            self.assertLess(time.monotonic(), limit, f"there is no {path}")
            select.select([], [], [], 0.01)

    def job(self, model):
        return next(job for job in self.job_directories("nn.train") if self.params(job)["model"] == model)


class Clean(Acting):
    def setUp(self):
        super().setUp()
        self.run_experiment("e.yaml", status=1)

    def test_it_lists_and_removes_with_perform_alone(self):
        result = self.jobs("clean", "--filter", '@state = "ERROR"')
        self.expect_match(r"^remove +nn\.train/[0-9a-f]{64}  error: failed\n$", result.out)
        self.assertIn("--perform", result.err)
        self.assertEqual(self.models(), ["a", "b", "bad"])
        self.expect_match("^removed ", self.jobs("clean", "--perform", "--filter", '@state = "ERROR"').out)
        self.assertEqual(self.models(), ["a", "b"])

    def test_what_was_removed_is_listed_as_such(self):
        self.jobs("clean", "--perform", "--filter", 'model in ["a", "bad"]')
        told = {line.split()[-1]: line.split("  ")[0] for line in self.jobs("list", "--tags").lines()[1:]}
        self.assertEqual(told, {"model=a": "unscheduled: removed", "model=b": "done", "model=bad": "unscheduled: removed"})
        removed = [one["tags"]["model"] for one in self.jobs("list", "--json").objects() if one["removed"]]
        self.assertEqual(sorted(removed), ["a", "bad"])
        self.assertEqual(len(self.jobs("list", "--filter", '@state = "DONE"').lines()), 2)
        self.run_experiment("e.yaml", status=1)
        self.assertNotIn("removed", self.jobs("list").out)

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "there is no other filesystem")
    def test_jobs_may_be_on_another_filesystem(self):
        elsewhere = tempfile.mkdtemp(dir="/dev/shm")
        self.addCleanup(shutil.rmtree, elsewhere)
        shutil.copytree(self.workspace / "jobs", elsewhere, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(self.workspace / "jobs")
        (self.workspace / "jobs").symlink_to(elsewhere)
        self.assertEqual(len(self.jobs("clean", "--perform", "--all").lines()), 3)
        self.assertEqual(os.listdir(elsewhere + "/nn.train"), [])

    def test_all_must_be_said(self):
        self.assertEqual(len(self.jobs("clean").lines()), 3)
        self.assertIn("--all", self.jobs("clean", "--perform", status=2).err)
        self.jobs("clean", "--perform", "--filter", "", status=2)
        self.assertEqual(self.models(), ["a", "b", "bad"])
        self.jobs("clean", "--perform", "--all")
        self.assertEqual(self.models(), [])
        self.assertEqual(self.jobs("clean", "--perform", "--all").err, "no jobs\n")
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(self.models(), ["a", "b", "bad"])

    def test_jobs_by_name_and_by_experiment(self):
        name = self.job("a").name
        self.jobs("clean", "--perform", name, name[:20])
        self.assertEqual(self.models(), ["b", "bad"])
        self.jobs("clean", "--perform", "--experiment", "other", status=2)
        self.jobs("clean", "--all", self.job("b").name, status=2)
        self.jobs("clean", "--perform", "--experiment", "act")
        self.assertEqual(self.models(), [])

    def test_what_runs_stays(self):
        with self.lock(self.job("bad")):
            self.assertEqual(len(self.jobs("clean", "--perform", "--all").lines()), 2)
            self.assertEqual(self.models(), ["bad"])

    def test_a_link_is_removed_and_not_what_it_leads_to(self):
        job, away = self.job("a"), self.here / "away"
        shutil.move(job, away)
        job.symlink_to(away)
        self.jobs("clean", "--perform", "--filter", 'model = "a"')
        self.assertFalse(job.is_symlink())
        self.assertTrue((away / "train.done").exists())


class CleanBesideARun(Acting):
    """A run that goes on counts on what it has seen done."""

    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE.replace("[a, b, bad]", "[a, b]"))
        self.run_experiment("e.yaml")

    def hold_experiment(self, experiment):
        file = open(self.workspace / "experiments" / experiment / "lock", "a", encoding="utf-8")
        self.addCleanup(file.close)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def test_what_a_run_names_stays_until_it_ends(self):
        with self.hold_experiment("act"):
            result = self.jobs("clean", "--perform", "--all", status=1)
            self.assertEqual((result.out, result.err.count("goes on, counts on it")), ("", 2))
            self.assertEqual(self.models(), ["a", "b"])
            self.assertEqual([path.name for path in self.job("a").glob("train.failed")], [])
        self.jobs("clean", "--perform", "--all")
        self.assertEqual(self.models(), [])

    def test_what_it_does_not_name_goes(self):
        self.write("f.yaml", FILE.replace("[a, b, bad]", "[b]").replace("id: act", "id: other"))
        self.run_experiment("f.yaml")
        with self.hold_experiment("other"):
            self.jobs("clean", "--perform", "--all", status=1)
        self.assertEqual(self.models(), ["b"])

    def test_a_run_whose_engine_left_jobs_behind_goes_on_with_them(self):
        run, job = self.run_directory("act"), self.job("a") / ".experimaestro" / "status.json"
        environment, status = (json.loads((run / name).read_text()) for name in ("environment.json", "status.json"))
        environment["run"]["status"] = "detached"
        status["job_states"][self.job("a").name] = "scheduled"
        (run / "environment.json").write_text(json.dumps(environment))
        (run / "status.json").write_text(json.dumps(status))
        done = job.read_text()
        job.write_text(json.dumps({**json.loads(done), "state": "scheduled"}))
        self.jobs("clean", "--perform", "--all", status=1)
        self.assertEqual(self.models(), ["a", "b"])
        job.write_text(done)
        self.jobs("clean", "--perform", "--all")
        self.assertEqual(self.models(), [])

    def test_so_do_runs_of_workspaces_that_use_its_jobs(self):
        other = self.here / "other"
        settings = self.home / ".config/experimaestro/settings.yaml"
        settings.parent.mkdir()
        settings.write_text(f"workspaces:\n  - {{id: main, path: {self.workspace}}}\n"
                            f"  - {{id: other, path: {other}, folders: [{{path: {self.workspace}, mode: use}}]}}\n")
        self.write("f.yaml", FILE.replace("[a, b, bad]", "[a]").replace("id: act", "id: user"))
        self.assertIn("1 before", self.xpm("run-experiment", "--workspace", "other", "f.yaml").out)
        with open(other / "experiments/user/lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.jobs("clean", "--perform", "--all", status=1)
        self.assertEqual(self.models(), ["a"])
        # Its link is all that goes there, and with it no data here.
        (link,) = (other / "jobs/nn.train").iterdir()
        self.assertTrue(link.is_symlink())
        self.expect_match("^removed ", self.xpm("jobs", "clean", "--workspace", "other", "--perform", "--all").out)
        self.assertFalse(link.is_symlink())
        self.assertTrue((self.job("a") / "train.done").exists())

    def test_no_link_of_a_run_to_what_was_removed_is_left(self):
        links = self.run_directory("act") / "jobs/nn.train"
        self.assertEqual(len(list(links.iterdir())), 2)
        name = self.job("a").name
        self.jobs("clean", "--perform", name)
        self.assertEqual([link.name for link in links.iterdir()], [self.job("b").name])
        # Who it was, the run still knows.
        self.assertIn(name[:8], self.jobs("list", "--filter", 'model = "a"').out)
        self.assertIn("its directory was removed", self.xpm("explain", "--workdir", self.workspace, name).out)

    def test_a_link_of_a_run_without_a_list_says_which_job_it_was(self):
        run = self.run_directory("act")
        (run / "jobs.jsonl").unlink()
        self.jobs("clean", "--perform", self.job("a").name)
        self.assertEqual(len(list((run / "jobs/nn.train").iterdir())), 2)


class Kill(Acting):
    def setUp(self):
        super().setUp()
        self.run_experiment("--run-mode", "generate", "e.yaml")

    def test_without_perform_it_only_lists(self):
        with self.lock(self.job("a")):
            self.expect_match(r"^kill +nn\.train/[0-9a-f]{64}  running\n$", self.jobs("kill").out)
            self.assertFalse((self.job("a") / ".experimaestro/kill").exists())
        self.assertEqual(self.jobs("kill").err, "no jobs\n")

    def test_it_waits_until_the_worker_has_obeyed(self):
        job = self.job("a")
        held, request, stop = self.lock(job), job / ".experimaestro/kill", threading.Event()

        def worker():
            while not request.exists() and not stop.is_set():
                select.select([], [], [], 0.01)
            (job / "train.failed").write_text('{"code": null, "reason": "cancelled", "failure_status": "CANCELLED", "message": ""}')
            held.close()

        thread = threading.Thread(target=worker)
        thread.start()
        try:
            result = self.jobs("kill", "--perform", "--filter", 'model = "a"')
        finally:
            stop.set()
            thread.join()
        self.expect_match(r"^ended +nn\.train/[0-9a-f]{64}  error: cancelled\n$", result.out)

    def test_an_attempt_that_begins_just_then_hears_of_it_too(self):
        job = self.job("a")
        held, request = self.lock(job), job / ".experimaestro/kill"
        kill = self.start("jobs", "kill", "--workdir", self.workspace, "--perform", "--filter", 'model = "a"')
        for _ in range(2):
            self.wait_for(request)
            request.unlink()  # as an attempt does that begins
        self.wait_for(request)
        held.close()
        self.assertEqual(kill.wait(xpmtest.PATIENCE), 0)

    def test_a_job_that_an_engine_runs_ends_and_is_not_run_again(self):
        os.mkfifo(self.here / "go")
        self.write("f.yaml", "id: fifo\ntasks: {t: {command: 'exec < {{experiment.dir}}/go; read line'}}\nplan: {s: {task: t}}\n")
        run = self.start("run-experiment", "--workdir", self.workspace, "f.yaml")
        with open(self.here / "go", "w", encoding="utf-8"):  # returns once the job reads
            result = self.jobs("kill", "--perform", "--experiment", "fifo")
            self.assertEqual(run.wait(xpmtest.PATIENCE), 1)
        self.expect_match(r"^ended +t/[0-9a-f]{64}  error: cancelled\n$", result.out)
        (job,) = self.job_directories("t")
        self.assertEqual(json.loads((job / "t.failed").read_text())["reason"], "cancelled")

    def test_it_says_what_does_not_end(self):
        with self.lock(self.job("a")), self.lock(self.job("b")):
            result = self.jobs("kill", "--perform", "--all", "--timeout", "1", status=1)
            self.assertEqual([line.split()[:2] for line in result.lines()], [["goes", "on"]] * 2)
            self.assertIn("2 of the jobs did not end", result.err)

    def test_all_must_be_said(self):
        self.jobs("kill", "--perform", status=2)


class Orphans(Acting):
    def orphans(self, *words):
        return self.xpm("orphans", "--workdir", self.workspace, *words)

    def test_they_are_listed_and_removed(self):
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(self.orphans("--clean").err, "no orphans\n")
        self.write("e.yaml", FILE.replace("[a, b, bad]", "[b]"))
        shutil.rmtree(self.workspace / "experiments/act")
        self.run_experiment("e.yaml")
        self.assertEqual(len(self.orphans().lines()), 2)
        sized = self.orphans("--size").lines()
        self.expect_match(r"^ *[0-9.]+[BKM]  nn\.train/[0-9a-f]{64}  (done|error)$", sized[0])
        self.expect_match(r"^ *[0-9.]+[BKM]  in all$", sized[2])
        with self.lock(self.job("a")):
            self.assertEqual(sorted(line.split()[0] for line in self.orphans("--clean").lines()), ["kept", "removed"])
        self.assertEqual(self.models(), ["a", "b"])
        self.orphans("--clean")
        self.assertEqual(self.models(), ["b"])

    def test_what_another_workspace_uses_is_none(self):
        self.run_experiment("e.yaml", status=1)
        other, settings = self.here / "other", self.home / ".config/experimaestro/settings.yaml"
        settings.parent.mkdir()
        settings.write_text(f"workspaces:\n  - {{id: other, path: {other}, folders: [{{path: {self.workspace}, mode: use}}]}}\n")
        self.write("f.yaml", FILE.replace("[a, b, bad]", "[a]").replace("id: act", "id: user"))
        self.assertIn("1 before", self.xpm("run-experiment", "--workspace", "other", "f.yaml").out)
        shutil.rmtree(self.workspace / "experiments/act")
        self.assertEqual(len(self.orphans("--clean").lines()), 2)
        self.assertEqual(self.models(), ["a"])
        # What is not mounted may use anything.
        other.rename(self.here / "away")
        result = self.xpm("orphans", "--workdir", self.workspace, "--clean", status=2)
        self.assertIn(f"the workspace '{other}' of the settings, which uses jobs of this one, is not there", result.err)
        self.assertEqual(self.models(), ["a"])

    def test_links_that_lead_nowhere_are_said_and_hide_nothing(self):
        self.run_experiment("e.yaml", status=1)
        experiments, away = self.workspace / "experiments", self.here / "away"
        for link in (experiments / "act", self.run_directory("act")):
            link.rename(away)
            link.symlink_to(away)
            self.assertEqual(self.orphans("--clean").err, "no orphans\n")
            away.rename(self.here / "unmounted")
            result = self.xpm("orphans", "--workdir", self.workspace, "--clean", status=3)
            self.assertIn(f"'{link}' is a link to '{away}', which is not there", result.err)
            listed = self.xpm("experiments", "list", "--workdir", self.workspace, status=1)
            self.assertIn(f"'{link}' is a link to '{away}', which is not there", listed.err)
            link.unlink()
            (self.here / "unmounted").rename(link)
        self.assertEqual(self.models(), ["a", "b", "bad"])
        # A run that was removed by hand names nothing.
        shutil.rmtree(self.run_directory("act"))
        result = self.xpm("orphans", "--workdir", self.workspace, "--clean", status=1)
        self.assertIn(f"'{experiments}/act/current' is a link to", result.err)
        self.assertEqual(self.models(), [])

    def test_what_the_dead_left_half_removed_is_finished(self):
        self.run_experiment("e.yaml", status=1)
        self.job("a").rename(self.workspace / ".tmp/.removed-1")
        self.job("b").rename(self.workspace / "jobs/nn.train/.removed-2")
        with open(self.workspace / ".__experimaestro__", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # somebody removes something
            self.assertEqual(self.orphans("--clean").err, "no orphans\n")
        self.assertEqual(self.orphans("--clean").err, "xpm: finished 2 removals that had been interrupted\nno orphans\n")
        self.assertEqual(list(self.workspace.rglob(".removed-*")), [])
        self.job("bad").rename(self.workspace / ".tmp/.removed-3")
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(list(self.workspace.rglob(".removed-*")), [])

    def test_a_damaged_list_makes_no_orphans(self):
        self.run_experiment("e.yaml", status=1)
        run = self.workspace / "experiments/act/current"
        shutil.rmtree(run / "jobs")
        size = (run / "jobs.jsonl").stat().st_size
        (run / "jobs.jsonl").write_bytes(bytes(size))
        result = self.xpm("orphans", "--workdir", self.workspace, "--clean", status=3)
        self.assertIn("jobs.jsonl' is damaged", result.err)
        self.assertEqual(self.models(), ["a", "b", "bad"])


if __name__ == "__main__":
    unittest.main()
