"""Removal at the same time as something else, at each call that changes files: shim.c is preloaded, and n counts up until a command
comes to its end without it.

The cleaner dies: what it was to remove is there and as done as it was, or gone; the next one finishes what it left. The cleaner, or a
second one, or the engine, stops just before the call while the other goes on, for as long as it can: no job is run without what it
needs, and what is wanted is there at the end.

XPM_FAULT_STRIDE takes every so many calls only (1).
"""
import concurrent.futures
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import unittest

import xpmtest

STRIDE = int(os.environ.get("XPM_FAULT_STRIDE", "1"))

PLAN = """\
id: e
tasks:
  make: {command: 'echo made >> "$DIARY"; echo > data', outputs: [data]}
  use: {params: {from: make, n: int}, command: 'read line < "$GO" && cat {{from.job.path}}/data'}
plan:
  make: {task: make}
  use: {task: use, params: {from: {each: make}, n: NUMBER}}
"""


class Place:
    """A copy of the workspace in which both jobs are done, for what is tried at one call."""

    def __init__(self, case, number):
        self.case, self.number, self.here = case, number, case.here / f"{case.sweeps}-{number}"
        shutil.copytree(case.done, self.here, symlinks=True)
        self.workspace, self.fired = self.here / "ws", self.here / "fired"
        self.make = next((self.workspace / "jobs/make").iterdir())
        self.started = []
        self.go = os.open(self.fifo(), os.O_RDWR)

    def fifo(self):
        path = self.here / "go"
        os.mkfifo(path)
        return path

    def let_use(self):
        """What needs `make` looks for it only now."""
        os.write(self.go, b"go\n")

    def start(self, *words, how=None):
        env = {**self.case.env, "DIARY": str(self.here / "diary"), "GO": str(self.here / "go")}
        if how:
            env.update(LD_PRELOAD=self.case.preload, XPM_SHIM_ROLE=words[0], XPM_SHIM_HOW=how, XPM_SHIM_FIRED=str(self.fired), XPM_SHIM_CALL=str(self.number))
        words = [xpmtest.XPM, words[0], *words[1:2 if words[0] == "jobs" else 1], "--workdir", self.workspace, *words[2 if words[0] == "jobs" else 1:]]
        process = subprocess.Popen([str(word) for word in words], cwd=self.here, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
        self.started.append(process)
        return process

    def engine(self, how=None):
        return self.start("run-experiment", "-j", "2", "f.yaml", how=how)

    def cleaner(self, how=None):
        return self.start("jobs", "clean", "--perform", self.make.name, how=how)

    def sweeper(self, how=None):
        return self.start("orphans", "--clean", how=how)

    def stopped(self, process):
        """Wait until PROCESS has stopped itself, or has ended; which of them."""
        found = [0, 0]

        def look():
            found[:] = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
            return found[0] != 0

        self.wait_for(look)
        if os.WIFSTOPPED(found[1]):
            return True
        process.returncode = os.waitstatus_to_exitcode(found[1])
        return False

    def go_on(self, process):
        process.send_signal(signal.SIGCONT)

    def end(self, process, *expected):
        out, _ = process.communicate(timeout=xpmtest.PATIENCE)
        fired = self.fired.read_text() if self.fired.exists() else ""
        self.case.assertIn(process.returncode, expected, f"call {self.number}: {fired}{process.args}:\n{out}")
        return out

    def wait_for(self, happened):
        limit = time.monotonic() + xpmtest.PATIENCE
        while not happened():
            self.case.assertLess(time.monotonic(), limit, f"call {self.number}: nothing happens")
            select.select([], [], [], 0.01)

    def leftovers(self):
        return [path for path in self.workspace.rglob(".removed-*")]

    def close(self):
        os.close(self.go)
        for process in self.started:
            if process.poll() is None:
                self.go_on(process)
                process.kill()
                process.wait()
            process.stdout.close()


class Removal(xpmtest.Case):
    sweeps = 0

    def setUp(self):
        super().setUp()
        source = xpmtest.SOURCE / "tests" / "fault" / "shim.c"
        made = self.command("cc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", "shim.so", source, "-ldl")
        self.assertEqual(made.status, 0, made)
        asan = self.command("sh", "-c", f"ldd {xpmtest.XPM} | sed -n 's/.*=> \\(.*libasan[^ ]*\\).*/\\1/p'").out.strip()
        self.preload = " ".join(filter(None, (asan, str(self.here / "shim.so"))))
        self.done = self.here / "done"
        self.done.mkdir()
        (self.done / "e.yaml").write_text(PLAN.replace("NUMBER", "1"))
        (self.done / "f.yaml").write_text(PLAN.replace("NUMBER", "2").replace("id: e", "id: f"))
        self.xpm("run-experiment", "--workdir", self.done / "ws", "e.yaml", cwd=self.done, env={"DIARY": str(self.done / "diary"), "GO": str(self.done / "e.yaml")})

    def every_call(self, attempt, least):
        """attempt(place) at every call, until one is not struck; how many were."""
        at_once, results, number = 4, [], 1
        self.sweeps += 1

        def one(number):
            place = Place(self, number)
            try:
                return attempt(place)
            finally:
                place.close()
                shutil.rmtree(place.here)

        with concurrent.futures.ThreadPoolExecutor(at_once) as executor:
            while False not in results:
                results += executor.map(one, range(number, number + at_once * STRIDE, STRIDE))
                number += at_once * STRIDE
        struck = results.index(False)
        self.assertGreater(struck * STRIDE, least, "it makes no such calls?")
        return struck

    def test_a_cleaner_dies_at_each_call(self):
        def attempt(place):
            cleaner = place.cleaner("kill")
            place.end(cleaner, 0, -signal.SIGKILL)
            listed = place.start("jobs", "list", "--filter", "@name = \"make\"")
            state = "done" if (place.make / "make.done").exists() else "unscheduled"
            # The run's list says which job it was, also when it is gone.
            self.assertIn(place.make.name[:8], place.end(listed, 0))
            explained = place.end(place.start("explain", place.make.name), 0)
            self.assertIn(f"\n{state}", explained)
            place.end(place.cleaner(), 0)
            place.end(place.sweeper(), 0)
            self.assertFalse(place.make.exists())
            self.assertEqual(place.leftovers(), [])
            place.let_use()
            place.end(place.engine(), 0)
            self.assertTrue((place.make / "make.done").exists())
            return cleaner.returncode != 0

        struck = self.every_call(attempt, 10)
        print(f"jobs clean: killed at each of {struck} calls that change files; the next one finished it", file=sys.stderr)

    def test_two_clean_at_once(self):
        def attempt(place):
            shutil.rmtree(place.workspace / "experiments")
            first = place.sweeper("stop")
            struck = place.stopped(first)
            out = place.end(place.sweeper(), 0)
            if struck:
                place.go_on(first)
            out += place.end(first, 0)
            place.end(place.sweeper(), 0)
            self.assertEqual(out.count("removed  "), 2, out)
            self.assertEqual(list(place.workspace.glob("jobs/*/*")), [])
            self.assertEqual(place.leftovers(), [])
            return struck

        struck = self.every_call(attempt, 10)
        print(f"orphans --clean: another one at each of {struck} calls of the first; all went, without an error", file=sys.stderr)

    def test_an_engine_runs_while_a_cleaner_works(self):
        def attempt(place):
            cleaner = place.cleaner("stop")
            struck = place.stopped(cleaner)
            engine = place.engine()
            # It has begun to use the job, or sees that it is held, and waits.
            events = place.workspace / "experiments/f/current/events/event-0.jsonl"
            place.wait_for(lambda: events.exists() and '"running"' in events.read_text())
            if struck:
                place.go_on(cleaner)
            place.end(cleaner, 0, 1)
            place.let_use()
            place.end(engine, 0)
            self.assertEqual(place.leftovers(), [])
            return struck

        struck = self.every_call(attempt, 10)
        print(f"jobs clean: an engine at each of {struck} calls; each run ended well", file=sys.stderr)

    def test_a_cleaner_works_while_an_engine_runs(self):
        def attempt(place):
            place.let_use()
            engine = place.engine("stop")
            struck = place.stopped(engine)
            out = place.end(place.cleaner(), 0, 1)
            self.assertRegex(out, "^(removed|xpm: cannot remove .*counts on it)")
            if struck:
                place.go_on(engine)
            place.end(engine, 0)
            return struck

        struck = self.every_call(attempt, 10)
        print(f"run-experiment: a cleaner at each of {struck} calls; each run ended well", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
