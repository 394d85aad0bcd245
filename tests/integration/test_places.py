"""Jobs have cores and devices for themselves, are bound to them, and say so."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import xpmtest

CORES = sorted(os.sched_getaffinity(0))

# Takes a directory for each processor that it may use, and fails when it is somebody else's.
CLAIM = """\
import os, sys, time
mine = sorted(os.sched_getaffinity(0))
for cpu in mine:
    os.mkdir(f"{sys.argv[1]}/{cpu}")
time.sleep(float(sys.argv[2]))
for cpu in mine:
    os.rmdir(f"{sys.argv[1]}/{cpu}")
print(",".join(map(str, mine)))
"""

# The first one stays until somebody opens `end`; it fails where another one is at the same time.
STAYS = """\
import os, sys
here, number = sys.argv[1:]
os.mkdir(f"{here}/place")
if number == "1":
    worker = os.getppid()
    guardian = open(f"/proc/{worker}/stat").read().rsplit(")", 1)[1].split()[1]
    with open(f"{here}/begun", "w") as begun:
        print(os.getpid(), worker, guardian, file=begun)
    open(f"{here}/end").close()
os.rmdir(f"{here}/place")
"""

PLAN = """\
id: {id}
tasks:
  t:
    params: {{n: int, c: int}}
    requirements: "cpu(cores={{{{c}}}})"
    command: [{python}, {claim}, {places}, '0.02']
plan:
  t: {{task: t, sweep: {{n: {{range: [0, {count}]}}, c: [{cores}]}}}}
"""

NODE = xpmtest.SOURCE / "tests" / "data" / "topologies" / "node_intel.xml"


class Places(xpmtest.Case):
    def run_plan(self, *options, plan="e.yaml", status=0):
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, *options, plan)
        self.assertEqual(result.status, status, result)
        return result

    def jobs(self, task):
        return sorted(self.workspace.glob(f"jobs/{task}/*"))

    def status(self, job):
        return json.loads((job / ".experimaestro" / "status.json").read_text())

    def claim_plan(self, name, count, cores):
        (self.here / "places").mkdir(exist_ok=True)
        self.write("claim.py", CLAIM)
        self.write(f"{name}.yaml", PLAN.format(id=name, python=sys.executable, claim=self.here / "claim.py",
                                               places=self.here / "places", count=count,
                                               cores=", ".join(map(str, cores))))

    def test_a_job_runs_where_its_status_says(self):
        self.claim_plan("e", 3, sorted({1, len(CORES)}))
        self.run_plan()
        for job in self.jobs("t"):
            resources, asked = self.status(job)["resources"], json.loads((job / "params.json").read_text())["params"]["c"]
            seen = [int(cpu) for cpu in (job / "t.out").read_text().split(",")]
            told = []
            for part in resources["cpuset"].split(","):
                first, _, last = part.partition("-")
                told += range(int(first), int(last or first) + 1)
            self.assertEqual(seen, told)
            self.assertEqual(resources["cores"], asked)
            self.assertNotIn("seen", resources)

    def test_three_engines_side_by_side_never_use_a_core_twice(self):
        if len(CORES) < 2:
            self.skipTest("needs two cores")
        engines = []
        for name in ("one", "two", "three"):
            self.claim_plan(name, 12, [1, 2])
            engines.append(subprocess.Popen([xpmtest.XPM, "run-experiment", "--workdir", self.here / f"ws-{name}",
                                             f"{name}.yaml"], cwd=self.here, env=self.env, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True))
        for engine in engines:
            out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
            self.assertEqual(engine.returncode, 0, out)
            self.assertIn("24 done", out)
        self.assertEqual(list((self.here / "places").iterdir()), [])

    def holders(self):
        return json.loads(self.command(xpmtest.XPM, "resources", "--json").out)["holders"]

    def wait_until(self, holds):
        end = time.monotonic() + xpmtest.PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), end)

    def test_what_an_orphan_runs_on_is_not_given_to_another_engine(self):
        """Engine, guardian and worker are killed at once, and the job lives on."""
        os.mkfifo(self.here / "begun")
        os.mkfifo(self.here / "end")
        self.write("stays.py", STAYS)
        for name, number in (("one", 1), ("two", 2)):
            self.write(f"{name}.yaml", f"""\
