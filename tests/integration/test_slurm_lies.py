"""The Slurm launcher with a Slurm whose answers are lost, come late, or are wrong: nothing runs twice, nothing is forgotten."""
import json
import pathlib
import signal
import subprocess
import time
import unittest

import xpmtest

LIAR = pathlib.Path(xpmtest.SOURCE) / "tests" / "support" / "slurmliar.py"

PLAN = """\
id: e
tasks:
  t:
    params: {{n: int}}
    command: |
      echo run{{{{n}}}} >> '{here}/diary'; {command}
plan:
  t: {{task: t, sweep: {{n: {{range: [0, {count}]}}}}}}
"""


class Lies(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.liar = self.top / "liar"
        self.liar.mkdir()
        self.env.update(XPM_SLURM_HELPER=str(LIAR), XPM_LIAR=str(self.liar))
        (self.home / ".config" / "experimaestro").mkdir()
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text("launchers:\n  slurm: {type: slurm}\n")

    def lie(self, **lies):
        (self.liar / "lies.json").write_text(json.dumps(lies))

    def asked(self):
        path = self.liar / "asked"
        return path.read_text().split() if path.exists() else []

    def begin(self, command="true", count=3):
        self.write("e.yaml", PLAN.format(here=self.here, command=command, count=count))
        engine = subprocess.Popen([str(xpmtest.XPM), "run-experiment", "--workdir", str(self.workspace), "--launcher",
                                   "slurm", "e.yaml"], cwd=self.here, env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, engine)
        return engine

    def end(self, engine):
        if not engine.stdout.closed:
            engine.kill()
            (self.liar / "release").touch()  # the helper has the pipe too
            engine.communicate()

    def diary(self):
        path = self.here / "diary"
        return sorted(path.read_text().split()) if path.exists() else []

    def wait_for(self, condition, what):
        end = time.monotonic() + xpmtest.PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, f"{what}: it does not come; {self.asked()}")
            time.sleep(0.02)

    def expect_all_once(self, engine, count=3):
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, f"{out}\n{self.asked()}")
        self.assertRegex(out, rf"{count} done( \(\d before\))?, 0 failed")
        # What runs late leaves, without having begun; this test waits for it.
        self.wait_for(lambda: not self.processes(), "the end of all")
        self.assertEqual(self.diary(), [f"run{n}" for n in range(count)])
        return out

    def test_without_a_lie(self):
        self.lie()
        self.expect_all_once(self.begin())
        self.assertEqual(self.asked().count("submit"), 1)

    def test_an_ambiguous_answer_and_the_job_is_there(self):
        for count in (1, 3):
            with self.subTest(count):
                self.lie(submit=["there"])
                self.workspace = self.here / f"ws{count}"
                (self.here / "diary").unlink(missing_ok=True)
                (self.liar / "asked").unlink(missing_ok=True)
                self.expect_all_once(self.begin(count=count), count)
                self.assertEqual(self.asked().count("submit"), 1)

    def test_an_ambiguous_answer_and_the_job_is_not_there(self):
        self.lie(submit=["absent"])
        self.expect_all_once(self.begin())
        self.assertEqual(self.asked().count("submit"), 2)

    def test_a_ghost_that_appears_when_it_is_submitted_again(self):
        self.lie(submit=["ghost"])
        self.expect_all_once(self.begin("sleep 0.5"))
        self.assertEqual(len(list((self.liar / "jobs").iterdir())), 2)

    def test_a_controller_that_is_away_for_a_while(self):
        self.lie(submit=["fail"], list=["fail", "fail"])
        out = self.expect_all_once(self.begin())
        self.assertEqual(out.count("Slurm takes no jobs now"), 1)

    def test_an_answer_that_comes_after_the_jobs_have_ended(self):
        self.lie(submit=["late"])
        engine = self.begin()
        self.wait_for(lambda: len(list(self.workspace.glob("jobs/t/*/t.done"))) == 3, "the jobs")
        (self.liar / "release").touch()
        self.expect_all_once(engine)
        self.assertEqual(self.asked().count("submit"), 1)

    def test_a_listing_without_jobs_that_run_is_no_end_of_theirs(self):
        self.lie(list=["late-empty"])
        engine = self.begin("until [ -e '%s/go' ]; do sleep 0.05; done" % self.here)
        self.wait_for(lambda: len(self.diary()) == 3 and "list" in self.asked(), "the listing")
        (self.liar / "release").touch()
        self.wait_for((self.liar / "answered").exists, "the answer")
        (self.here / "go").touch()
        self.expect_all_once(engine)
        self.assertEqual(self.asked().count("submit"), 1)

    def test_jobs_that_slurm_has_forgotten_are_decided_by_their_markers(self):
        self.lie(list=["empty"] * 50)
        self.write("e.yaml", "")
        engine = self.begin("[ {{n}} != 1 ]")
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 1, out)
        self.assertIn("2 done, 1 failed", out)
        self.assertEqual(self.diary(), ["run0", "run1", "run2"])

    def test_answers_that_make_no_sense(self):
        self.lie(partitions=["garbage"], submit=["nonsense", "garbage"], list=["nonsense", "garbage", "unchanged"])
        self.expect_all_once(self.begin("sleep 2"))
        # What had no number was found by its comment.
        self.assertEqual(self.asked().count("submit"), 2)

    def test_a_helper_that_dies_at_each_request_in_turn(self):
        for lies in ({"partitions": ["die"]}, {"partitions": ["die"] * 5}, {"submit": ["die"]}, {"submit": ["die-there"]},
                     {"submit": ["die", "die-there"]}, {"list": ["die"]}, {"list": ["die", "garbage", "die"]},
                     {"partitions": ["die"], "submit": ["die-there"], "list": ["die", "die"]}):
            with self.subTest(**lies):
                self.lie(**lies)
                self.workspace = self.here / f"ws{len(list(self.here.iterdir()))}"
                (self.here / "diary").unlink(missing_ok=True)
                (self.liar / "asked").unlink(missing_ok=True)
                self.expect_all_once(self.begin())

    def test_what_is_cancelled_ends_though_the_request_is_lost(self):
        for lie in ("die", "fail"):
            with self.subTest(lie):
                self.lie(cancel=[lie, lie])
                self.workspace = self.here / f"ws-{lie}"
                for path in (self.here / "diary", self.liar / "asked"):
                    path.unlink(missing_ok=True)
                engine = self.begin("exec sleep 1000")
                self.wait_for(lambda: len(self.diary()) == 3 and "list" in self.asked(), "the jobs")
                self.interrupt_twice(engine)
                self.wait_for(lambda: not self.processes(), "the end of all")
                self.assertEqual(self.asked().count("cancel"), 3)

    def interrupt_twice(self, engine, then=lambda: None):
        """The second time when the first was heard: two signals at once are taken for one."""
        engine.send_signal(signal.SIGINT)
        said = ""
        while " with Slurm, " not in said:
            line = engine.stdout.readline()
            self.assertTrue(line, said)
            said += line
        engine.send_signal(signal.SIGINT)
        then()
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, said + out)

    def listings(self, count):
        self.wait_for(lambda: self.asked().count("list") >= count, "a listing")

    def test_a_ghost_that_appears_after_it_was_submitted_again_is_cancelled_too(self):
        self.lie(submit=["ghost"])
        engine = self.begin("exec sleep 1000")
        self.wait_for(lambda: len(self.diary()) == 3, "the jobs")
        self.listings(self.asked().count("list") + 2)
        self.interrupt_twice(engine)
        self.wait_for(lambda: not self.processes(), "the end of all")
        self.assertEqual(len(list((self.liar / "jobs").iterdir())), 2)
        self.assertEqual(self.diary(), ["run0", "run1", "run2"])

    def test_a_ghost_that_appears_after_all_was_cancelled_begins_nothing(self):
        self.lie(submit=["ghost"], list=["late"])
        engine = self.begin()
        self.listings(1)
        self.interrupt_twice(engine, (self.liar / "release").touch)
        ghost = json.loads((self.liar / "ghost").read_text())
        for element in range(3):
            self.command("/bin/sh", "-c", ghost["script"], env={"SLURM_ARRAY_TASK_ID": str(element)})
        self.assertEqual(self.diary(), [])
        (self.liar / "ghost").unlink()
        self.lie()
        self.expect_all_once(self.begin())

    def test_what_one_listing_omits_is_cancelled_all_the_same(self):
        for lie in ("omit", "twice"):
            with self.subTest(lie):
                self.lie(list=["", lie])
                self.workspace = self.here / f"ws-{lie}"
                for path in (self.here / "diary", self.liar / "asked"):
                    path.unlink(missing_ok=True)
                engine = self.begin("exec sleep 1000")
                self.wait_for(lambda: len(self.diary()) == 3, "the jobs")
                self.listings(3)
                self.interrupt_twice(engine)
                self.wait_for(lambda: not self.processes(), "the end of all")
                self.assertEqual(self.asked().count("submit"), 1)

    def test_a_limit_of_the_user_is_waited_for(self):
        self.lie(submit=["limit", "limit"])
        out = self.expect_all_once(self.begin())
        self.assertEqual(out.count("Slurm takes no jobs now"), 1)
        self.assertEqual(self.asked().count("submit"), 3)

    def test_an_engine_that_was_killed_finds_what_it_does_not_know_to_be_there(self):
        for lie in ("late", "die"):
            with self.subTest(lie):
                self.lie(submit=[lie])
                self.workspace = self.here / f"ws-{lie}"
                (self.here / "diary").unlink(missing_ok=True)
                (self.liar / "asked").unlink(missing_ok=True)
                engine = self.begin("sleep 0.5")
                self.wait_for(lambda: "submit" in self.asked() and (lie == "die" or len(self.diary()) == 3), "the submission")
                engine.kill()
                (self.liar / "release").touch()  # the helper leaves when it has answered
                self.end(engine)
                self.expect_all_once(self.begin("sleep 0.5"))
                if lie == "late":
                    self.assertEqual(self.asked().count("submit"), 1)
                (self.liar / "release").unlink()


if __name__ == "__main__":
    unittest.main()
