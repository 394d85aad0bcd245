"""What a job's own script asks and says: xpm progress and xpm remaining-time."""
import json
import os
import unittest

import xpmtest

FILE = """\
id: within
tasks:
  t:
    command: |
      {{experiment.dir}}/xpm progress 0.25 "first part"
      {{experiment.dir}}/xpm progress --level 1 0.5 inner
      read line < {{experiment.dir}}/go
plan: {s: {task: t}}
"""


class Within(xpmtest.Case):
    def test_the_progress_of_a_job_that_runs_is_listed(self):
        os.mkfifo(self.here / "go")
        (self.here / "xpm").symlink_to(xpmtest.XPM)
        self.write("e.yaml", FILE)
        run = self.start("run-experiment", "--workdir", self.workspace, "e.yaml")
        with open(self.here / "go", "w", encoding="utf-8") as go:  # returns once the job reads
            (job,) = self.xpm("jobs", "list", "--workdir", self.workspace, "--json").objects()
            self.assertEqual(job["progress"], [
                {"level": 0, "progress": 0.25, "desc": "first part"},
                {"level": 1, "progress": 0.5, "desc": "inner"},
            ])
            self.assertIn("running: 25% first part, 50% inner", self.xpm("jobs", "list", "--workdir", self.workspace).out)
            go.write("on\n")
        self.assertEqual(run.wait(xpmtest.PATIENCE), 0)
        (job,) = self.xpm("jobs", "list", "--workdir", self.workspace, "--json").objects()
        self.assertEqual((job["state"], job["progress"]), ("done", []))
        (directory,) = self.job_directories("t")
        lines = (directory / ".experimaestro/events/event-0.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        self.assertEqual([event["event_type"] for event in events], ["JobProgressEvent"] * 2)
        self.assertEqual(events[0]["job_id"], directory.name)
        self.assertEqual(events[0]["task_id"], "t")

    def test_progress_outside_of_a_job_and_of_no_number(self):
        self.assertIn("XPM_JOB_DIR", self.xpm("progress", "0.5", status=2).err)
        for words in (["half"], ["1.5"], ["-0.5"], ["nan"], ["--level", "x", "0.5"], ["--level", "-1", "0.5"], ["0.5", "a", "b"], []):
            result = self.xpm("progress", *words, status=2, env={"XPM_JOB_DIR": str(self.here)})
            self.assertNotEqual(result.err, "")
        self.assertFalse((self.here / ".experimaestro").exists())

    def test_remaining_time(self):
        self.assertEqual(self.xpm("remaining-time").out, "inf\n")
        self.assertEqual(self.xpm("remaining-time", env={"XPM_DEADLINE": "1000"}).out, "0\n")
        left = self.xpm("remaining-time", env={"XPM_DEADLINE": str(10**11)}).out
        self.expect_match(r"^\d{11}\n$", left)
        self.xpm("remaining-time", status=3, env={"XPM_DEADLINE": "soon"})

    def test_a_job_with_a_duration_knows_what_is_left(self):
        (self.here / "xpm").symlink_to(xpmtest.XPM)
        self.write("d.yaml", """\
id: left
tasks:
  t:
    requirements: "duration=1h"
    command: "{{experiment.dir}}/xpm remaining-time"
plan: {s: {task: t}}
""")
        self.run_experiment("d.yaml")
        (directory,) = self.job_directories("t")
        left = int((directory / "t.out").read_text())
        self.assertTrue(0 < left <= 3600, left)


if __name__ == "__main__":
    unittest.main()
