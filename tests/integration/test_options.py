"""Every option of run-experiment does what its help says."""
import json
import os
import unittest

import xpmtest

FILE = """\
id: o
tasks:
  t:
    params: {n: int, mode: {type: str, default: plain}}
    command: |
      echo {{n}} {{mode}} ${EXTRA-}
      test {{n}} -ge 0
  u:
    params: {of: t}
    command: cat {{of.job.stdout}}
plan:
  first: {task: t, sweep: {n: [1, 2, 3]}}
  second: {task: u, params: {of: {each: first}}}
"""


class Options(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)

    def numbers(self, *words):
        return [job["params"]["n"] for job in self.dry(*words, "e.yaml") if job["step"] == "first"]

    def test_conf_sets_values_and_may_be_repeated(self):
        jobs = self.dry("-c", "plan.first.sweep.n=[7, 8]", "--conf", "plan.first.params.mode=fast", "e.yaml")
        self.assertEqual([(job["params"]["n"], job["params"]["mode"]) for job in jobs[:2]], [(7, "fast"), (8, "fast")])
        self.assertEqual(len(jobs), 4)

    def test_conf_reaches_items_of_lists_and_dotted_types(self):
        self.write("e.yaml", FILE.replace("  t:\n", "  a.t:\n").replace("of: t}", "of: a.t}").replace("task: t,", "task: a.t,"))
        self.assertEqual(self.numbers("-c", "plan.first.sweep.n.1=9", "-c", "tasks.a.t.command=true"), [1, 9, 3])

    def test_pre_yaml_loses_and_post_yaml_wins(self):
        self.write("pre.yaml", "title: pre\nsubtitle: pre\n")
        self.write("post.yaml", "description: post\ntitle: post\n")
        self.write("e.yaml", FILE + "subtitle: file\ndescription: file\n")
        shown = json.loads(self.run_experiment("--pre-yaml", "pre.yaml", "--post-yaml", "post.yaml", "--show", "e.yaml").out)
        self.assertEqual((shown["title"], shown["subtitle"], shown["description"]), ("post", "file", "post"))

    def test_show_prints_the_merged_interpolated_mapping(self):
        self.write("e.yaml", FILE + "a: {b: 3}\nc: ${a.b}\nd: x${a.b}\n")
        shown = json.loads(self.run_experiment("--show", "e.yaml").out)
        self.assertEqual((shown["c"], shown["d"]), (3, "x3"))
        self.assertFalse(self.workspace.exists())

    def test_only_takes_steps_and_what_they_need(self):
        self.assertEqual({job["step"] for job in self.dry("--only", "first", "e.yaml")}, {"first"})
        self.assertEqual({job["step"] for job in self.dry("--only", "second", "e.yaml")}, {"first", "second"})
        result = self.run_experiment("--only", "frist", "e.yaml", status=2)
        self.assertIn("did you mean 'first'", result.err)

    def test_where_filters_by_tags(self):
        self.assertEqual(self.numbers("--where", "n = 2"), [2])
        self.assertEqual(self.numbers("--where", "n in [1, 3]"), [1, 3])
        self.assertEqual(self.numbers("--where", "n not in [1, 3]"), [2])
        self.assertEqual(self.numbers("--where", "n = 1 or n = 2"), [1, 2])
        self.run_experiment("--where", "n = = 1", "e.yaml", status=2)

    def test_limit_bounds_each_step(self):
        self.assertEqual(self.numbers("--limit", "2"), [1, 2])
        self.run_experiment("--limit", "0", "e.yaml", status=2)

    def test_env_reaches_jobs_and_is_not_written(self):
        self.run_experiment("--env", "EXTRA", "surely secret", "--limit", "1", "e.yaml")
        (job,) = self.job_directories("t")
        self.assertEqual((job / "t.out").read_text(), "1 plain surely secret\n")
        for name, (kind, content) in self.snapshot(self.workspace).items():
            if kind == "file" and not name.endswith(".out"):
                self.assertNotIn(b"surely secret", content, name)
        self.run_experiment("--env", "1X", "v", "e.yaml", status=2)

    def test_fail_fast_and_max_fails_stop_early(self):
        text = FILE.replace("[1, 2, 3]", "[-1, -2, -3, -4, -5, -6]")
        self.write("e.yaml", text)

        def failed():
            return sum(path.name == "t.failed" for path in self.workspace.rglob("t.failed"))

        self.run_experiment("--fail-fast", "-j", "1", "e.yaml", status=1)
        self.assertEqual(failed(), 1)
        self.command("rm", "-rf", self.workspace)
        self.run_experiment("--max-fails", "2", "-j", "1", "e.yaml", status=1)
        self.assertEqual(failed(), 2)
        self.command("rm", "-rf", self.workspace)
        self.run_experiment("-j", "1", "e.yaml", status=1)
        self.assertEqual(failed(), 6)

    def test_keep_failed_leaves_failures_alone(self):
        self.write("count.sh", "echo x >> \"$1\"; exit 1\n")
        self.write("e.yaml", 'id: o\ntasks: {t: {command: ["sh", "{{experiment.dir}}/count.sh", "{{experiment.dir}}/count"]}}\nplan: {s: {task: t}}\n')
        self.run_experiment("e.yaml", status=1)
        self.run_experiment("--keep-failed", "e.yaml", status=1)
        self.assertEqual(self.read("count"), "x\n")
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(self.read("count"), "x\nx\n")

    def test_rerun_changed_runs_what_has_another_command(self):
        self.run_experiment("--only", "first", "e.yaml")
        self.write("e.yaml", FILE.replace("echo {{n}}", "echo new {{n}}"))
        self.run_experiment("--only", "first", "e.yaml")
        self.assertNotIn("new", (self.job_directories("t")[0] / "t.out").read_text())
        self.run_experiment("--only", "first", "--rerun", "changed", "e.yaml")
        for job in self.job_directories("t"):
            self.expect_match("^new", (job / "t.out").read_text())

    def test_rerun_all_runs_everything_again(self):
        self.write("e.yaml", "id: o\ntasks:\n  t:\n    command: echo x >> {{experiment.dir}}/count\nplan: {s: {task: t}}\n")
        self.run_experiment("e.yaml")
        self.run_experiment("e.yaml")
        self.assertEqual(self.read("count"), "x\n")
        self.run_experiment("--rerun", "all", "e.yaml")
        self.assertEqual(self.read("count"), "x\nx\n")
        self.assertIn("did you mean", self.run_experiment("--rerun", "chnged", "e.yaml", status=2).err)

    def test_file_replaces_the_plan_in_code_and_args_reach_it(self):
        self.write("other.sh", "#!/bin/sh\ncat > /dev/null\necho \"plan: {more: {task: t, params: {n: $1}}}\"\n", 0o755)
        jobs = self.dry("--file", "other.sh", "e.yaml", "42", "--strange")
        self.assertEqual([job["params"]["n"] for job in jobs if job["step"] == "more"], [42])

    def test_a_plan_that_fails_shows_its_errors(self):
        self.write("bad.sh", "#!/bin/sh\necho oh no >&2\nexit 3\n", 0o755)
        result = self.run_experiment("--file", "bad.sh", "e.yaml", status=2)
        self.assertIn("oh no", result.err)
        self.assertIn("3", result.err)

    def test_launcher_that_does_not_exist(self):
        result = self.command(
            xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "nowhere", "e.yaml"
        )
        self.assertIn(result.status, (2, 3))
        self.assertIn("'nowhere'", result.err)

    def test_jobs_at_once(self):
        # Each job waits to see the other one: with -j 2 they meet.
        self.write(
            "e.yaml",
            "id: o\ntasks:\n  t:\n    params: {n: int, m: int}\n    cwd: '{{experiment.dir}}'\n"
            "    command: |\n      echo > fifo{{n}} & read line < fifo{{m}}; wait\n"
            "plan: {s: {task: t, sweep: {n: [1, 2], m: [2, 1]}, zip: [[n, m]]}}\n",
        )
        for name in ("fifo1", "fifo2"):
            os.mkfifo(self.here / name)
        self.run_experiment("-j", "2", "e.yaml")

    def test_workspace_by_name_by_trigger_and_by_default(self):
        self.write(
            "conf/settings.yaml",
            f"workspaces:\n  - {{id: one, path: {self.here}/one}}\n  - {{id: two, path: {self.here}/two, triggers: ['o*']}}\n",
        )

        def place(*words):
            (job, *_) = self.xpm("run-experiment", "--run-mode", "dry-run", "--json", *words, "e.yaml").objects()
            return job["path"][len(str(self.here)) + 1 :].split("/")[0]

        self.assertEqual(place(), "experimaestro")
        conf = ("--xpm-config-dir", self.here / "conf")
        self.assertEqual(place(*conf), "two")
        self.assertEqual(place(*conf, "--workspace", "one"), "one")
        self.assertEqual(place(*conf, "--workdir", "three"), "three")
        result = self.xpm("run-experiment", *conf, "--workspace", "onne", "e.yaml", status=2)
        self.assertIn("did you mean 'one'", result.err)
        result = self.xpm("run-experiment", "e.yaml")
        self.assertIn(f"'{self.here}/experimaestro'", result.err)

    def test_host_and_port_are_accepted(self):
        result = self.run_experiment("--host", "localhost", "--port", "0", "--run-mode", "dry-run", "e.yaml")
        self.assertIn("--host", result.err)

    def test_an_empty_workdir_and_a_count_out_of_range_are_refused(self):
        self.assertIn("is the variable set", self.xpm("run-experiment", "--workdir", "", "e.yaml", status=2).err)
        self.assertIn("2147483647", self.run_experiment("-j", "3000000000", "e.yaml", status=2).err)
        self.assertEqual(os.listdir(self.here), ["e.yaml"])

    def test_json_belongs_to_the_dry_run(self):
        self.assertIn("--run-mode dry-run", self.run_experiment("--json", "--run-mode", "generate", "e.yaml").err)

    def test_debug_says_more(self):
        quiet = self.run_experiment("--run-mode", "dry-run", "e.yaml").err
        self.assertEqual(quiet, "")


if __name__ == "__main__":
    unittest.main()
