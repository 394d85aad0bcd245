"""What goes wrong on a cluster: nodes, controller, login node, limits. Nothing is lost, and no job runs twice at a time."""
import contextlib
import os
import pathlib
import signal
import subprocess
import unittest

import slurmtest
import xpmtest

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, silence=5)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


# $1: its number. The diary says which job began where, and `twice` when an earlier run of it still lives.
JOB = """\
#!/bin/sh
if [ -e "$1.pid" ] && grep -q "$0" "/proc/$(cat "$1.pid")/cmdline" 2>/dev/null; then echo twice >> diary; fi
echo $$ > "$1.pid"
echo "$1@$SLURMD_NODENAME" >> diary
until [ -e go ]; do sleep 0.05; done
"""


class Faults(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        super().setUp()
        job = self.write("job", JOB, 0o755)
        self.waiting = f"cd '{self.here}'; exec {job} {{{{n}}}}"

    def begun(self, count, *options):
        """An engine whose COUNT jobs have begun, and wait for `go`."""
        self.plan(self.waiting, count)
        engine = self.begin(*options)
        self.wait_for(lambda: len(self.diary()) >= count, "the jobs")
        return engine

    def go(self):
        self.write("go", "")

    def runs(self):
        """How often each job began."""
        numbers = [one.split("@")[0] for one in self.diary()]
        return {number: numbers.count(number) for number in sorted(numbers)}

    def states(self):
        return [state for _, state in CLUSTER.jobs()]

    def kill_with_its_step(self, n):
        """Job N, its worker, the worker's guardian, and Slurm's process above them."""
        pid, chain = int(self.read(f"{n}.pid")), []
        while pid > 1 and "slurmd" != (name := pathlib.Path(f"/proc/{pid}/comm").read_text().strip()):
            chain.append((pid, name))
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        self.assertEqual(chain[-1][1], "slurmstepd")
        for pid, _ in reversed(chain):
            with contextlib.suppress(ProcessLookupError):  # who dies takes those below along
                os.kill(pid, signal.SIGKILL)

    def test_jobs_of_a_node_that_is_set_down_run_again_elsewhere(self):
        engine = self.begun(6)
        hit = [one.split("@")[0] for one in self.diary() if one.endswith("@n1")]
        CLUSTER.run("scontrol", "update", "NodeName=n1", "State=DOWN", "Reason=test")
        self.wait_for(lambda: len(self.diary()) == 6 + len(hit), "all jobs to begin again")
        self.go()
        out = self.expect_end(engine)
        self.assertIn("6 done, 0 failed", out)
        self.assertEqual(out.count(": lost: killed by signal "), len(hit), out)
        self.assertEqual(self.runs(), {str(n): 2 if str(n) in hit else 1 for n in range(6)})


    def test_what_the_scheduler_notices_late(self):
        """Time limits and silent nodes, for which it has half a minute: of one node's jobs one outlives its limit, of the
        other's, which crashes in part, one goes on, and is not run again beside itself."""
        engine = self.begun(6)
        of_node = {name: [one.split("@")[0] for one in self.diary() if one.endswith(name)] for name in ("n1", "n2")}
        long, dead, left = of_node["n1"][0], *of_node["n2"][:2]
        job = CLUSTER.live()[0][0].split("_")[0]
        CLUSTER.run("scontrol", "update", f"JobId={job}_{long}", "TimeLimit=0")
        CLUSTER.end("n2", signal.SIGKILL)
        self.addCleanup(CLUSTER.start_node, 2)
        self.kill_with_its_step(dead)
        self.wait_for(lambda: {"NODE_FAIL", "TIMEOUT"} <= set(self.states()), "the scheduler to notice")
        self.wait_for(lambda: self.runs()[dead] == 2, "the job that died with its node to begin again")
        self.go()
        out = self.expect_end(engine, 1)
        self.assertIn("5 done, 1 failed", out)
        self.assertEqual(self.runs(), {str(n): 2 if str(n) == dead else 1 for n in range(6)})
        self.assertEqual(self.status(int(left))["attempt"], 1)
        self.assertEqual(self.failed(int(long))["reason"], "timeout", out)

    def test_a_job_is_not_requeued_from_outside(self):
        engine = self.begun(1)
        for job, _ in CLUSTER.live():
            CLUSTER.run("scontrol", "requeue", job)
        self.assertEqual(self.states()[-1], "RUNNING")
        self.go()
        self.assertIn("1 done, 0 failed", self.expect_end(engine))
        self.assertEqual(self.runs(), {"0": 1})

    def test_a_preempted_job_is_run_again(self):
        self.launcher(partition="low", exclusive=True)
        engine = self.begun(2)
        other = subprocess.run([slurmtest.find("sbatch"), "--parsable", "--partition=high", "--nodes=2", "--exclusive",
                                "--output=/dev/null", f"--wrap=until [ -e '{self.here}/go' ]; do sleep 0.1; done"],
                               env={**os.environ, **CLUSTER.env}, capture_output=True, text=True).stdout.strip()
        self.wait_for(lambda: self.states().count("PREEMPTED") == 2, "the preemption")
        self.wait_for(lambda: (other, "RUNNING") in CLUSTER.jobs(), "the job that preempts")
        self.go()
        out = self.expect_end(engine)
        self.assertIn("2 done, 0 failed", out)
        self.assertEqual(out.count(": preempted: "), 2, out)
        self.assertEqual(self.runs(), {"0": 2, "1": 2})

    def test_a_job_that_takes_too_much_memory_is_ended(self):
        self.plan("head -c 200M /dev/zero | tail -c 200M | { sleep 60; cat; }", 1)
        self.run_plan(status=1)
        self.assertEqual(self.failed(0)["reason"], "memory")

    def test_a_partition_that_takes_the_job_no_more(self):
        self.addCleanup(CLUSTER.run, "scontrol", "update", "PartitionName=short", "MaxTime=2")
        CLUSTER.run("scontrol", "update", "PartitionName=short", "MaxTime=60")
        self.launcher(partition="short", hold=True)
        self.plan("true", 2)
        engine = self.begin()
        self.wait_for(lambda: len(CLUSTER.live()) == 2, "the jobs")
        CLUSTER.run("scontrol", "update", "PartitionName=short", "MaxTime=2")
        CLUSTER.run("scontrol", "release", CLUSTER.live()[0][0].split("_")[0])
        out = self.expect_end(engine, 1)
        self.assertIn("Slurm will never start it: PartitionTimeLimit", out)
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")
        self.assertEqual(self.failed(0)["reason"], "launch")

    def test_what_no_partition_takes_is_not_submitted(self):
        for options, words in (({"partition": "nowhere"}, "Slurm has no partition 'nowhere'"),
                               ({"partition": "short"}, "it wants 600 s, and partition 'short' allows 120")):
            self.launcher(**options)
            self.plan("true", 1)
            self.assertIn(words, self.run_plan(status=1).err)
        self.assertEqual(self.batches(), [])

    def test_a_controller_that_is_started_again_during_the_run(self):
        engine = self.begun(3)
        CLUSTER.end("slurmctld")
        self.go()
        self.wait_for(lambda: len(list(self.workspace.glob("jobs/t/*/t.done"))) == 3, "the jobs")
        CLUSTER.start_controller()
        self.assertIn("3 done, 0 failed", self.expect_end(engine))
        self.assertEqual(self.runs(), {"0": 1, "1": 1, "2": 1})

    def test_a_controller_that_has_lost_its_state(self):
        """Jobs that it does not know are ended by the nodes, or end before that; all run to their end, none twice at a time."""
        engine = self.begun(8)
        CLUSTER.end("slurmctld", signal.SIGKILL)
        CLUSTER.start_controller(fresh=True)
        self.wait_for(lambda: len(self.diary()) == 16 or engine.poll() is not None, "all jobs to begin again")
        self.go()
        self.assertIn("8 done, 0 failed", self.expect_end(engine))
        self.assertEqual(self.runs(), {str(n): 2 for n in range(8)})

    def test_a_login_node_that_crashes(self):
        engine = self.begun(8)
        CLUSTER.send("slurmctld", signal.SIGSTOP)
        try:
            for pid in [*self.helpers(engine.pid), engine.pid]:
                os.kill(pid, signal.SIGKILL)
            engine.communicate()
        finally:
            CLUSTER.send("slurmctld", signal.SIGCONT)
        self.go()
        self.assertRegex(self.run_plan().out, r"8 done( \(\d before\))?, 0 failed")
        self.assertEqual(self.runs(), {str(n): 1 for n in range(8)})


class Limits(slurmtest.Case):
    """Clusters of their own."""

    def use(self, **more):
        self.cluster = slurmtest.Cluster(nodes=1, **more)
        self.addCleanup(self.cluster.stop)
        super().setUp()

    def setUp(self):
        pass

    def test_a_full_queue_is_waited_for(self):
        self.use(array=6, jobs=8)
        self.plan("echo run{{n}} >> '%s/diary'" % self.here, 12)
        engine = self.begin()
        self.assertIn("temporarily unavailable", self.read_until(engine, "Slurm takes no jobs now").lower())
        conf = self.cluster.conf
        conf.write_text(conf.read_text().replace("MaxJobCount=8\n", "MaxJobCount=1000\n"))
        self.cluster.end("slurmctld")
        self.cluster.start_controller()
        self.assertIn("12 done, 0 failed", self.expect_end(engine))
        self.assertEqual(sorted(self.diary()), sorted(f"run{n}" for n in range(12)))

    def test_an_array_for_which_the_queue_never_has_room_goes_in_parts(self):
        self.use(jobs=8, age=2)
        self.plan("echo run{{n}} >> '%s/diary'" % self.here, 12)
        self.run_plan()
        self.assertEqual(sorted(self.diary()), sorted(f"run{n}" for n in range(12)))

    @unittest.skipUnless(slurmtest.HAS_CGROUPS, "needs control groups v1, and may not make some")
    def test_a_job_that_the_kernel_kills_for_its_memory_is_told(self):
        self.use(cgroups=True)
        self.plan("head -c 200M /dev/zero | tail -c 200M > /dev/null", 1)
        out = str(self.run_plan(status=1))
        self.assertEqual([state for _, state in self.cluster.jobs()], ["OUT_OF_MEMORY"], out)
        self.assertEqual(self.failed(0)["reason"], "memory", out)


if __name__ == "__main__":
    unittest.main()
