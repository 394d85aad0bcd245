"""xpm explain: why a job will run or not, what its identifier is made from, and what comes nearest to it."""
import hashlib
import json
import os
import unittest

import xpmtest

FILE = """\
id: ex
tasks:
  prep: {params: {n: int}, command: "test {{n}} != 2"}
  nn.Train:
    params:
      of: prep
      lr: float
      words: {type: "list[str]", default: [a, b]}
      seed: {type: int, default: 0, ignore_default: true}
      threads: {type: int, default: 1, meta: true}
      out: {type: path, generated: out.txt}
    command: echo {{lr}} > {{out}}
plan:
  prep: {task: prep, sweep: {n: [1, 2]}}
  train: {task: nn.Train, params: {of: {each: prep}}, sweep: {lr: [0.1, 0.2], seed: [0, 1]}}
"""


class Explain(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)

    def explain(self, *words, status=0, word="explain"):
        return self.xpm(word, "--workdir", self.workspace, *words, status=status)

    def object(self, *words):
        (found,) = self.explain("--json", *words).objects()
        return found

    def test_the_bytes_that_are_shown_hash_to_the_identifier(self):
        jobs = self.dry("e.yaml")
        self.assertEqual(len(jobs), 10)
        for job in jobs:
            found = self.object(job["job_id"], "e.yaml")
            hashed = hashlib.sha256(b"".join(bytes.fromhex(field["bytes"]) for field in found["identity"])).hexdigest()
            self.assertEqual(hashed, job["job_id"])
            self.assertEqual({field["name"] for field in found["identity"] if field["name"]}, set(job["params"]))
        train = self.object(next(job["job_id"] for job in jobs if job["params"].get("seed") == 0), "e.yaml")
        skipped = {field["name"]: field["skipped"] for field in train["identity"] if field["skipped"]}
        self.assertEqual(skipped, {"seed": "its default, with ignore_default", "threads": "meta", "out": "generated"})
        self.assertFalse(self.workspace.exists())

    def test_why_a_job_runs_or_not(self):
        job = next(job for job in self.dry("e.yaml") if job["task_id"] == "nn.train")
        self.assertIn("it has not run yet", self.object(job["job_id"], "e.yaml")["verdict"])
        self.run_experiment("e.yaml", status=1)
        jobs = {(job["task_id"], job["params"]["n"] if "n" in job["params"] else job["params"]["of"]["n"]): job["job_id"] for job in self.dry("e.yaml")}
        done = self.object(jobs["nn.train", 1])
        self.assertEqual((done["verdict"], done["marker"], done["attempts"]), ("it will not run again: it is done", "Train.done".lower(), 1))
        self.assertIsNone(done["identity"])
        self.assertEqual(done["params"]["of"]["n"], 1)
        failed = self.object(jobs["prep", 2])
        self.assertIn("it has failed", failed["verdict"])
        blocked = self.object(jobs["nn.train", 2], "e.yaml")
        self.assertIn("has failed", blocked["verdict"])
        self.assertEqual([(need["job_id"], need["failure"]) for need in blocked["needs"]], [(jobs["prep", 2], "failed")])
        self.assertEqual(set(blocked["nearest"]["differences"]), {"of.n"})

    def test_a_job_that_waits_for_its_turn_says_so_and_who_holds_its_token(self):
        self.write("w.yaml", """\
id: w
tokens: {seat: 1}
tasks: {t: {params: {n: int}, cwd: "{{experiment.dir}}", command: "echo {{job.id}} > begun; read line < go", tokens: {seat: 1}}}
plan: {s: {task: t, sweep: {n: [1, 2]}}}
""")
        for name in ("begun", "go"):
            os.mkfifo(self.here / name)
        engine = self.start("run-experiment", "--workdir", self.workspace, "w.yaml")
        first = self.read("begun").strip()
        (other,) = [job["job_id"] for job in self.dry("w.yaml") if job["job_id"] != first]
        waiting = self.explain(other)
        (self.here / "go").write_text("go\n")
        self.read("begun")
        (self.here / "go").write_text("go\n")
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        self.assertIn("it will run when its turn comes: it waits in a run of 'w', which goes on", waiting.out)
        self.assertIn(f"it needs more of the token 'seat' than are free: held by t/{first[:12]}", waiting.out)

    def test_a_command_that_has_changed(self):
        self.run_experiment("e.yaml", status=1)
        self.write("e.yaml", FILE.replace("echo {{lr}}", "echo learning rate {{lr}}"))
        job = next(job for job in self.dry("e.yaml") if job["state"] == "done, command changed")
        self.assertIn("--rerun changed", self.object(job["job_id"], "e.yaml")["verdict"])

    def test_a_transient_job_runs_for_others_alone(self):
        file = """\
id: e
tasks:
  make: {command: "echo > data", outputs: [data], transient: remove}
  use: {params: {m: make}, command: "test -e {{m.job.path}}/data"}
plan:
  make: {task: make}
  use: {task: use, params: {m: {each: make}}}
"""
        self.write("t.yaml", file)
        make, use = ([job["job_id"] for job in self.dry("t.yaml") if job["task_id"] == task][0] for task in ("make", "use"))

        def verdict(*words):
            return self.object(make, *words)["verdict"]

        self.assertIn(f"it is transient, and use/{use[:12]}, which is to run, needs it", verdict("t.yaml"))
        self.run_experiment("t.yaml")
        self.assertEqual(verdict("t.yaml"), "it will not run: it is transient, and no job that needs it is to run")
        self.assertIn("its directory was removed", verdict())
        self.run_experiment("t.yaml")
        self.assertIn("it will run only if a job that needs it does: it is transient", verdict())
        self.assertEqual(self.object(make)["state"], "transient")
        self.assertIn("transient", self.xpm("jobs", "list", "--workdir", self.workspace).out)
        run = self.run_directory("e")
        self.assertEqual([link.name for link in (run / "jobs").glob("*/*")], [use])

    def test_the_text(self):
        self.run_experiment("e.yaml", status=1)
        job = next(job for job in self.dry("e.yaml") if job["task_id"] == "nn.train")
        text = self.explain(job["job_id"][:12], "e.yaml", word="why").out
        self.expect_match(r"^nn\.train/[0-9a-f]{64}\ndone \(train\.done\)\nit will not run again: it is done\nattempt 1 ", text)
        self.assertIn("\n  lr = 0.1  036c7205023fb999999999999a\n", text)
        self.assertIn("\n  threads = 1  (no part of it: meta)\n", text)
        self.expect_match(r"the nearest job of its task is nn\.train/[0-9a-f]{12}, which differs in\n  \w+[^\n]* here, [^\n]* there\n$", text)
        self.assertIn("give it, too", self.explain(job["job_id"]).out)

    def test_a_job_that_is_not_there(self):
        self.explain("zz", status=2)
        self.explain("zz", "e.yaml", status=2)
        self.explain("", "e.yaml", status=2)
        self.run_experiment("--run-mode", "generate", "e.yaml")
        self.explain("nn.train/", "e.yaml", status=2)
        job = next(job for job in self.dry("e.yaml") if job["task_id"] == "nn.train")
        self.assertIn("it is no job of 'e.yaml'", self.explain("-c", "plan.train.sweep.lr=[9]", job["job_id"], "e.yaml").out)


if __name__ == "__main__":
    unittest.main()
