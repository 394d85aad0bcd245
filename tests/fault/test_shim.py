"""Death and failure at each call that changes files: shim.c is preloaded, and n counts up until a run comes to its end without it.

A death (of the worker, or of the engine): the same command, given again when the engine died, ends well, and no job has been run
more than once more. A failing call (EIO once, or a disk that is full from then on): the run ends well all the same, or says what failed and with which
file; nothing is marked as done that has not ended; the same command without the shim ends well. The same when there is no descriptor or no
process left, and when the filesystem becomes read-only; a write that is cut short is made good.

XPM_FAULT_STRIDE takes every so many calls only (1).
"""
import concurrent.futures
import errno
import json
import os
import signal
import sys
import unittest

import xpmtest

STRIDE = int(os.environ.get("XPM_FAULT_STRIDE", "1"))

# Short and long jobs (a long one is announced), dependencies, outputs, a token, a second try after a failure.
PLAN = """\
id: e
tokens: {seat: 1}
tasks:
  a:
    params: {n: int}
    command: 'echo begin{{n}} >> "$DIARY"; echo > data; test {{n}} = 1 || sleep 0.1; echo end{{n}} >> "$DIARY"'
    outputs: [data]
    tokens: {seat: 1}
  b:
    params: {n: int, from: a}
    command: 'echo begin{{n}} >> "$DIARY"; test "$(grep -c begin{{n}} "$DIARY")" -gt 1 || exit 7; echo end{{n}} >> "$DIARY"'
    retry: {on: [failed], times: 1}
plan:
  short: {task: a, params: {n: 1}}
  long: {task: a, params: {n: 2}}
  b: {task: b, params: {n: 3, from: {each: long}}}
"""
JOBS = {1: 1, 2: 1, 3: 2}  # the runs that each takes


class Place:
    """A directory of its own for what is tried at one call."""

    def __init__(self, case, number):
        self.case, self.here = case, case.here / f"{case.sweeps}-{number}"
        self.workspace, self.diary, self.fired = (self.here / name for name in ("ws", "diary", "fired"))
        self.here.mkdir()
        self.number, self.where = number, ""

    def run(self, **shim):
        env = {"DIARY": str(self.diary), **{f"XPM_SHIM_{key.upper()}": str(value) for key, value in shim.items()}}
        if shim:
            env.update(LD_PRELOAD=self.case.preload, XPM_SHIM_FIRED=str(self.fired), XPM_SHIM_CALL=str(self.number))
        done = self.case.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "-j", 1, "e.yaml", env=env)
        self.where += f"{done}\n"
        return done

    def struck(self):
        if not self.fired.exists():
            return False
        self.where = f"call {self.number}: {self.fired.read_text()}{self.where}"
        return True

    def count(self, word):
        return self.diary.read_text().split().count(word) if self.diary.exists() else 0

    def check_complete(self, extra):
        """All is done, and no more than EXTRA runs more than needed."""
        for number in JOBS:
            self.case.assertGreaterEqual(self.count(f"end{number}"), 1, self.where)
        runs = sum(self.count(f"begin{number}") for number in JOBS)
        self.case.assertLessEqual(runs, sum(JOBS.values()) + extra, self.where)
        self.case.assertEqual(self.check_claims(), len(JOBS), self.where)
        self.case.assertEqual(list(self.workspace.glob("tokens/*/jobs/*")), [], self.where)

    def check_claims(self):
        """Whoever is said to be done, by marker or by committed status, has ended and left its output; how many are."""
        claimed = 0
        for job in self.workspace.glob("jobs/*/*"):
            status, state = job / ".experimaestro" / "status.json", None
            if status.exists():
                state = json.loads(status.read_text())["state"]
            if state != "done" and not (job / f"{job.parent.name}.done").exists():
                continue
            claimed += 1
            number = json.loads((job / "params.json").read_text())["params"]["n"]
            self.case.assertGreaterEqual(self.count(f"end{number}"), 1, self.where)
            self.case.assertTrue(job.parent.name != "a" or (job / "data").exists(), self.where)
        return claimed


