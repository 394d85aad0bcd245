"""Help, version, suggestions, and the commands that look at a workspace."""
import json
import re
import signal
import unittest

import xpmtest

FILE = """\
id: look
title: Looking around
tasks:
  nn.Train:
    params: {model: str, seed: int}
    command: |
      echo model {{model}}
      echo trouble >&2
      test {{model}} != bad
plan:
  train: {task: nn.Train, sweep: {model: [a, b, bad], seed: [1, 2]}}
"""


class Words(xpmtest.Case):
    def test_help_and_version(self):
        self.assertIn("run-experiment", self.xpm("--help").out)
        self.expect_match(r"^xpm \d+\.\d+\.\d+\n$", self.xpm("--version").out)
        for command in (["run-experiment"], ["experiments"], ["experiments", "list"], ["jobs"], ["jobs", "list"], ["jobs", "log"], ["jobs", "path"], ["jobs", "kill"], ["explain"], ["jobs", "clean"], ["orphans"], ["find-launchers"], ["launchers"], ["launchers", "list"], ["launchers", "check"], ["resources"], ["progress"], ["remaining-time"]):
            self.assertIn("usage: xpm " + command[0], self.xpm(*command, "--help").out)

    def test_help_names_every_option(self):
        text = self.xpm("run-experiment", "--help").out
        for option in (
            "--run-mode --file --host --port --xpm-config-dir --workdir --workspace --env --conf --pre-yaml --post-yaml --launcher"
            " -j --only --where --limit --fail-fast --max-fails --rerun --keep-failed --show --json --debug"
        ).split():
            self.assertIn(option, text)

    def test_every_option_of_every_command_is_in_the_manual_and_is_completed(self):
        """The words of the help are those of the manual page and of the three completions."""
        texts = {name: (xpmtest.SOURCE / name).read_text() for name in ("docs/man/xpm.1", "share/completions/xpm.bash", "share/completions/_xpm", "share/completions/xpm.fish")}
        commands = [[word] for word in re.findall(r"^  (\S+)  ", self.xpm("--help").out, re.M)]
        for command in list(commands):
            if command[0] in ("experiments", "jobs", "launchers"):
                commands.remove(command)
                commands += [command + [word] for word in re.findall(r"^  (\S+)  ", self.xpm(*command, "--help").out, re.M)]
        self.assertIn(["jobs", "path"], commands)
        for command in commands:
            words = re.findall(r"^  (--[a-z-]+)", self.xpm(*command, "--help").out, re.M)
            for name, text in texts.items():
                self.assertIn(command[-1], text, name)
                plain = text.replace("\\-", "-")
                for word in words:
                    if not (word == "--help" and name.endswith("1")):
                        wanted = rf"-l {word[2:]}\b" if name.endswith("fish") else rf"{word}(?![a-z-])"
                        self.assertTrue(re.search(wanted, plain), f"{name} has no {word} of {' '.join(command)}")

    def test_unknown_words_get_the_near_one(self):
        for words, near in (
            (["run-experimnt"], "'run-experiment'"),
            (["jbos"], "'jobs'"),
            (["--versoin"], "'--version'"),
            (["jobs", "lst"], "'list'"),
            (["find-launcher"], "'find-launchers'"),
            (["launcher", "list"], "'launchers'"),
            (["launchers", "chek"], "'check'"),
            (["find-launchers", "--tag", "x", "gpu"], "'--tags'"),
            (["experiments", "lits"], "'list'"),
            (["run-experiment", "--workdri", "x", "e.yaml"], "'--workdir'"),
            (["jobs", "list", "--fliter", "x"], "'--filter'"),
        ):
            result = self.xpm(*words, status=2)
            self.assertIn(f"did you mean {near}", result.err)
            self.assertEqual(result.out, "")

    def test_what_cannot_be_printed_is_said(self):
        self.write("e.yaml", FILE)
        for words in (["--help"], ["--version"], ["jobs", "--help"], ["jobs", "list", "--help"], ["launchers", "list"], ["launchers", "check"], ["find-launchers", "nodes=1"], ["run-experiment", "--show", "e.yaml"]):
            result = self.command("sh", "-c", '"$0" "$@" >/dev/full', xpmtest.XPM, *words)
            self.assertEqual(result.status, 3, f"{words}\n{result}")
            self.assertIn("cannot write to standard output", result.err)

    def test_no_command_and_no_file(self):
        self.assertIn("usage", self.xpm(status=2).err)
        self.assertIn("usage", self.xpm("run-experiment", status=2).err)