id: {name}
tasks:
  t:
    params: {{n: int}}
    requirements: "cpu(cores={len(CORES)})"
    command: [{sys.executable}, {self.here}/stays.py, {self.here}, '{{{{n}}}}']
plan:
  t: {{task: t, params: {{n: {number}}}}}
""")
        engines = [self.start_quietly("one")]
        with open(self.here / "begun") as begun:
            job, worker, guardian = map(int, begun.read().split())
        try:
            dying = [engines[0].pid, guardian, worker]
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in dying:
                    os.kill(pid, number)
            engines[0].wait()
            self.wait_until(lambda: [one["pid"] for one in self.holders()] == [None])
            engines.append(self.start_quietly("two"))
            self.wait_until(lambda: any(one["waits"] for one in self.holders()) or engines[1].poll() is not None)
            self.assertIsNone(engines[1].poll())
            with open(self.here / "end", "w"):
                pass
            self.assertEqual(engines[1].wait(xpmtest.PATIENCE), 0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(job, signal.SIGKILL)
            for engine in engines:
                engine.kill()
                engine.wait()

    def start_quietly(self, name):
        return subprocess.Popen([xpmtest.XPM, "run-experiment", "--workdir", self.here / f"ws-{name}", f"{name}.yaml"],
                                cwd=self.here, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_a_wide_job_has_the_host_for_itself(self):
        self.claim_plan("e", 4, sorted({1, len(CORES)}, reverse=True))
        self.run_plan("-j", len(CORES))

    def test_variables_tell_what_a_job_has(self):
        self.write("e.yaml", """\
id: e
tasks:
  t:
    params: {n: int}
    requirements: cpu(cores=%d)
    command: 'echo $OMP_NUM_THREADS $XPM_CORES $XPM_GPUS "$OMP_PLACES"'
  own:
    params: {n: int}
    env: {OMP_NUM_THREADS: '7'}
    command: 'echo $OMP_NUM_THREADS'
plan:
  t: {task: t, params: {n: 1}}
  own: {task: own, params: {n: 1}}
""" % len(CORES))
        self.env["OMP_NUM_THREADS"] = "99"
        self.run_plan()
        words = (self.jobs("t")[0] / "t.out").read_text().split()
        self.assertEqual(words[:3], [str(len(CORES)), str(len(CORES)), "0"])
        self.assertEqual(words[3].count("{"), len(CORES))
        self.assertEqual((self.jobs("own")[0] / "own.out").read_text(), "7\n")

    def test_a_job_sees_its_own_devices_and_no_others(self):
        self.env.update(HWLOC_XMLFILE=str(NODE), HWLOC_THISSYSTEM="0", CUDA_VISIBLE_DEVICES="9", ROCR_VISIBLE_DEVICES="9",
                        ZE_AFFINITY_MASK="9", ZE_FLAT_DEVICE_HIERARCHY="FLAT")
        self.write("e.yaml", """\
id: e
tasks:
  two:
    params: {n: int}
    requirements: gpu()*2
    command: 'echo "$CUDA_VISIBLE_DEVICES;$ROCR_VISIBLE_DEVICES;$XPM_GPUS;$ZE_AFFINITY_MASK;$ZE_FLAT_DEVICE_HIERARCHY"'
  none:
    params: {n: int}
    command: 'echo "$CUDA_VISIBLE_DEVICES;$ROCR_VISIBLE_DEVICES;$XPM_GPUS;$ZE_AFFINITY_MASK;$ZE_FLAT_DEVICE_HIERARCHY"'
plan:
  two: {task: two, params: {n: 1}}
  none: {task: none, params: {n: 1}}
""")
        shown = self.command(xpmtest.XPM, "resources", "--json").objects()[0]["gpus"]
        kinds = {gpu["kind"] for gpu in shown}
        self.run_plan()
        job = self.jobs("two")[0]
        cuda, rocm, count, mask, hierarchy = (job / "two.out").read_text().strip().split(";")
        self.assertEqual(count, "2")
        devices = self.status(job)["resources"]["devices"].split(",")
        self.assertEqual(len(set(devices)), 2)
        self.assertEqual((mask.split(","), hierarchy), (devices, "COMPOSITE"))
        for word, kind in ((cuda, "cuda"), (rocm, "rocm")):
            if kind in kinds:
                self.assertNotIn("9", word.split(","))
        cuda, rocm, count, mask, _ = (self.jobs("none")[0] / "none.out").read_text().strip().split(";")
        self.assertEqual(mask, "9999")
        self.assertEqual((cuda if "cuda" in kinds else "", rocm if "rocm" in kinds else "", count), ("", "", "0"))

    def test_what_fits_nowhere_fails_before_anything_runs(self):
        self.write("e.yaml", """\
