"""What the keys of tasks and of the top level do to jobs."""
import json
import os
import re
import shutil
import unittest

import xpmtest


class Tasks(xpmtest.Case):
    def job(self, task, plan="plan: {s: {task: t}}\n", top="", status=0, words=()):
        """Run one job of a task `t` with these lines, and return its directory."""
        lines = "".join(f"    {line}\n" for line in task.strip("\n").split("\n"))
        self.write("e.yaml", f"id: k\n{top}tasks:\n  t:\n{lines}{plan}")
        self.result = self.run_experiment(*words, "e.yaml", status=status)
        (directory,) = self.job_directories("t")
        return directory

    def output(self, *arguments, **more):
        return (self.job(*arguments, **more) / "t.out").read_text()

    def test_setup_runs_before_the_command_in_the_same_shell(self):
        self.assertEqual(self.output("setup: |\n  greeting={{word}}\nparams: {word: str}\ncommand: echo $greeting", "plan: {s: {task: t, params: {word: a b}}}\n"), "a b\n")

    def test_setup_before_a_list_command(self):
        self.assertEqual(self.output("setup: export GREETING=hello\ncommand: [printenv, GREETING]"), "hello\n")

    def test_an_mpi_starter_that_is_missing(self):
        self.env["PATH"] = "/nowhere/at/all"
        for command in ("[a, b]", "a | b"):
            shutil.rmtree(self.workspace, ignore_errors=True)
            job = self.job(f"mpi: {{ranks: 2}}\ncommand: {command}", status=1)
            words = "the command 'mpirun' is missing (it is nowhere in PATH)"
            self.expect_match(re.escape(words), (job / "t.err").read_text())
            self.assertEqual(json.loads((job / "t.failed").read_text())["reason"], "launch")

    def test_a_list_command_that_is_missing_after_a_setup(self):
        job = self.job("setup: export PATH=$PATH:/opt/none\ncommand: [no-such it's, a]", status=1)
        words = "the command 'no-such it's' is missing (it is nowhere in PATH)"
        self.assertIn(words, (job / "t.err").read_text())
        self.assertIn(words, self.result.err + self.result.out)
        self.assertEqual(json.loads((job / "t.failed").read_text())["reason"], "launch")

    def test_a_failing_line_fails_the_job(self):
        job = self.job("command: |\n  false\n  echo not reached", status=1)
        self.assertEqual((job / "t.out").read_text(), "")
        self.assertEqual(json.loads((job / "t.failed").read_text())["code"], 1)

    def test_another_shell(self):
        self.assertEqual(self.output("shell: [/bin/sh]\ncommand: |\n  false\n  echo reached"), "reached\n")

    def test_modules_are_loaded_in_order(self):
        self.write("init/bash", 'module() { echo "module $*"; }\n')
        self.env["MODULESHOME"] = str(self.here)
        self.assertEqual(self.output("modules: [gcc/12, '{{m}}']\nparams: {m: {type: str, default: cuda}}\ncommand: echo done"), "module load gcc/12 cuda\ndone\n")

    def test_a_working_directory(self):
        (self.here / "place").mkdir()
        self.assertEqual(self.output('cwd: "{{experiment.dir}}/place"\ncommand: pwd'), f"{self.here}/place\n")

    def test_a_relative_command_is_allowed_with_a_working_directory(self):
        self.write("run.sh", "#!/bin/sh\necho ran\n", 0o755)
        self.assertEqual(self.output('cwd: "{{experiment.dir}}"\ncommand: ./run.sh'), "ran\n")

    def test_a_word_that_names_a_file_of_the_experiment_gets_a_warning(self):
        self.write("train.py", "")
        self.write("e.yaml", "id: k\ntasks: {t: {command: echo train.py}}\nplan: {s: {task: t}}\n")
        result = self.run_experiment("--run-mode", "dry-run", "e.yaml")
        self.expect_match(r"warning.*train\.py.*\{\{experiment\.dir\}\}/train\.py", result.err)

    def test_environments_in_order(self):
        self.env["FROM"] = "engine"
        text = self.output(
            "env: {B: task, C: task, D: 'x${FROM}'}\ncommand: echo $A $B $C $D",
            plan="plan: {s: {task: t, env: {C: step}}}\n",
            top="env: {A: top, B: top, C: top}\n",
        )
        self.assertEqual(text, "top task step xengine\n")

    def test_standard_input_is_empty(self):
        self.assertEqual(self.output("command: wc -c"), "0\n")

    def test_outputs_are_templates_and_old_ones_are_removed(self):
        task = "params: {n: int}\ncommand: test -e {{experiment.dir}}/no || echo {{n}} > out{{n}}.txt\noutputs: ['out{{n}}.txt']"
        plan = "plan: {s: {task: t, params: {n: 3}}}\n"
        job = self.job(task, plan)
        self.assertTrue((job / "out3.txt").exists())
        self.write("no", "")
        self.job(task, plan, status=1, words=("--rerun", "all"))
        self.assertFalse((job / "out3.txt").exists(), "yesterday's output was left")

    def test_partials_are_shared_by_jobs_that_differ_only_in_their_groups(self):
        self.write(
            "e.yaml",
            "id: k\ntasks:\n  t:\n    params: {lr: float, n: {type: int, groups: [iter]}, file: {generated: state.bin, partial: checkpoints}}\n"
            "    partials: {checkpoints: {exclude_groups: [iter]}}\n    command: echo {{partials.checkpoints}} {{file}}\n"
            "plan: {s: {task: t, sweep: {lr: [0.1, 0.2], n: [1, 2]}}}\n",
        )
        jobs = self.dry("e.yaml")
        names = [job["partials"]["checkpoints"] for job in jobs]
        self.assertEqual((names[0], names[2]), (names[1], names[3]))
        self.assertNotEqual(names[0], names[2])
        place = f"{self.workspace}/partials/t/checkpoints/{names[0]}"
        self.assertEqual(jobs[0]["command"], f"echo {place} {place}/state.bin")

    def test_the_list_of_jobs_is_in_the_way_of_no_file_of_the_job(self):
        plan = "  a: {params: {n: int}, command: 'true'}\nplan: {a: {task: a, params: {n: 1}}, s: {task: t, params: {runs: {all: a}}}}\n"
        job = self.job("params: {runs: 'list[a]'}\nfiles: {runs.paths: {content: mine}}\ncommand: cat runs.paths {{runs.paths_file}}", plan)
        (other,) = self.job_directories("a")
        self.assertEqual((job / "t.out").read_text(), f"mine{other}\n")

    def test_secrets_reach_jobs_and_no_file(self):
        self.env["TOKEN"] = "surely-secret"
        job = self.job("command: test ${#TOKEN} = 13", top="secrets: [TOKEN]\n")
        for path in self.workspace.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"surely-secret", path.read_bytes(), path)
        self.assertTrue((job / "t.done").exists())

    def test_values_of_the_environment_are_hidden_in_the_saved_configuration(self):
        self.env["WHO"] = "somebody-special"
        self.job("command: 'true'", top="who: ${oc.env:WHO}\n")
        saved = (self.run_directory("k") / "environment.json").read_text()
        self.assertNotIn("somebody-special", saved)
        self.assertIn("<from environment>", saved)

    def test_a_command_ended_by_a_signal(self):
        job = self.job("command: kill -SEGV $$", status=1)
        marker = json.loads((job / "t.failed").read_text())
        self.assertEqual(marker["reason"], "failed")
        self.expect_match("signal 11|SEGV", marker["message"])

    def test_status_says_what_happened(self):
        status = json.loads((self.job("command: 'true'") / ".experimaestro" / "status.json").read_text())
        self.assertEqual((status["state"], status["exit_code"], status["task_id"]), ("done", 0, "t"))
        for key in ("started_time", "ended_time", "recipe", "command", "host", "usage", "resources"):
            self.assertIn(key, status)

    def test_settings_that_are_read_and_kept(self):
        self.job(
            "tokens: {gpu: 1}\nretry: {on: [timeout, memory], times: 2, scale: {mem: 2.0}}\nmax_retries: 5\nresumable: true\ncommand: 'true'",
            top="tokens: {gpu: 2}\nservices: {}\nresults: {s: {file: m.json, values: {a: b.c}}}\n",
        )

    def test_a_time_stamp_in_the_id(self):
        self.job("command: 'true'", top="add_timestamp: true\n")
        (name,) = os.listdir(self.workspace / "experiments")
        self.expect_match(r"^k-\d{8}-\d{4}$", name)


