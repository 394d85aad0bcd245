"""The three run modes: dry-run shows, generate writes run files that do what the engine would have done, normal runs."""
import json
import os
import select
import signal
import subprocess
import unittest

import xpmtest

CHAIN = """\
id: chain
title: Two steps
tasks:
  Make:
    params:
      n: int
      out: {generated: out.txt}
    command: echo {{n}} > {{out}}
    outputs: [out.txt]
  Sum:
    params:
      parts: "list[Make]"
      total: {generated: total.txt}
    command: |
      cat {{#parts}}{{out}} {{/parts}} | awk '{ s += $1 } END { print s }' > {{total}}
    outputs: [total.txt]
plan:
  make: {task: Make, sweep: {n: [1, 2, 3]}}
  sum: {task: Sum, params: {parts: {all: make}}}
"""


class DryRun(xpmtest.Case):
    def test_nothing_is_written_and_every_job_is_shown(self):
        self.write("e.yaml", CHAIN)
        before = self.snapshot()
        result = self.run_experiment("--run-mode", "dry-run", "e.yaml")
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(len([line for line in result.lines() if line.startswith("will run")]), 4, result)
        self.expect_match(r"4 jobs.*4 will run", result.out)
        for word in ("make", "sum", "n=1", "n=2", "n=3", "local"):
            self.assertIn(word, result.out)

    def test_json_has_one_object_per_job(self):
        self.write("e.yaml", CHAIN)
        jobs = self.dry("e.yaml")
        self.assertEqual([job["task_id"] for job in jobs], ["make", "make", "make", "sum"])
        self.assertEqual([job["step"] for job in jobs], ["make", "make", "make", "sum"])
        self.assertEqual([job["tags"] for job in jobs[:3]], [{"n": 1}, {"n": 2}, {"n": 3}])
        for job in jobs:
            self.assertEqual(
                set(job),
                {"task_id", "job_id", "step", "state", "launcher", "why_not", "params", "partials", "tags", "dependencies",
                 "command", "path"},
            )
            self.assertEqual((job["launcher"], job["why_not"]), ("local", None))
            self.expect_match(r"^[0-9a-f]{64}$", job["job_id"])
            self.assertEqual(job["state"], "will run")
            self.assertEqual(job["path"], f"{self.workspace}/jobs/{job['task_id']}/{job['job_id']}")
        self.assertEqual(jobs[3]["dependencies"], [f"make/{job['job_id']}" for job in jobs[:3]])
        self.assertEqual(jobs[0]["params"]["n"], 1)
        self.assertEqual(jobs[0]["command"], f"echo 1 > {jobs[0]['path']}/out.txt")

    def test_names_of_modes_in_any_case_and_their_aliases(self):
        self.write("e.yaml", CHAIN)
        for mode in ("dry-run", "DRY-RUN", "dry_run", "Dry_Run"):
            self.assertIn("4 jobs", self.run_experiment("--run-mode", mode, "e.yaml").out)
        self.assertFalse(self.workspace.exists())
        result = self.run_experiment("--run-mode", "dryrun", "e.yaml", status=2)
        self.assertIn("did you mean 'dry-run'", result.err)

    def test_a_tag_does_not_break_its_line(self):
        self.write(
            "e.yaml", 'id: raw\ntasks: {t: {params: {s: str}, command: "false"}}\nplan: {s: {task: t, sweep: {s: ["x\\ny", "\\e[2J"]}}}\n'
        )
        lines = self.run_experiment("--run-mode", "dry-run", "e.yaml").lines()
        self.assertEqual([line.split("local")[1].strip() for line in lines[1:3]], ["s=x?y", "s=?[2J"])
        self.assertNotIn("\x1b", self.run_experiment("e.yaml", status=1).err)

    def states(self, *words):
        return [job["state"] for job in self.dry(*words, "e.yaml")]

    def test_states_follow_what_happened(self):
        text = CHAIN.replace("echo {{n}} >", "test {{n}} != 2 && echo {{n}} >")
        self.write("e.yaml", text)
        self.assertEqual(self.states(), ["will run"] * 4)
        self.run_experiment("e.yaml", status=1)
        self.assertEqual(self.states("--keep-failed"), ["done", "failed before", "done", "blocked"])
        totals = self.run_experiment("--run-mode", "dry-run", "e.yaml").lines()[-1]
        self.assertTrue(totals.startswith("chain: 4 jobs: 2 done, 1 failed before, 1 blocked; workspace "), totals)
        self.write("e.yaml", CHAIN)
        states = self.states()
        self.assertEqual((states[0], states[2]), ("done, command changed",) * 2)
        self.run_experiment("e.yaml")
        self.assertEqual(self.states(), ["done, command changed", "done", "done, command changed", "done"])

    def test_a_job_that_somebody_runs_is_running(self):
        self.write("e.yaml", "id: r\ntasks: {t: {command: [cat, fifo], cwd: '{{experiment.dir}}'}}\nplan: {s: {task: t}}\n")
        os.mkfifo(self.here / "fifo")
        engine = self.start("run-experiment", "--workdir", self.workspace, "e.yaml")
        with open(self.here / "fifo", "w"):  # opens when the job has opened its end
            self.assertEqual(self.states(), ["running"])
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)


