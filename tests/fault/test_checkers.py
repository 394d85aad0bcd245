"""What is found by the tools that look for races and leaks: nothing.

Races are looked for in a build with the thread sanitizer (preset `tsan`), leaks by valgrind in one without sanitizers.
"""
import shutil
import unittest

import xpmtest

PLAN = """\
id: t
tokens: {seat: 3}
tasks:
  a: {params: {n: int}, command: [/bin/true]}
  b: {params: {a: a}, command: "sleep 0.08", tokens: {seat: 1}}
  c: {params: {n: int}, command: [/bin/false], retry: {on: [failed], times: 1}}
plan:
  a: {task: a, sweep: {n: {range: [0, JOBS]}}}
  b: {task: b, params: {a: {each: a, where: {n: [0, 1, 2, 3]}}}}
  c: {task: c, params: {n: 1}}
"""


class Checkers(xpmtest.Case):
    def plan(self, jobs):
        self.write("plan.yaml", PLAN.replace("JOBS", str(jobs)))
        return ["run-experiment", "--workdir", self.workspace, "-j", 6, "plan.yaml"]

    def linked(self, library):
        return library in self.command("ldd", xpmtest.XPM).out

    def reports(self):
        return "".join(path.read_text(errors="replace") for path in self.here.glob("report.*"))

    def test_no_races(self):
        if not self.linked("libtsan"):
            self.skipTest("this build has no thread sanitizer")
        self.env["TSAN_OPTIONS"] = f"log_path={self.here}/report"
        words = self.plan(40)
        for turn in range(3):
            shutil.rmtree(self.workspace, ignore_errors=True)
            engines = [self.start(*words) for _ in range(1 + turn % 2)]
            for engine in engines:
                out, err = engine.communicate(timeout=xpmtest.PATIENCE)
                self.assertEqual(engine.returncode, 1, out + err)
            self.assertEqual(self.reports(), "")

    def test_no_leaks_and_no_bad_accesses(self):
        if self.linked("san.so") or not shutil.which("valgrind"):
            self.skipTest("valgrind is missing, or this build has sanitizers")
        # It knows no descriptors of processes, so that nothing can be started below it; the address sanitizer sees to that.
        words = self.plan(6)
        valgrind = ["valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
                    "--show-leak-kinds=definite,indirect", "--error-exitcode=99",
                    f"--log-file={self.here}/report.%p"]
        self.xpm(*words, status=1)
        for more, status in ((["--keep-failed"], 1), (["--run-mode", "dry-run"], 0), (["--run-mode", "generate"], 0)):
            done = self.command(*valgrind, xpmtest.XPM, *words[:-1], *more, words[-1])
            self.assertEqual(done.status, status, f"{done}\n{self.reports()}")
        for listing in ("jobs", "experiments"):
            done = self.command(*valgrind, xpmtest.XPM, listing, "list", "--workdir", self.workspace)
            self.assertEqual(done.status, 0, f"{done}\n{self.reports()}")
        self.assertEqual(len(list(self.here.glob("report.*"))), 5)
        self.assertEqual(self.reports(), "")


if __name__ == "__main__":
    unittest.main()
