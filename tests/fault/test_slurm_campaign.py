"""The kill campaign on a cluster: SIGKILL at random instants of the engine and of the helper that talks to Slurm, while jobs are
submitted, wait and run; then the same command again.

Some of the deaths come while slurmctld is stopped and an answer is awaited: what was asked is done when it goes on, and nobody
knows of it. No job is killed here, so the diary has each of them exactly once, also when the queue is empty.

XPM_FAULT_KILLS is the number of kills (100), XPM_FAULT_SEED the seed (random; it is printed).
"""
import os
import random
import select
import signal
import sys
import time
import unittest

import slurmtest
import xpmtest

KILLS = int(os.environ.get("XPM_FAULT_KILLS", "100"))
SEED = int(os.environ.get("XPM_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
LIBRARY = xpmtest.BUILD / "lib" / "experimaestro" / "launchers" / "xpm-slurm-library"

JOBS, KILLS_OF_WAVE = 40, 20

CLUSTER = None


def setUpModule():
    global CLUSTER
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=8, array=16, jobs=1000000, age=100000)


def tearDownModule():
    if CLUSTER:
        CLUSTER.stop()


class Campaign(slurmtest.Case):
    def setUp(self):
        self.cluster = CLUSTER
        super().setUp()

    def kill(self, engine, kind):
        """How many died."""
        victims = self.helpers(engine.pid) if "helper" in kind else []
        killed = 0
        if "engine" in kind:
            engine.kill()
            killed += 1
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        return killed

    def strike(self, engine):
        kind = self.random.choice(["engine", "helper", "engine and helper"])
        stopped = self.random.random() < 0.4
        if stopped:
            CLUSTER.send("slurmctld", signal.SIGSTOP)
        try:
            if stopped:
                self.ended(engine, self.random.uniform(0.1, 0.6))
            killed = self.kill(engine, kind)
        finally:
            if stopped:
                CLUSTER.send("slurmctld", signal.SIGCONT)
        name = kind + (" while slurmctld was stopped" if stopped else "")
        self.kinds[name] = self.kinds.get(name, 0) + (killed > 0)
        return killed

    def ended(self, engine, seconds):
        if engine.poll() is not None:
            return True
        descriptor = os.pidfd_open(engine.pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)

    def wave(self, number, budget):
        """JOBS to their end in a workspace of their own, with kills; returns how many there were."""
        self.workspace, deaths = self.here / f"ws{number}", 0
        diary = self.here / f"diary{number}"
        self.env["XPM_SLURM"] = self.random.choice(["library", "commands"]) if LIBRARY.exists() else "commands"
        self.plan(f"echo {{{{n}}}} >> '{diary}'; sleep 0.$(({{{{{{n}}}}}} % 5))", JOBS)
        while True:
            with open(self.here / "said", "w+", encoding="utf-8") as said:
                engine = self.begin(to=said)
                while not self.ended(engine, self.random.uniform(0, 1)):
                    if deaths < budget:
                        deaths += self.strike(engine)
                engine.wait()
                self.runs += 1
                said.seek(0)
                words = said.read()
            self.assertIn(engine.returncode, (0, -signal.SIGKILL), f"seed {SEED}\n{words}")
            if engine.returncode == 0:
                break
        self.assertRegex(words, rf"{JOBS} done( \(\d+ before\))?, 0 failed")
        self.assertEqual(len(list(self.workspace.glob("jobs/t/*/t.done"))), JOBS)
        return deaths

    def test_nothing_is_lost_and_nothing_runs_twice(self):
        self.random, self.kinds, self.runs = random.Random(SEED), {}, 0
        kills, waves, began = 0, 0, time.monotonic()
        while kills < KILLS:
            kills += self.wave(waves, min(KILLS_OF_WAVE, KILLS - kills))
            waves += 1
        # What arrived late begins, and leaves.
        self.wait_for(lambda: not CLUSTER.live(), "an empty queue")
        for wave in range(waves):
            begun = sorted(map(int, self.read(f"diary{wave}").split()))
            self.assertEqual(begun, list(range(JOBS)), f"seed {SEED}, wave {wave}")
        elements = len(CLUSTER.jobs())
        print(f"seed {SEED}: {kills} kills ({', '.join(f'{name} {n}' for name, n in sorted(self.kinds.items()))}) in {waves} waves "
              f"and {self.runs} runs: {waves * JOBS} jobs done, each begun once; {elements} were queued, "
              f"so {elements - waves * JOBS} left without having begun; {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