id: e
tasks:
  huge: {params: {n: int}, requirements: "cpu(cores=100000)", command: "true"}
  after: {params: {h: huge}, command: "true"}
  small: {params: {n: int}, command: "true"}
plan:
  huge: {task: huge, params: {n: 1}}
  after: {task: after, params: {h: {each: huge}}}
  small: {task: small, params: {n: 1}}
""")
        said = f"it wants 100000 cores, and this host has {len(CORES)}"
        dry = self.run_plan("--run-mode", "dry-run")
        self.assertRegex(dry.out, r"fits nowhere +huge")
        self.assertRegex(dry.out, r"blocked +after")
        self.assertIn(said, dry.out)
        shown = {job["task_id"]: job["why_not"] for job in self.run_plan("--run-mode", "dry-run", "--json").objects()}
        self.assertEqual(shown, {"huge": f"local: {said}", "after": None, "small": None})
        self.assertFalse(self.workspace.exists())
        result = self.run_plan(status=1)
        self.assertIn(said, result.err)
        self.assertIn("1 done, 2 failed (1 for want of a dependency)", result.out)
        failed = json.loads((self.jobs("huge")[0] / "huge.failed").read_text())
        self.assertEqual((failed["reason"], failed["code"]), ("launch", None))
        # On a host that has them it runs.
        self.env["HWLOC_SYNTHETIC"] = "core:2000 pu:1"
        self.write("e.yaml", self.read("e.yaml").replace("100000", "2000"))
        self.run_plan()

    def test_a_job_that_leaves_its_cores_is_a_warning(self):
        if len(CORES) < 2:
            self.skipTest("needs two cores")
        self.write("e.yaml", """\
id: e
tasks:
  t:
    params: {n: int}
    command: |
      taskset -pc %d,%d $$ > /dev/null
      until grep -q seen .experimaestro/status.json; do sleep 0.05; done
plan:
  t: {task: t, params: {n: 1}}
""" % (CORES[0], CORES[1]))
        result = self.run_plan()
        self.assertRegex(result.err, rf"warning: job 't/[0-9a-f]{{8}}' was given the processors \d+ and runs on")
        self.assertIn("1 warning above", result.out)
        self.assertIn("seen", self.status(self.jobs("t")[0])["resources"])

    def test_more_jobs_than_cores_share_them_when_they_asked_for_nothing(self):
        """They wait for each other, so all must run at once."""
        many = len(CORES) * 2
        self.write("e.yaml", """\
id: e
tasks:
  t:
    params: {n: int}
    command: "touch '%s'/at-{{n}}; until [ $(ls '%s' | grep -c at-) = %d ]; do sleep 0.02; done"
plan:
  t: {task: t, sweep: {n: {range: [0, %d]}}}
""" % (self.here, self.here, many, many))
        self.run_plan("-j", many)

    def test_a_run_file_by_hand_gets_what_there_is(self):
        self.write("e.yaml", """\
id: e
tasks:
  t: {params: {n: int}, requirements: "cpu(cores=100000)", command: "echo $XPM_CORES"}
plan:
  t: {task: t, params: {n: 1}}
""")
        self.run_plan("--run-mode", "generate")
        by_hand = self.command("sh", self.jobs("t")[0] / "t.sh")
        self.assertEqual(by_hand.status, 0, by_hand)
        self.assertRegex(by_hand.err, rf"asked for 100000 cores and has {len(CORES)}")

    def test_a_retry_asks_for_no_more_than_its_launcher_has(self):
        self.write("launchers.yaml", "launchers: {small: {type: local, memory: 100M, host: {max_duration: 3s}}}\n")
        self.write("e.yaml", """\
id: e
tasks:
  t:
    params: {n: int}
    requirements: cpu(mem=60M) & duration=1s
    retry: {on: [memory, timeout], scale: {mem: 3, duration: 100}}
    command:
      - '%s'
      - -c
      - |
        import os, time
        x = b"a" * (100 << 20) if not os.path.exists("t.err.1") else ""
        os.path.exists("t.err.2") or time.sleep(100)