class Shim(xpmtest.Case):
    sweeps = 0

    def setUp(self):
        super().setUp()
        source = xpmtest.SOURCE / "tests" / "fault" / "shim.c"
        made = self.command("cc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", "shim.so", source, "-ldl")
        self.assertEqual(made.status, 0, made)
        asan = self.command("sh", "-c", f"ldd {xpmtest.XPM} | sed -n 's/.*=> \\(.*libasan[^ ]*\\).*/\\1/p'").out.strip()
        self.preload = " ".join(filter(None, (asan, str(self.here / "shim.so"))))
        self.write("e.yaml", PLAN)
        # The host is described, since what hwloc reads of a real one is a hundred calls more and no business of ours.
        self.env["HWLOC_SYNTHETIC"] = "core:2 pu:1"

    def every_call(self, attempt, stride=STRIDE, least=20):
        """attempt(place) at every call, until a few in a row are not struck; how often one was, and what was returned then.

        One is not enough: a run that takes longer makes a few calls more, since it looks more often at what its jobs use.
        """
        at_once, results, number = 4, [], 1
        self.sweeps += 1
        with concurrent.futures.ThreadPoolExecutor(at_once) as executor:
            while not results or any(results[-at_once:]):
                places = [Place(self, number + i * stride) for i in range(at_once)]
                results += executor.map(attempt, places)
                number += at_once * stride
        struck = [result for result in results if result]
        self.assertGreater(len(struck) * stride, least, "it makes no such calls?")
        return len(struck), struck

    def deaths(self, role):
        def attempt(place):
            done = place.run(role=role, how="kill")
            if not place.struck():
                self.assertEqual(done.status, 0, done)
                return place.check_complete(0)
            if role == "run-experiment":
                self.assertEqual(done.status, -signal.SIGKILL, place.where)
                done = place.run()
            self.assertEqual(done.status, 0, place.where)
            place.check_complete(1)
            self.assertEqual(os.listdir(place.workspace / ".tmp"), [], place.where)
            return True

        struck, _ = self.every_call(attempt)
        print(f"{role}: killed at each of {struck} calls that change files; the same command made good each", file=sys.stderr)

    def failures(self, role, how, number, calls="change files", **every):
        def attempt(place):
            done = place.run(role=role, how=how, errno=number)
            if not place.struck():
                self.assertEqual(done.status, 0, done)
                return place.check_complete(0)
            # 2: what cannot be read is the plan.
            self.assertIn(done.status, (0, 1, 2, 3) if "e.yaml'" in done.err else (0, 1, 3), place.where)
            self.assertNotIn("killed by signal", done.err, place.where)
            if done.status == 0:
                place.check_complete(0)
            else:
                place.check_claims()
                named = f"'[^']+'(.|\n)*{words}|{words}(.|\n)*'[^']+'"
                self.assertRegex(done.err.lower(), named if calls == "change files" else words, place.where)
            self.assertNotIn("Sanitizer", done.err, place.where)
            again = place.run()
            self.assertEqual(again.status, 0, place.where)
            place.check_complete(2)
            return "well" if done.status == 0 else "said"

        words = os.strerror(number).lower()
        struck, results = self.every_call(attempt, **every)
        print(f"{role}: {errno.errorcode[number]} ({how}) at each of {struck} calls that {calls}: {results.count('well')} runs "
              f"ended well, {results.count('said')} said what failed; the same command ended well after each", file=sys.stderr)

    def test_the_worker_dies_at_each_call(self):
        self.deaths("worker")

    def test_the_engine_dies_at_each_call(self):
        self.deaths("run-experiment")

    def test_each_call_of_the_worker_fails(self):
        self.failures("worker", "once", errno.EIO)

    def test_each_call_of_the_engine_fails(self):
        self.failures("run-experiment", "once", errno.EIO)

    def test_the_disk_is_full_at_each_call_of_the_worker(self):
        self.failures("worker", "on", errno.ENOSPC)

    def test_the_disk_is_full_at_each_call_of_the_engine(self):
        self.failures("run-experiment", "on", errno.ENOSPC)

    def test_the_filesystem_becomes_read_only_at_each_call(self):
        self.failures("worker", "on", errno.EROFS)
        self.failures("run-experiment", "on", errno.EROFS)

    def test_no_descriptor_is_left_at_each_call(self):
        for role in ("worker", "run-experiment"):
            for how in ("once", "on"):
                self.failures(role, how, errno.EMFILE, "open descriptors")

    def test_no_process_can_be_started_at_each_call(self):
        for role in ("worker", "run-experiment"):
            for how in ("once", "on"):
                self.failures(role, how, errno.EAGAIN, "start processes", stride=1, least=0)

    def test_a_write_that_is_cut_short_is_made_good(self):
        def attempt(place):
            done = place.run(role=role, how="short")
            self.assertEqual(done.status, 0, place.where)
            place.check_complete(0)
            return True if place.struck() else None

        for role in ("worker", "run-experiment"):
            struck, _ = self.every_call(attempt, least=5)
            print(f"{role}: half was written at each of {struck} writes to files and sockets; each was made good", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