class Generate(xpmtest.Case):
    def generate(self, mode="generate"):
        self.write("e.yaml", CHAIN)
        return self.run_experiment("--run-mode", mode, "e.yaml")

    def test_run_files_are_written_and_nothing_runs(self):
        for mode in ("generate", "generate-only", "GENERATE_ONLY"):
            self.assertIn("4 run files", self.generate(mode).out)
        for job in self.job_directories("make"):
            self.assertTrue((job / "make.sh").exists())
            self.assertIn(self.params(job)["n"], (1, 2, 3))
            self.assertFalse((job / "out.txt").exists())
            self.assertFalse((job / "make.done").exists())
        status = json.loads((self.run_directory("chain") / "status.json").read_text())
        self.assertEqual(status["status"], "done")

    def test_a_run_file_runs_by_hand_from_anywhere(self):
        self.generate()
        for job in self.job_directories("make"):
            result = self.command("sh", job / "make.sh", cwd="/")
            self.assertEqual(result.status, 0, result)
            self.assertTrue((job / "make.done").exists())
            self.assertEqual((job / "out.txt").read_text().strip(), str(self.params(job)["n"]))
        (total,) = self.job_directories("sum")
        self.assertEqual(self.command("sh", "sum.sh", cwd=total).status, 0)
        self.assertEqual((total / "total.txt").read_text(), "6\n")
        self.assertEqual({job["state"] for job in self.dry("e.yaml")}, {"done"})

    def test_a_run_file_runs_whatever_its_parameters_hold(self):
        task = {"params": {"s": "str", "d": "dict[str, str]"}, "command": ["true"]}
        step = {"task": "t", "params": {"d": {"k\0": "v"}}, "sweep": {"s": ["a\0b"]}}
        self.write("e.yaml", json.dumps({"id": "n", "tasks": {"t": task}, "plan": {"s": step}}))
        self.run_experiment("--run-mode", "generate", "e.yaml")
        (job,) = self.job_directories("t")
        result = self.command("sh", job / "t.sh")
        self.assertEqual(result.status, 0, result)
        self.assertTrue((job / "t.done").exists())
        (found,) = self.xpm("jobs", "list", "--json", "--workdir", self.workspace).objects()
        self.assertEqual(found["job_id"], job.name)
        self.assertIn("k\ufffd", self.xpm("explain", "--workdir", self.workspace, job.name).out)

    def test_a_run_file_refuses_when_dependencies_are_not_done_and_names_them(self):
        self.generate()
        (total,) = self.job_directories("sum")
        result = self.command("sh", total / "sum.sh")
        self.assertNotEqual(result.status, 0)
        for job in self.job_directories("make"):
            self.assertIn(job.name[:8], result.out + result.err)
        self.assertFalse((total / "sum.done").exists())

    def test_a_run_file_leaves_what_the_engine_leaves(self):
        self.generate()
        for job in self.job_directories("make"):
            self.command("sh", job / "make.sh")
        by_hand = self.files("make")
        hand_status = self.status("make")
        self.command("rm", "-rf", self.workspace)
        self.run_experiment("e.yaml")
        self.assertEqual(by_hand, self.files("make"))
        self.assertEqual(hand_status.keys(), self.status("make").keys())
        for key in ("job_id", "task_id", "path", "state", "exit_code", "recipe", "command"):
            self.assertEqual(hand_status[key], self.status("make")[key], key)

    def files(self, task):
        return [sorted(str(path.relative_to(job)) for path in job.rglob("*")) for job in self.job_directories(task)]

    def status(self, task):
        return json.loads((self.job_directories(task)[0] / ".experimaestro" / "status.json").read_text())