class DirtyGit(xpmtest.Case):
    def setUp(self):
        super().setUp()
        for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
            self.env[name] = "a@b"
        if not any(os.access(os.path.join(path, "git"), os.X_OK) for path in self.env["PATH"].split(":")):
            self.skipTest("no git")
        self.workspace = self.top / "ws"
        self.write("file", "1")
        self.experiment("warn")
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
            result = self.command("git", *words)
            self.assertEqual(result.status, 0, result)

    def experiment(self, word):
        self.write("e.yaml", f"id: g\ndirty_git: {word}\ntasks: {{t: {{command: 'true'}}}}\nplan: {{s: {{task: t}}}}\n")

    def test_a_clean_repository_is_recorded(self):
        self.assertEqual(self.run_experiment("e.yaml").err, "")
        git = json.loads((self.run_directory("g") / "environment.json").read_text())["git"]
        self.assertEqual(len(git["commit"]), 40)
        self.assertFalse(git["dirty"])

    def test_changes_warn_or_are_refused_or_ignored(self):
        self.write("file", "2")
        self.expect_match("warning.*uncommitted", self.run_experiment("e.yaml").err)
        self.experiment("error")
        self.expect_match("uncommitted", self.run_experiment("e.yaml", status=2).err)
        self.experiment("ignore")
        self.assertEqual(self.run_experiment("e.yaml").err, "")


