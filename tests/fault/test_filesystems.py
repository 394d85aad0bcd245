"""Filesystems that are full, without inodes or read-only, and then are not: the same command goes on.

Each is a filesystem in memory of a few kilobytes, given more step by step.
"""
import errno
import fcntl
import os
import subprocess
import sys
import unittest

import xpmtest

PLAN = """\
id: e
tasks:
  good:
    params: {n: int}
    command: 'echo good{{n}} >> "$DIARY"; echo {{n}} > model'
    outputs: [model]
  big:
    params: {n: int}
    command: "head -c 20000 /dev/zero > big"
    outputs: [big]
plan:
  good: {task: good, sweep: {n: {range: [0, 4]}}}
  big: {task: big, params: {n: 0}}
"""


class Filesystems(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.small = self.here / "small"
        self.small.mkdir()
        self.workspace = self.small / "ws"
        self.env["DIARY"] = str(self.here / "diary")
        self.write("e.yaml", PLAN)

    def mount(self, options):
        """A filesystem in memory."""
        if self.command("mount", "-t", "tmpfs", "-o", options, "none", self.small).status != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.small)], check=True)

    def remount(self, options):
        result = self.command("mount", "-o", f"remount,{options}", self.small)
        self.assertEqual(result.status, 0, result)

    def told(self, what, outcomes):
        self.assertNotEqual(outcomes[0], 0)
        self.assertEqual(outcomes[-1], 0)
        self.assertEqual(len(self.done()), 5)
        print(f"{what}: exit statuses {', '.join(map(str, outcomes))}; all done at the end", file=sys.stderr)

    def done(self):
        """Jobs that are marked done."""
        return {path.parent for path in self.workspace.glob("jobs/*/*/*.done")}

    def check_markers(self):
        for job in self.done():
            if job.parent.name == "good":
                self.assertTrue((job / "model").stat().st_size > 0, job)

    def test_a_full_filesystem_that_is_given_space_goes_on(self):
        # From one in which nothing can be made to one in which all can.
        outcomes = []
        self.mount("size=4k")
        for kilobytes in [*range(4, 260, 16), 2048]:
            self.remount(f"size={kilobytes}k")
            result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "-j", 2, "e.yaml")
            outcomes.append(result.status)
            self.assertIn(result.status, (0, 1, 3), f"{kilobytes} kB\n{result}")
            if result.status == 3:
                self.assertRegex(result.err, "(?i)no space left", f"{kilobytes} kB\n{result}")
            self.assertNotIn("killed by signal", result.err)
            self.check_markers()
            listed = self.command(xpmtest.XPM, "jobs", "list", "--workdir", self.workspace)
            self.assertIn(listed.status, (0, 3), f"{kilobytes} kB\n{listed}")
        self.told("a full filesystem, given space step by step", outcomes)

    def test_what_is_full_can_be_cleaned(self):
        self.mount("size=4m,nr_inodes=200")
        for what in ("room", "inodes"):
            run = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "e.yaml")
            self.assertEqual(run.status, 0, run)
            made, number = [self.small / "fill"], 0
            try:
                if what == "room":
                    made[0].write_bytes(bytes(8 << 20))
                while True:
                    made.append(self.small / f"fill{number}")
                    made[-1].touch()
                    number += 1
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
            # What a run counts on is as it was.
            with open(self.workspace / "experiments/e/lock", "a", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                kept = self.command(xpmtest.XPM, "jobs", "clean", "--workdir", self.workspace, "--perform", "--all")
            self.assertEqual((kept.status, len(self.done()), kept.err.count("counts on it")), (1, 5, 5), kept)
            cleaned = self.command(xpmtest.XPM, "jobs", "clean", "--workdir", self.workspace, "--perform", "--all")
            self.assertEqual((cleaned.status, list(self.workspace.glob("jobs/*/*"))), (0, []), cleaned)
            for path in made:
                path.unlink(missing_ok=True)

    def test_a_filesystem_without_inodes_that_is_given_some_goes_on(self):
        outcomes = []
        self.mount("size=4m,nr_inodes=2")
        for inodes in [2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 4000]:
            self.remount(f"nr_inodes={inodes}")
            result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "-j", 2, "e.yaml")
            outcomes.append(result.status)
            self.assertIn(result.status, (0, 1, 3), f"{inodes} inodes\n{result}")
            self.assertNotIn("killed by signal", result.err)
            self.check_markers()
        self.told("a filesystem without inodes, given some step by step", outcomes)

    def test_a_workspace_that_is_read_only_is_refused_by_name(self):
        self.mount("size=4m")
        self.run_experiment("--only", "good", "e.yaml")
        self.remount("ro")
        told = self.run_experiment("e.yaml", status=3)
        self.assertRegex(told.err, r"read-only.*small/ws")
        self.assertEqual(self.xpm("jobs", "list", "--workdir", self.workspace).status, 0)
        self.remount("rw")
        self.run_experiment("e.yaml")
        self.assertEqual(len(self.done()), 5)
        self.assertEqual(sorted(self.read("diary").split()), [f"good{n}" for n in range(4)])


if __name__ == "__main__":
    unittest.main()