class Look(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", FILE)
        self.run_experiment("e.yaml", status=1)

    def look(self, *words, status=0):
        return self.xpm(*words[:2], "--workdir", self.workspace, *words[2:], status=status)

    def listed(self, *words):
        text = self.look("jobs", "list", "--json", *words).out
        try:
            found = json.loads(text)
        except ValueError:
            found = [json.loads(line) for line in text.splitlines()]
        return found

    def models(self, *words):
        return sorted(job["tags"]["model"] for job in self.listed(*words))

    def test_experiments(self):
        result = self.look("experiments", "list")
        self.assertIn("look", result.out)
        self.expect_match("failed", result.out)

    def test_jobs_with_tags(self):
        result = self.look("jobs", "list", "--tags")
        self.assertEqual(sum("nn.train" in line for line in result.lines()), 6, result)
        self.assertIn("model=a", result.out.replace('"', ""))

    def test_filters(self):
        self.assertEqual(self.models("--filter", '@state = "DONE"'), ["a", "a", "b", "b"])
        self.assertEqual(self.models("--filter", '@state = "DONE" and model in ["a", "c"]'), ["a", "a"])
        self.assertEqual(self.models("--filter", 'model not in ["a", "b"]'), ["bad", "bad"])
        self.assertEqual(self.models("--filter", 'model ~ "^b"'), ["b", "b", "bad", "bad"])
        self.assertEqual(self.models("--filter", '(model = "a" or model = "b") and @state = "ERROR"'), [])
        self.look("jobs", "list", "--filter", "model = ", status=2)

    def test_a_count(self):
        self.assertEqual(len(self.listed("-c", "2")), 2)

    def failed(self):
        return next(path.parent for path in self.workspace.rglob("train.failed"))

    def test_logs(self):
        job = self.failed()
        both = self.look("jobs", "log", job.name[:10]).out
        self.assertIn("model bad", both)
        self.assertIn("trouble", both)
        self.assertEqual(self.look("jobs", "log", "--std", f"nn.train/{job.name[:10]}").out, "model bad\n")

    def test_a_log_that_is_followed_ends_when_the_job_has(self):
        self.assertIn("model bad", self.look("jobs", "log", "-f", self.failed().name).out)

    def generated(self):
        self.run_experiment("--run-mode", "generate", "-c", "id=later", "-c", "plan.train.sweep.seed=[3]", "e.yaml")
        return next(path for path in self.job_directories("nn.train") if not (path / "train.out").exists())

    def test_a_log_that_is_followed_may_be_of_a_job_that_has_not_begun(self):
        job = self.generated()
        follower = self.start("jobs", "log", "-f", "--std", "--workdir", self.workspace, job.name)
        self.assertEqual(follower.stderr.readline(), f"xpm: 'nn.train/{job.name[:12]}' has not begun: waiting for its log\n")
        self.command("sh", job / "train.sh")
        self.assertEqual(follower.communicate(timeout=xpmtest.PATIENCE), ((job / "train.out").read_text(), ""))
        self.assertEqual(follower.returncode, 0)

    def test_waiting_for_a_log_ends_with_an_interrupt(self):
        job = self.generated()
        follower = self.start("jobs", "log", "-f", "--workdir", self.workspace, job.name)
        self.assertIn("waiting", follower.stderr.readline())
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(timeout=xpmtest.PATIENCE), -signal.SIGINT)

    def test_a_log_of_a_job_that_has_not_begun_is_missed_when_it_is_not_followed(self):
        self.assertIn("has no log", self.look("jobs", "log", self.generated().name, status=2).err)

    def test_a_path(self):
        job = self.failed()
        self.assertEqual(self.look("jobs", "path", job.name).out, f"{job}\n")

    def test_a_job_that_is_not_there_and_one_that_is_ambiguous(self):
        self.look("jobs", "path", "zzzz", status=2)
        self.run_experiment("--run-mode", "generate", "-c", "plan.train.sweep.seed={range: [0, 17]}", "e.yaml")
        first = [job.name[0] for job in self.job_directories("nn.train")]
        several = next(digit for digit in first if first.count(digit) > 1)
        result = self.look("jobs", "path", several, status=2)
        self.assertIn(f"'{several}'", result.err)
        for job in self.job_directories("nn.train"):
            if job.name.startswith(several):
                self.assertIn(job.name[:8], result.err)
                break


if __name__ == "__main__":
    unittest.main()