plan:
  t: {task: t, params: {n: 1}}
""" % sys.executable)
        self.run_plan("--xpm-config-dir", self.here)
        job = self.jobs("t")[0]
        self.assertEqual([attempt["reason"] for attempt in self.status(job)["attempts"]], ["memory", "timeout"])
        self.assertEqual(self.status(job)["resources"]["memory"], 100 << 20)
        self.assertEqual(json.loads((job / "params.json").read_text())["run"]["resources"]["duration"], 3)

    def test_what_cannot_be_shared_is_told(self):
        self.env["XPM_STOCK"] = str(self.here / "none" / "such")
        self.write("e.yaml", """\
id: e
tasks:
  t: {params: {n: int}, command: "true"}
plan:
  t: {task: t, params: {n: 1}}
""")
        said = "cores are not shared with other runs on this host: cannot make '%s'" % self.env["XPM_STOCK"]
        self.run_plan("--run-mode", "generate")
        self.assertIn(said, self.command("sh", self.jobs("t")[0] / "t.sh").err)
        self.assertIn(said, self.run_plan("--rerun", "all").err)
        self.env["XPM_STOCK"] = "private"
        self.assertEqual(self.run_plan("--rerun", "all").err, "")

    def test_a_run_file_that_waits_for_its_place_can_be_interrupted(self):
        self.write("e.yaml", """\
id: e
tasks:
  t: {params: {n: int}, command: "true"}
  all:
    params: {n: int}
    requirements: cpu(cores=%d)
    command: "echo begun > '%s'/begun; until [ -e '%s'/end ]; do sleep 0.02; done"
plan:
  t: {task: t, params: {n: 1}}
  all: {task: all, params: {n: 1}}
""" % (len(CORES), self.here, self.here))
        self.run_plan("--run-mode", "generate")
        os.mkfifo(self.here / "begun")
        engine = self.start("run-experiment", "--workdir", self.workspace, "--only", "all", "e.yaml")
        self.addCleanup((self.here / "end").touch)
        self.assertEqual(self.read("begun"), "begun\n")
        by_hand = subprocess.Popen(["sh", self.jobs("t")[0] / "t.sh"], env=self.env, stderr=subprocess.PIPE, text=True)
        said = ""
        while "it waits for them" not in said:
            line = by_hand.stderr.readline()
            self.assertTrue(line, said)
            said += line
        by_hand.send_signal(signal.SIGINT)
        rest = by_hand.communicate(timeout=xpmtest.PATIENCE)[1]
        (self.here / "end").touch()
        engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, 0)
        self.assertEqual((by_hand.returncode, rest), (130, f"xpm: interrupted before it began: '{self.jobs('t')[0]}'\n"))

    def test_a_lack_of_memory_and_devices_is_told_too(self):
        self.env["HWLOC_SYNTHETIC"] = "numa:1(memory=1GiB) core:1 pu:1"
        self.write("e.yaml", """\
id: e
tasks:
  t: {params: {n: int}, requirements: "cpu(mem=5G) & gpu()*2", command: "true"}
plan:
  t: {task: t, params: {n: 1}}
""")
        self.run_plan("--run-mode", "generate")
        by_hand = self.command("sh", self.jobs("t")[0] / "t.sh")
        self.assertEqual(by_hand.status, 0, by_hand)
        self.assertIn(" asked for 5120 MiB of memory and has 1024, for 2 GPUs and has 0: there is no more here",
                      by_hand.err)

    def test_more_memory_at_a_retry_than_there_is_is_told(self):
        self.env["HWLOC_SYNTHETIC"] = "numa:1(memory=100MiB) core:1 pu:1"
        self.write("e.yaml", """\
id: e
tasks:
  t:
    params: {n: int}
    requirements: cpu(mem=60M)
    retry: {on: [memory], scale: {mem: 3}}
    command: ['%s', '-c', 'import os, time; x = b"a" * (100 << 20); os.path.exists("t.err.1") or time.sleep(100)']
plan:
  t: {task: t, params: {n: 1}}
""" % sys.executable)
        result = self.run_plan()
        self.assertIn("asked for 180 MiB of memory and has 100", result.err)
        self.assertIn("1 warning above", result.out)


if __name__ == "__main__":
    unittest.main()