class Programs(xpmtest.Case):
    PLAN = "print('{\"plan\": {\"p\": {\"task\": \"t\", \"params\": {\"n\": 5}}}}')\n"

    def setUp(self):
        super().setUp()
        self.text = "id: c\nvalue: 3\nfile: {}\ntasks: {{t: {{params: {{n: int}}, command: echo}}}}\nplan: {{s: {{task: t, params: {{n: 1}}}}}}\n"

    def numbers(self, name, *arguments):
        self.write("e.yaml", self.text.format(name))
        return [job["params"]["n"] for job in self.dry("e.yaml", *arguments)]

    def test_a_python_file_without_the_execute_bit(self):
        self.write("plan.py", self.PLAN)
        self.assertEqual(self.numbers("plan.py"), [1, 5])

    def test_a_name_without_an_extension(self):
        self.write("plan.py", self.PLAN)
        self.assertEqual(self.numbers("plan"), [1, 5])

    def test_several_files_for_a_name_are_refused(self):
        self.write("plan.py", self.PLAN)
        self.write("plan.sh", "#!/bin/sh\n", 0o755)
        self.write("e.yaml", self.text.format("plan"))
        result = self.run_experiment("e.yaml", status=2)
        self.expect_match(r"plan\.py", result.err)
        self.expect_match(r"plan\.sh", result.err)

    def test_a_program_that_is_missing(self):
        self.write("e.yaml", self.text.format("plan"))
        self.expect_match(r"e\.yaml:3:\d+: .*plan", self.run_experiment("e.yaml", status=2).err)

    def test_it_gets_the_configuration_and_its_arguments(self):
        self.write(
            "plan.py",
            "import json, sys\nc = json.load(sys.stdin)\n"
            "print(json.dumps({'plan': {'p': {'task': 't', 'sweep': {'n': [c['value'], int(sys.argv[1])]}}}}))\n",
        )
        self.assertEqual(self.numbers("plan.py", "9"), [1, 3, 9])

    def test_what_it_prints_may_be_yaml_and_is_placed_when_wrong(self):
        self.write("plan.sh", "#!/bin/sh\ncat > /dev/null\nprintf 'plan:\\n  p: {task: t, params: {n: x}}\\n'\n", 0o755)
        self.write("e.yaml", self.text.format("plan.sh"))
        self.expect_match(r"plan\.sh.*:2:\d+: .*int", self.run_experiment("e.yaml", status=2).err)

    def test_one_that_prints_too_much(self):
        self.write("plan.py", "while True: print('#' * 100000)\n")
        self.write("e.yaml", self.text.format("plan.py"))
        error = self.run_experiment("e.yaml", status=2).err
        self.expect_match(r"e\.yaml:3:7: the plan '.*/plan\.py' prints more than 64 MiB", error)

    def test_it_is_started_once_in_the_directory_of_the_experiment(self):
        self.write("sub/plan.sh", "#!/bin/sh\ncat > /dev/null\npwd >> started\n", 0o755)
        self.write("sub/e.yaml", self.text.format("plan.sh"))
        self.dry("sub/e.yaml")
        self.assertEqual(self.read("sub/started"), f"{self.here}/sub\n")


class Environment(xpmtest.Case):
    def test_what_leaks_from_outer_jobs_is_scrubbed(self):
        for name in ("SLURM_CPU_BIND", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_STEP_ID"):
            self.env[name] = "1"
        self.write("e.yaml", "id: k\ntasks: {t: {command: env}}\nplan: {s: {task: t}}\n")
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        found = (job / "t.out").read_text()
        self.assertEqual(re.findall(r"^(?:SLURM_CPU|SLURM_STEP|OMPI_|PMI)\w*", found, re.M), [])


if __name__ == "__main__":
    unittest.main()
