"""xpm jobs kill of what Slurm has, queued or running, on a real cluster; XPM_SLURM says how it is asked."""
import json
import re
import signal
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, array=1001)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


class Kill(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        self.addCleanup(self.nodes, "RESUME")
        super().setUp()

    def nodes(self, state):
        """DRAIN: what is submitted waits. RESUME: it begins."""
        for node in ("n1", "n2"):
            CLUSTER.run("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def begin(self, command, count):
        self.plan(command, count)
        return super().begin()

    def leave(self, engine):
        """The engine goes; what it queued stays."""
        engine.send_signal(signal.SIGINT)
        self.expect_end(engine, 130)

    def queue(self, count):
        """COUNT jobs that wait in Slurm, and no engine."""
        self.nodes("DRAIN")
        engine = self.begin("touch '%s'/ran-{{n}}" % self.here, count)
        self.wait_for(lambda: len(self.in_state("PENDING")) == count, "the queue")
        self.leave(engine)

    def in_state(self, state):
        return [job for job, is_in in CLUSTER.jobs() if is_in == state]

    def wait_for(self, condition, what):
        CLUSTER.wait_for(what, condition)

    def kill(self, *options, status=0):
        result = self.command(xpmtest.XPM, "jobs", "kill", "--workdir", self.workspace, *options)
        self.assertEqual(result.status, status, result)
        return result

    def paths(self):
        return {json.loads((path / "params.json").read_text())["params"]["n"]: path
                for path in self.workspace.glob("jobs/t/*")}

    def states(self):
        """Of each job, as `jobs list` has them."""
        listed = self.command(xpmtest.XPM, "jobs", "list", "--workdir", self.workspace, "--json").out
        found = {}
        for job in map(json.loads, listed.splitlines()):
            found[job["tags"]["n"]] = (job["state"], job.get("failure"))
        return found

    def assert_cancelled(self, *numbers):
        states, paths = self.states(), self.paths()
        for n in numbers:
            self.assertEqual(states[n], ("error", "cancelled"))
            failed = json.loads((paths[n] / "t.failed").read_text())
            self.assertEqual((failed["reason"], failed["failure_status"]), ("cancelled", "CANCELLED"))
            status = json.loads((paths[n] / ".experimaestro" / "status.json").read_text())
            self.assertEqual((status["state"], status["attempt"]), ("error", 1))

    @staticmethod
    def requests():
        """How often the controller was asked to cancel something."""
        counted = re.search(r"REQUEST_KILL_JOB\s*\(\s*\d+\) *count:(\d+)", CLUSTER.run("sdiag"))
        return int(counted.group(1)) if counted else 0

    def test_a_queued_array_is_listed_then_cancelled_by_one_request(self):
        self.queue(12)
        before = self.requests()
        listed = self.kill()
        self.assertEqual(len(re.findall(r"^kill +t/[0-9a-f]{64}  scheduled$", listed.out, re.M)), 12, listed)
        self.assertIn("nothing was done", listed.err)
        self.assertEqual(len(self.in_state("PENDING")), 12)
        result = self.kill("--all", "--perform")
        self.assertEqual(len(re.findall(r"^ended +t/[0-9a-f]{64}  error: cancelled$", result.out, re.M)), 12, result)
        self.assertEqual(result.err, "")
        self.assertEqual(self.requests() - before, 1)
        self.assertEqual(CLUSTER.live(), [])
        self.assert_cancelled(*range(12))
        self.assertEqual(self.kill().err, "no jobs\n")

    def test_a_part_of_an_array_is_cancelled_by_one_request_and_the_rest_runs(self):
        self.queue(12)
        before = self.requests()
        result = self.kill("--perform", "--filter", "n in [2, 3, 4, 9]")
        self.assertEqual(result.out.count("ended"), 4, result)
        self.assertEqual(self.requests() - before, 1)
        self.assertEqual(len(self.in_state("PENDING")), 8)
        self.assert_cancelled(2, 3, 4, 9)
        self.nodes("RESUME")
        self.wait_for(lambda: not CLUSTER.live(), "the rest")
        self.assertEqual(sorted(path.name for path in self.here.glob("ran-*")),
                         sorted(f"ran-{n}" for n in range(12) if n not in (2, 3, 4, 9)))
        self.assertEqual({n for n, state in self.states().items() if state[0] == "done"},
                         set(range(12)) - {2, 3, 4, 9})

    def test_one_job_alone_is_cancelled(self):
        self.queue(1)
        self.kill("--all", "--perform")
        self.assertEqual(CLUSTER.live(), [])
        self.assert_cancelled(0)

    def test_what_runs_is_ended_and_what_waits_behind_it_is_cancelled(self):
        engine = self.begin("touch '%s'/up-{{n}}; sleep 1000" % self.here, 10)
        self.wait_for(lambda: len(list(self.here.glob("up-*"))) == 8 and len(self.in_state("PENDING")) == 2, "the jobs")
        self.leave(engine)
        before = self.requests()
        result = self.kill("--all", "--perform")
        self.assertEqual(result.out.count("ended"), 10, result)
        self.assertEqual(self.requests() - before, 1)
        self.assert_cancelled(*range(10))
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")

    def test_what_was_submitted_all_at_once_is_cancelled_with_what_waits_for_it(self):
        self.nodes("DRAIN")
        self.write("e.yaml", """\
id: e
tasks:
  t: {params: {n: int}, requirements: 'duration=10m & cpu(cores=1, mem=50M)', command: 'true'}
  u: {params: {of: t, n: int}, requirements: 'duration=10m & cpu(cores=1, mem=50M)', command: 'true'}
plan:
  first: {task: t, sweep: {n: [0, 1, 2]}}
  second: {task: u, params: {of: {each: first}, n: {from: of.n}}}
""")
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm",
                              "--submit-all", "e.yaml")
        self.assertEqual(result.status, 0, result)
        queued = len(self.in_state("PENDING"))
        self.assertEqual(queued, 6, result)
        before = self.requests()
        result = self.kill("--all", "--perform")
        self.assertEqual(result.out.count("ended"), queued, result)
        self.assertEqual(self.requests() - before, len(list(self.workspace.glob("experiments/e/2*/batches/*.id"))))
        self.assertEqual(CLUSTER.live(), [])
        reasons = [json.loads(path.read_text())["reason"] for path in self.workspace.glob("jobs/*/*/*.failed")]
        self.assertEqual(reasons, ["cancelled"] * queued)

    def test_an_engine_elsewhere_learns_of_it(self):
        self.nodes("DRAIN")
        engine = self.begin("touch '%s'/ran-{{n}}" % self.here, 4)
        self.wait_for(lambda: len(self.in_state("PENDING")) == 4, "the queue")
        self.kill("--perform", "--filter", "n in [0, 1]")
        self.assert_cancelled(0, 1)
        self.nodes("RESUME")
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 1, out)
        self.assertIn("2 done, 2 failed", out)
        self.assertEqual(sorted(path.name for path in self.here.glob("ran-*")), ["ran-2", "ran-3"])
        self.assert_cancelled(0, 1)

    def test_what_was_cancelled_does_not_begin_though_slurm_was_not_reached(self):
        """The controller is away, so the jobs stay in its queue: they leave when they are started, and run when they are
        wanted again."""
        self.queue(3)
        CLUSTER.end("slurmctld")
        try:
            result = self.kill("--all", "--perform", "--timeout", "1", status=1)
        finally:
            CLUSTER.start_controller()
        self.assertEqual(result.out.count("ended"), 3, result)
        self.assertIn("it let go of 3 of the jobs", result.err)
        self.assert_cancelled(0, 1, 2)
        self.nodes("RESUME")
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")
        self.assertEqual(list(self.here.glob("ran-*")), [])
        self.assert_cancelled(0, 1, 2)
        engine = self.begin("touch '%s'/ran-{{n}}" % self.here, 3)
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0, out)
        self.assertEqual(len(list(self.here.glob("ran-*"))), 3)

    def test_a_launcher_that_is_not_there_any_more_is_named(self):
        (self.home / ".config" / "experimaestro").mkdir()
        launchers = self.home / ".config" / "experimaestro" / "launchers.yaml"
        launchers.write_text("launchers:\n  slurm: {type: slurm}\n")
        self.queue(2)
        for path in self.paths().values():
            status = path / ".experimaestro" / "status.json"
            status.write_text(status.read_text().replace('"launcher": "slurm"', '"launcher": "gone"'))
        result = self.kill("--all", "--perform", status=1)
        self.assertIn("gone", result.err)
        self.assert_cancelled(0, 1)


if __name__ == "__main__":
    unittest.main()