class Normal(xpmtest.Case):
    def test_everything_runs_once_dependencies_first(self):
        self.write("e.yaml", CHAIN)
        result = self.run_experiment("e.yaml")
        (total,) = self.job_directories("sum")
        self.assertEqual((total / "total.txt").read_text(), "6\n")
        self.assertIn("4", result.out + result.err)
        before = self.snapshot(self.workspace / "jobs")
        self.run_experiment("e.yaml")
        self.assertEqual(self.snapshot(self.workspace / "jobs"), before, "a finished job was touched")

    def test_one_more_value_runs_one_more_job(self):
        self.write("e.yaml", CHAIN.replace("sum: {task", "# sum: {task"))
        self.run_experiment("e.yaml")
        before = self.snapshot(self.workspace / "jobs")
        self.run_experiment("-c", "plan.make.sweep.n=[1, 2, 3, 4]", "e.yaml")
        after = self.snapshot(self.workspace / "jobs")
        self.assertEqual(before, {name: after[name] for name in before})
        self.assertEqual(len(self.job_directories("make")), 4)

    def test_a_failure_shows_job_log_and_path_and_fails_its_dependents_alone(self):
        self.write(
            "e.yaml",
            CHAIN.replace("command: echo {{n}} > {{out}}", "command: |\n      test {{n}} != 2 || { echo it broke >&2; exit 7; }\n      echo {{n}} > {{out}}"),
        )
        result = self.run_experiment("e.yaml", status=1)
        self.assertIn("it broke", result.err + result.out)
        failed = [job for job in self.job_directories("make") if (job / "make.failed").exists()]
        self.assertEqual(len(failed), 1)
        self.assertIn(str(failed[0]), result.err + result.out)
        self.assertEqual(json.loads((failed[0] / "make.failed").read_text())["code"], 7)
        (total,) = self.job_directories("sum")
        marker = json.loads((total / "sum.failed").read_text())
        self.assertEqual((marker["reason"], marker["failure_status"]), ("dependency", "DEPENDENCY"))
        self.assertEqual(sum((job / "make.done").exists() for job in self.job_directories("make")), 2)

    def test_a_missing_output_fails_the_job_with_its_name(self):
        self.write("e.yaml", "id: o\ntasks: {t: {command: 'true', outputs: [never.txt]}}\nplan: {s: {task: t}}\n")
        result = self.run_experiment("e.yaml", status=1)
        self.assertIn("never.txt", result.err + result.out)
        (job,) = self.job_directories("t")
        self.assertEqual(json.loads((job / "t.failed").read_text())["reason"], "output")

    def test_a_failing_part_of_a_pipe_fails_the_job(self):
        self.write("e.yaml", "id: p\ntasks: {t: {command: 'false | cat'}}\nplan: {s: {task: t}}\n")
        self.run_experiment("e.yaml", status=1)

    def test_a_job_runs_in_its_directory_with_its_environment(self):
        self.write(
            "e.yaml",
            "id: env\nenv: {A: top, B: top}\ntasks:\n  t:\n    env: {B: 'task {{n}}', C: '${HOME}/c'}\n    params: {n: int}\n"
            '    command: |\n      pwd; echo "$A|$B|$C"; env | grep ^XPM_ | sort\nplan: {s: {task: t, params: {n: 5}}}\n',
        )
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        lines = (job / "t.out").read_text().splitlines()
        self.assertEqual(lines[0], str(job))
        self.assertEqual(lines[1], f"top|task 5|{self.home}/c")
        found = dict(line.split("=", 1) for line in lines[2:])
        self.assertEqual(found["XPM_JOB_DIR"], str(job))
        self.assertEqual(found["XPM_PARAMS"], str(job / "params.json"))
        self.assertEqual(found["XPM_JOB_ID"], job.name)
        self.assertEqual(found["XPM_TASK_ID"], "t")
        self.assertEqual(found["XPM_EXPERIMENT_ID"], "env")
        self.assertEqual(found["XPM_EXPERIMENT_DIR"], str(self.here))
        self.assertEqual(found["XPM_WORKSPACE"], str(self.workspace))
        for name in ("XPM_RESULTS_DIR", "XPM_CORES"):
            self.assertIn(name, found)

    def test_a_list_command_gets_its_arguments_whole(self):
        self.write(
            "e.yaml",
            "id: l\ntasks:\n  t:\n    params: {s: str, l: 'list[str]'}\n    command: [printf, '<%s>', '{{s}}', '{{l}}']\n"
            "plan: {s: {task: t, params: {s: \"a b\\n'$HOME'\", l: [x y, \"\", '*']}}}\n",
        )
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        self.assertEqual((job / "t.out").read_text(), "<a b\n'$HOME'><x y><><*>")

    def test_a_string_command_quotes_what_it_takes(self):
        self.write(
            "e.yaml",
            "id: q\ntasks:\n  t:\n    params: {s: str, l: 'list[str]'}\n    command: printf '<%s>' {{s}} {{l}}\n"
            "plan: {s: {task: t, params: {s: \"$(touch hacked); a\", l: [x y, \"it's\"]}}}\n",
        )
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        self.assertEqual((job / "t.out").read_text(), "<$(touch hacked); a><x y><it's>")
        self.assertFalse((job / "hacked").exists())

    def test_input_files_are_rendered_into_the_job(self):
        self.write("deck.in", "value = {{n}}\n")
        self.write(
            "e.yaml",
            "id: f\ntasks:\n  t:\n    params: {n: int}\n    files:\n      input/deck.txt: {template: deck.in}\n"
            "      note.txt: {content: 'n is {{n}}'}\n    command: cat input/deck.txt note.txt\nplan: {s: {task: t, params: {n: 4}}}\n",
        )
        self.run_experiment("e.yaml")
        (job,) = self.job_directories("t")
        self.assertEqual((job / "t.out").read_text(), "value = 4\nn is 4")

    def test_a_workspace_and_an_experiment_whose_names_have_blanks_and_quotes(self):
        self.here = self.here / "it's a \"place\""
        self.here.mkdir()
        self.workspace = self.here / "work space"
        self.write("my file.yaml", CHAIN)
        self.run_experiment("my file.yaml")
        (total,) = self.job_directories("sum")
        self.assertEqual((total / "total.txt").read_text(), "6\n")

    def test_the_file_is_found_without_its_ending(self):
        self.write("e.yaml", CHAIN)
        self.run_experiment("e")


