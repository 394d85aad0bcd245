"""What asks Slurm for the launcher, xpm-slurm by Slurm's commands and xpm-slurm-library by libslurm: alike on a real cluster."""
import json
import os
import re
import subprocess
import unittest

import slurmtest
import xpmtest

MODULES = xpmtest.BUILD / "lib" / "experimaestro" / "launchers"
LIBRARY = MODULES / "xpm-slurm-library"
CLUSTER = None


def setUpModule():
    global CLUSTER
    if not slurmtest.is_there():
        raise unittest.SkipTest("needs slurmctld, slurmd, munge and Slurm's commands")
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=8, array=1001, more="GresTypes=gpu,lab\n", gres="gpu:2,lab:4",
                                licenses="lab:3")


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


class Helper:
    """A helper that is asked."""

    def __init__(self, program, env, cwd):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=cwd,
                                        text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps({"id": 7, **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer.pop("id") == 7
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(xpmtest.PATIENCE)


class Asked(xpmtest.Case):
    def setUp(self):
        super().setUp()
        if not LIBRARY.exists():
            self.skipTest("built without libslurm")
        self.env.update(CLUSTER.env)
        # In front of sbatch, so that it is seen when it is used.
        self.env["PATH"] = f"{self.here}/bin:{self.env['PATH']}"
        self.write("bin/sbatch", f"#!/bin/sh\ntouch '{self.here}/used'\nexec {slurmtest.find('sbatch')} \"$@\"\n", 0o755)
        self.addCleanup(self.drain)

    def drain(self):
        subprocess.run([slurmtest.find("scancel"), "--user", str(os.getuid())], env={**os.environ, **CLUSTER.env})
        CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())

    def helper(self, program="xpm-slurm-library", **more):
        helper = Helper(MODULES / program, {**self.env, **more}, self.here)
        self.addCleanup(helper.close)
        return helper

    def submit(self, helper, *options, script="#!/bin/sh\ntrue\n", array=0, comment="c", output="/dev/null"):
        return helper.ask(do="submit", options=["--job-name=j", *options], script=script, array=array, comment=comment,
                          output=output)

    def used_sbatch(self):
        path = self.here / "used"
        if path.exists():
            path.unlink()
            return True
        return False

    def described(self, job):
        """What Slurm says of JOB, but what differs between any two."""
        said = CLUSTER.run("scontrol", "--oneliner", "--details", "show", "job", job)
        fields = dict(re.findall(r"(\S+?)=(\S*)", said))
        for name in ("JobId", "ArrayJobId", "Priority", "SubmitTime", "EligibleTime", "AccrueTime", "LastSchedEval",
                     "StartTime", "AllocNode:Sid", "EndTime", "Reason", "Deadline", "Scheduler", "SuspendTime"):
            fields.pop(name, None)
        return fields

    OPTIONS = (
        ("--nodes=1", "--ntasks=1", "--cpus-per-task=2", "--mem=50M", "--time=10:00", "--signal=B:TERM@30"),
        ("--nodes=2", "--ntasks=4", "--mem-per-cpu=20"),
        ("--nodes=1-2", "--ntasks=3"),
        ("--nodes=2",),
        ("--nodes=2", "--ntasks-per-node=3"),
        ("--ntasks=3", "--cpus-per-task=2", "--mem=1G"),
        ("--ntasks-per-node=2",),
        ("--mem=100K", "--time=1:00:30"),
        ("--time=1-2", "--mem=0"),
        ("--time=1-2:03:04", "--signal=USR1"),
        ("--time=UNLIMITED", "--signal=SIGUSR2@120"),
        ("--partition=low", "--nice=7", "--exclusive"),
        ("--partition=low,high", "--nice=0", "--oversubscribe"),
        ("--exclusive=user", "--contiguous"),
        ("--gres=gpu:1,lab:2",),
        ("--gpus=2",),
        ("--gpus-per-node=1", "--nodes=2"),
        ("--licenses=lab:2",),
        ("--account=a", "--qos=normal"),
        ("--constraint=red", "--requeue"),
        ("--dependency=singleton", "--kill-on-invalid-dep=yes"),
        ("--chdir=/tmp", "--error=/dev/null"),
        ("--wckey=w",),
        ("--comment=other", "--array=1-3"),
    )

    def test_both_make_the_same_job_of_all_options(self):
        library, commands = self.helper(), self.helper("xpm-slurm")
        for options in self.OPTIONS:
            with self.subTest(options):
                first = self.submit(library, "--hold", *options)
                self.assertFalse(self.used_sbatch())
                second = self.submit(commands, "--hold", *options)
                self.assertTrue(self.used_sbatch())
                if "job" not in second:
                    self.assertEqual(first["error"], second["error"])
                    continue
                self.assertIn("job", first)
                first, second = self.described(first["job"]), self.described(second["job"])
                self.assertEqual(set(first.items()) ^ set(second.items()), set())

    def test_both_give_jobs_the_same_environment(self):
        script = "#!/bin/sh\numask; ulimit -n; pwd; env | sort; echo end\n"
        seen = {}
        for program in ("xpm-slurm-library", "xpm-slurm"):
            output = self.here / f"{program}.out"
            helper = self.helper(program, SLURM_JOB_ID="7", SLURM_NTASKS="9", SLURM_TIME_FORMAT="%s", LARGE="x" * 100000,
                                 ODD="a b\n='c")
            answer = self.submit(helper, "--nodes=1", "--ntasks=2", "--cpus-per-task=2", "--mem=50M", script=script,
                                 output=str(output))
            self.assertIn("job", answer)
            CLUSTER.wait_for("the job", lambda: not CLUSTER.live())
            text = re.sub(rf"(?m)^(SLURM_JOB_?ID=){answer['job']}$", r"\1JOB", output.read_text())
            self.assertIn("end\n", text)
            seen[program] = [line for line in text.splitlines()
                             if not line.startswith(("SLURM_TASK_PID=", "SLURM_JOB_START_TIME=", "SLURM_JOB_END_TIME="))]
        self.assertEqual(seen["xpm-slurm-library"], seen["xpm-slurm"])
        self.assertIn(f"SLURM_SUBMIT_DIR={self.here}", seen["xpm-slurm-library"])

    def test_what_is_not_mapped_goes_by_sbatch(self):
        library = self.helper()
        for options in (("--open-mode=append",), ("-n2",), ("--hint=nomultithread",), ("--time=soon",), ("--error=here",),
                        ("--gres=gpu:1", "--gpus=1"), ("--nodes=3", "--ntasks=2")):
            with self.subTest(options):
                self.submit(library, "--hold", *options)
                self.assertTrue(self.used_sbatch())
        self.assertIn("job", self.submit(self.helper(SBATCH_NICE="3"), "--hold"))
        self.assertTrue(self.used_sbatch())

    def test_refusals_have_the_words_of_sbatch(self):
        library, commands = self.helper(), self.helper("xpm-slurm")
        for options in (("--partition=none",), ("--constraint=none",), ("--dependency=afterok:x",), ("--array=9-1",),
                        ("--gres=none:1",), ("--nodes=1", "--mem=1T"), ("--licenses=none:1",)):
            with self.subTest(options):
                first, second = self.submit(library, *options), self.submit(commands, *options)
                self.assertIn("error", second)
                # What sbatch itself refuses has no more than the words.
                self.assertIn(first["error"].removeprefix("Batch job submission failed: "), second["error"])

    def test_arrays_are_listed_with_all_their_elements_and_cancelled_in_one_request(self):
        for program in ("xpm-slurm-library", "xpm-slurm"):
            with self.subTest(program):
                helper = self.helper(program)
                job = self.submit(helper, "--hold", array=200, comment="xpm:ä:1")["job"]
                gone = [f"{job}_{i}" for i in range(200) if i % 7 not in (2, 4)]
                answer = helper.ask(do="cancel", jobs=gone)
                self.assertNotIn("error", answer)
                self.assertEqual(answer["requests"], 1)
                # Neither side by side nor at equal distances, for which Slurm has short forms.
                waiting = [one for one in helper.ask(do="list")["jobs"] if one[1] == "PENDING"]
                elements = ",".join(one[0].split("_")[1].strip("[]") for one in waiting)
                self.assertEqual(sorted(map(int, elements.split(","))), [i for i in range(200) if i % 7 in (2, 4)])
                self.assertEqual({one[3] for one in waiting}, {"xpm:ä:1"})
                self.assertIn(waiting[0][2], ("JobHeldUser", "None"))
                self.assertEqual(helper.ask(do="cancel", jobs=[str(job)])["requests"], 1)
                self.assertEqual(CLUSTER.live(), [])
                # What has ended is no error.
                self.assertNotIn("error", self.helper().ask(do="cancel", jobs=[str(job), "999999"]))

    def test_a_listing_tells_that_nothing_has_changed(self):
        helper = self.helper()
        self.submit(helper, "--hold")
        first = helper.ask(do="list")
        self.assertEqual([one[1] for one in first["jobs"]][-1], "PENDING")
        # Slurm's clock has seconds: what it did within one is told once more.
        answers = [first]

        def is_unchanged():
            answers.append(helper.ask(do="list", since=answers[-1]["stamp"]))
            return answers[-1].get("unchanged")

        CLUSTER.wait_for("a listing without a change", is_unchanged)
        again = answers[-1]
        self.submit(helper, "--hold", comment="new")
        self.assertIn("new", [one[3] for one in helper.ask(do="list", since=again["stamp"])["jobs"]])

    def test_partitions_are_told_alike(self):
        first, second = self.helper().ask(do="partitions"), self.helper("xpm-slurm").ask(do="partitions")
        self.assertEqual(first, second)
        self.assertEqual(first["array"], 1001)
        self.assertEqual({one["name"]: one["seconds"] for one in first["partitions"]},
                         {"debug": 0, "low": 0, "high": 0, "short": 120})

    def test_nodes_are_told_alike(self):
        first, second = self.helper().ask(do="nodes"), self.helper("xpm-slurm").ask(do="nodes")
        order = lambda answer: sorted(answer["nodes"], key=lambda one: one["partition"])
        self.assertEqual(order(first), order(second))
        self.assertEqual([one["partition"] for one in order(first)], ["debug", "high", "low", "short"])
        self.assertEqual({(one["cpus"], one["memory"], one["gpus"]) for one in first["nodes"]}, {(8, 4000, 2)})

    PLAN = "id: e\ntasks: {t: {params: {n: int}, command: 'true'}}\nplan:\n  t: {task: t, sweep: {n: [1, 2]}}\n"

    def run_plan(self, **env):
        self.write("e.yaml", self.PLAN)
        return self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm", "e.yaml",
                            env=env)

    def test_where_the_library_does_not_live_the_commands_are_used(self):
        self.write("slurm.conf", "Nonsense\n")
        env = {"SLURM_CONF": str(self.here / "slurm.conf")}
        result = self.run_plan(**env)
        self.assertEqual(result.status, 1, result)
        self.assertEqual(str(result).count("libslurm ends with status 1: Slurm is asked by its commands"), 1, result)
        self.assertTrue(self.used_sbatch())
        # Nobody wants it to be said by one who chose.
        self.assertNotIn("libslurm", str(self.run_plan(XPM_SLURM="commands", **env)))

    def test_jobs_go_by_the_library(self):
        result = self.run_plan()
        self.assertEqual(result.status, 0, result)
        self.assertNotIn("libslurm", result.err)
        self.assertFalse(self.used_sbatch())
        self.workspace = self.here / "other"
        result = self.run_plan(XPM_SLURM="commands")
        self.assertEqual(result.status, 0, result)
        self.assertTrue(self.used_sbatch())


    def test_what_is_too_long_for_the_default_partition_goes_to_another(self):
        CLUSTER.run("scontrol", "update", "PartitionName=debug", "MaxTime=1")
        self.addCleanup(CLUSTER.run, "scontrol", "update", "PartitionName=debug", "MaxTime=INFINITE")
        self.write("e.yaml", """\
id: e
tasks: {t: {params: {n: int}, requirements: duration=10m, command: 'echo $SLURM_JOB_PARTITION'}}
plan:
  t: {task: t, params: {n: 1}}
""")
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm", "e.yaml")
        self.assertEqual(result.status, 0, result)
        self.assertEqual([path.read_text() for path in self.workspace.glob("jobs/t/*/t.out")], ["low\n"])


if __name__ == "__main__":
    unittest.main()
