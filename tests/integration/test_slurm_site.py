"""What xpm tells of a cluster, and how often it asks and submits, on a real one."""
import json
import pathlib
import re
import signal
import unittest

import slurmtest
import xpmtest

CLUSTER = None
HELPERS = ("commands", "library") if (xpmtest.BUILD / "lib/experimaestro/launchers/xpm-slurm-library").exists() else (
    "commands",)


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, array=501, jobs=2000)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


class Site(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        super().setUp()

    def launchers(self, text):
        (self.home / ".config" / "experimaestro").mkdir(exist_ok=True)
        (self.home / ".config" / "experimaestro" / "launchers.yaml").write_text("launchers:\n" + text)

    def check(self, *options, status=0):
        result = self.command(xpmtest.XPM, "launchers", "check", *options)
        self.assertEqual(result.status, status, result)
        return result.out

    def begin(self, command, count, memory="50M"):
        self.plan(command, count, f"duration=10m & cpu(cores=1, mem={memory})")
        return super().begin()

    def runs(self):
        """The status of each run, the first first."""
        return [json.loads((path / "status.json").read_text()) for path in sorted(self.workspace.glob("experiments/e/2*"))]

    # What there is.

    def test_where_a_setup_says_why_it_failed_is_told(self):
        self.launchers("  slurm: {type: slurm, setup: 'echo no such module >&2; exit 3'}\n")
        self.plan("true", 1)
        result = self.run_plan(status=1)
        log = re.search("Slurm says FAILED: NonZeroExitCode; see '(.+)'", result.err).group(1)
        self.assertEqual(pathlib.Path(log).read_text(), "no such module\n")

    def test_what_the_controller_allows_is_told(self):
        self.launchers("  cluster: {type: slurm}\n")
        version = CLUSTER.run("scontrol", "--version").split()[1]
        for helper in HELPERS:
            with self.subTest(helper):
                self.env["XPM_SLURM"] = helper
                told = self.check()
                asked = {"library": "libslurm", "commands": "its commands"}[helper]
                self.assertIn(f"cluster: note: Slurm {version}, asked by {asked}; at most 2000 jobs in all, 501 in an array",
                              told)
                self.assertIn("cluster: note: partition 'debug' (the default one): 2 nodes a job, no time limit", told)
                self.assertIn("cluster: note: partition 'short': 1 node a job, at most 0:02:00", told)
                self.expect_match(r"cluster: fine\n1 launcher: 0 cannot be used, 0 warnings\n$", told)
                document = json.loads(self.check("--json"))
                self.assertEqual(len(document["launchers"][0]["notes"]), 5)

    def test_the_controller_is_asked_without_a_file_too(self):
        told = self.check()
        self.assertIn("slurm: note: partition 'debug' (the default one): 2 nodes a job, no time limit", told)
        # What this host has is nothing to those jobs.
        listed, = self.command(xpmtest.XPM, "launchers", "list", "--json").objects()
        self.assertEqual([listed[key] for key in ("type", "cores", "memory", "gpus")], ["slurm", None, None, None])
        CLUSTER.end("slurmctld")
        try:
            self.assertIn("slurm: error: Slurm does not answer: ", self.check(status=3))
        finally:
            CLUSTER.start_controller()

    def test_a_partition_that_there_is_not_is_told(self):
        self.launchers("  cluster: {type: slurm, options: {partition: nowhere}}\n")
        told = self.check(status=3)
        self.assertIn("cluster: error: Slurm has no partition 'nowhere'", told)
        self.assertIn("cluster: note: partition 'debug'", told)

    def test_a_controller_that_is_away_or_hangs_is_told_of_soon(self):
        self.launchers("  cluster: {type: slurm}\n")
        for how in ("hangs", "is away"):
            if how == "hangs":
                CLUSTER.send("slurmctld", signal.SIGSTOP)
            else:
                CLUSTER.send("slurmctld", signal.SIGCONT)
                CLUSTER.end("slurmctld")
            try:
                for helper in HELPERS:
                    with self.subTest(how, helper=helper):
                        self.env["XPM_SLURM"] = helper
                        told = self.check(status=3)
                        self.assertIn("cluster: error: Slurm does not answer: ", told)
                        self.assertIn("1 launcher: 1 cannot be used", told)
            finally:
                CLUSTER.send("slurmctld", signal.SIGCONT) if "slurmctld" in CLUSTER.processes else None
        CLUSTER.start_controller()

    # How often it is asked.

    def test_the_requests_of_a_run_are_kept_in_its_status(self):
        out = self.expect_end(self.begin("true", 3))
        told = int(re.search(r"^(\d+) requests to the scheduler$", out, re.M).group(1))
        # What partitions allow, the submission, and one listing at least.
        self.assertGreaterEqual(told, 4)
        self.assertEqual([run["requests"] for run in self.runs()], [told])
        listed = self.command(xpmtest.XPM, "experiments", "list", "--workdir", self.workspace, "--json")
        self.assertEqual(json.loads(listed.out)["requests"], told)

    def test_they_are_kept_when_the_run_is_interrupted_and_counted_anew_when_it_goes_on(self):
        engine = self.begin("until [ -e '%s/go' ]; do sleep 0.1; done" % self.here, 2)
        CLUSTER.wait_for("the jobs", lambda: [state for _, state in CLUSTER.live()] == ["RUNNING"] * 2)
        engine.send_signal(signal.SIGINT)
        told = [int(re.search(r"^(\d+) requests? to the scheduler$", self.expect_end(engine, 130), re.M).group(1))]
        self.assertEqual([run["requests"] for run in self.runs()], told)
        (self.here / "go").touch()
        told.append(int(re.search(r"^(\d+) requests? to the scheduler$", self.expect_end(self.begin(
            "until [ -e '%s/go' ]; do sleep 0.1; done" % self.here, 2)), re.M).group(1)))
        # The cancelled run has gone, as runs do when a later one is done.
        self.assertEqual(self.runs()[-1]["requests"], told[1])

    def test_a_run_on_this_host_makes_none(self):
        self.plan("true", 1)
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "local", "e.yaml")
        self.assertEqual(result.status, 0, result)
        self.assertNotIn("requests", result.out)
        self.assertEqual(self.runs()[0]["requests"], 0)

    # How often is submitted.

    def test_no_more_is_submitted_in_a_minute_than_the_launcher_may(self):
        """Each job asks for another amount of memory, so each is a submission."""
        self.launchers("  slurm: {type: slurm, limits: {submissions_per_minute: 2}}\n")
        engine = self.begin("echo {{n}} >> '%s/diary'" % self.here, 3, memory="1{{n}}M")
        diary = self.here / "diary"
        CLUSTER.wait_for("two jobs", lambda: diary.exists() and len(diary.read_text().split()) == 2)
        # They have ended, and the third is not with Slurm yet.
        CLUSTER.wait_for("an empty queue", lambda: not CLUSTER.live())
        self.assertEqual(len(list(self.workspace.glob("experiments/e/2*/batches/*.id"))), 2)
        engine.send_signal(signal.SIGINT)
        self.expect_end(engine, 130)
        self.assertEqual(len(diary.read_text().split()), 2)


if __name__ == "__main__":
    unittest.main()