class Interrupt(xpmtest.Case):
    FILE = """\
id: i
tasks:
  t:
    params: {n: int}
    cwd: "{{experiment.dir}}"
    command: |
      echo {{n}} > started
      read line < go
plan: {s: {task: t, sweep: {n: [1, 2]}}}
"""

    def begin(self):
        """One job runs and waits to read from `go`; the other has not begun."""
        self.write("e.yaml", self.FILE)
        for name in ("started", "go"):
            os.mkfifo(self.here / name)
        engine = self.start("run-experiment", "--workdir", self.workspace, "-j", "1", "e.yaml")
        with open(self.here / "started") as started:
            self.first = int(started.read())
        return engine

    def end(self, engine):
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 130, out + err)
        return out + err

    def states(self):
        return sorted(path.suffix for job in self.job_directories("t") for path in job.iterdir() if path.suffix in (".done", ".failed"))

    def test_once_waits_for_what_runs_and_starts_nothing(self):
        engine = self.begin()
        engine.send_signal(signal.SIGINT)
        self.wait_for_line(engine)
        self.wait_for_return(engine)
        with open(self.here / "go", "w") as go:
            go.write("go\n")
        self.end(engine)
        self.assertEqual(self.states(), [".done"])

    def wait_for_return(self, engine):
        """The worker has given the second job back: so say the events of the run."""
        ended = os.pidfd_open(engine.pid)
        self.addCleanup(os.close, ended)
        events = self.workspace / "experiments" / "i" / "current" / "events" / "event-0.jsonl"
        for _ in range(100 * xpmtest.PATIENCE):
            states = {}
            for line in events.read_text().splitlines() if events.exists() else []:
                event = json.loads(line)
                states.setdefault(event["job_id"], []).append(event["scheduler_state"])
            if any(seen[-2:] == ["scheduled", "ready"] for seen in states.values()):
                return
            self.assertFalse(select.select([ended], [], [], 0.01)[0], "the engine has ended")
        self.fail("no job was given back")

    def test_twice_kills_what_runs(self):
        engine = self.begin()
        engine.send_signal(signal.SIGINT)
        self.wait_for_line(engine)
        engine.send_signal(signal.SIGINT)
        self.end(engine)
        self.assertNotIn(".done", self.states())

    def test_a_killed_worker_takes_its_jobs_with_it_and_they_run_again(self):
        self.write("e.yaml", self.FILE.replace("echo {{n}} > started", "setsid sleep 600 &\n      echo $PPID $! > started"))
        for name in ("started", "go"):
            os.mkfifo(self.here / name)
        engine = self.start("run-experiment", "--workdir", self.workspace, "-j", "1", "--limit", "1", "e.yaml")
        with open(self.here / "started") as started:
            worker, left = map(int, started.read().split())
            os.kill(worker, signal.SIGKILL)
        with open(self.here / "started") as started:
            worker = int(started.read().split()[0])
            self.assertNotIn(left, self.processes(), "what the first worker's job had started is gone")
            os.kill(worker, signal.SIGKILL)
        with open(self.here / "started") as started:
            left = int(started.read().split()[1])
        with open(self.here / "go", "w") as go:
            go.write("go\n")
        out, err = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out + err)
        self.assertEqual(err.count("killed by signal 9"), 2)
        self.assertIn(left, self.processes(), "a job that is done may leave what it likes")
        os.kill(left, signal.SIGKILL)

    def wait_for_line(self, engine):
        """The first signal was taken when its words appear."""
        for line in engine.stderr:
            if "Ctrl-C" in line or "interrupt" in line or "again" in line:
                return

    def test_the_same_command_continues_after_a_kill(self):
        engine = self.begin()
        engine.kill()
        engine.wait(timeout=xpmtest.PATIENCE)
        with open(self.here / "go", "w") as go:
            go.write("go\n")
        second = self.start("run-experiment", "--workdir", self.workspace, "-j", "1", "e.yaml")
        with open(self.here / "started") as started:
            self.assertNotEqual(int(started.read()), self.first, "the first job ran again")
        with open(self.here / "go", "w") as go:
            go.write("go\n")
        out, err = second.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(second.returncode, 0, out + err)
        self.assertEqual(self.states(), [".done", ".done"])


if __name__ == "__main__":
    unittest.main()
