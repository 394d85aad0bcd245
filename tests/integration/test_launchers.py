"""xpm find-launchers, xpm launchers list, xpm launchers check: on a host of 128 cores, 512G and 8 GPUs of 80G."""
import json
import unittest

import xpmtest

SEVERAL = """\
launchers:
  desk:
    type: local
    cores: 8
    memory: 16G
    tags: [day]
  whole:
    type: local
    tags: [day, night]
    host: {max_duration: 4h}
  twin: {type: local, cores: 8}
  cards:
    type: local
    priority: 5
    tags: [gpu, night]
    host: {cores: 32, memory: 128G, gpus: {count: 2, memory: 40G, type: cuda}, max_duration: 1d}
"""


class Launchers(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.env["HWLOC_XMLFILE"] = str(xpmtest.SOURCE / "tests" / "data" / "topologies" / "node128.xml")

    def find(self, requirement, *words, status=0):
        return self.xpm("find-launchers", "--xpm-config-dir", "conf", *words, requirement, status=status)

    def names(self, result):
        return [line.split()[0] for line in result.lines()]

    def only_local(self):
        """A place for modules with none but `local`."""
        modules = self.here / "modules"
        modules.mkdir()
        (modules / "local.so").symlink_to(xpmtest.BUILD / "lib" / "experimaestro" / "launchers" / "local.so")
        self.env["XPM_MODULEDIR"] = str(modules)

    # Finding.

    def test_the_highest_priority_that_can_takes_it(self):
        self.write("conf/launchers.yaml", SEVERAL)
        self.assertEqual(
            self.find("cpu(cores=4, mem=8G)").lines(),
            [
                "cards  cpu(cores=4, mem=8G)",
                "desk   not: it could run it, but has priority 0, and 'cards' 5",
                "whole  not: it could run it, but has priority 0, and 'cards' 5",
                "twin   not: it could run it, but has priority 0, and 'cards' 5",
            ],
        )
        result = self.find("cpu(cores=64)")
        self.assertEqual(
            result.lines(),
            [
                "whole  cpu(cores=64)",
                "cards  not: it wants 64 cores, and its hosts have 32",
                "desk   not: it wants 64 cores, and its hosts have 8",
                "twin   not: it wants 64 cores, and its hosts have 8",
            ],
        )
        self.assertEqual(result.err, "")

    def test_ties_go_by_the_order_in_the_file(self):
        self.write("conf/launchers.yaml", SEVERAL)
        result = self.find("duration=2d & cpu(cores=8)")
        self.assertEqual(result.lines()[0], "desk   duration=2d & cpu(cores=8)")
        self.assertIn("twin   not: it could run it, but 'desk' stands before it in launchers.yaml", result.lines())

    def test_tags_are_all_wanted(self):
        self.write("conf/launchers.yaml", SEVERAL)
        self.assertEqual(self.names(self.find("cpu(cores=2)", "--tags", "day"))[0], "desk")
        for tags in (["--tags", "day,night"], ["--tags", "night", "--tags", "day"], ["--tags=night,,day"]):
            result = self.find("cpu(cores=2)", *tags)
            self.assertEqual(self.names(result)[0], "whole")
            self.assertIn("cards  not: it has no tag 'day'", result.lines())
        result = self.find("cpu(cores=2)", "--tags", "day,gpu", status=1)
        self.assertTrue(all("  not: it has no tag '" in line for line in result.lines()), result)

    def test_the_first_alternative_that_somebody_can_satisfy_wins(self):
        self.write("conf/launchers.yaml", SEVERAL)
        result = self.find("cuda(mem=8G)*16 | cpu(cores=100) | cpu(cores=2)")
        self.assertEqual(result.lines()[0], "whole  cpu(cores=100)")
        self.assertIn("cards  not: it could run 'cpu(cores=2)', but 'cpu(cores=100)', which stands before, has 'whole'", result.lines())
        self.assertEqual(self.find("cuda(mem=40G)*2 | cpu(cores=100)").lines()[0], "cards  cuda(mem=40G)*2")

    def test_a_run_takes_the_one_that_is_found(self):
        self.write("conf/launchers.yaml", SEVERAL)
        for requirement in ("cpu(cores=4)", "cpu(cores=64)", "duration=2d", "cuda*4 | cpu(cores=2)", "cuda*9 | cpu(mem=256G)"):
            self.write("e.yaml", f"id: e\ntasks: {{t: {{command: 'true', requirements: '{requirement}'}}}}\nplan: {{s: {{task: t}}}}\n")
            heading, job = self.xpm("run-experiment", "--workdir", "ws", "--xpm-config-dir", "conf", "--run-mode", "dry-run", "e.yaml").lines()[:2]
            at = heading.index("launcher")
            self.assertEqual(job[at:].split()[0], self.names(self.find(requirement))[0], requirement)

    def test_none_is_status_1(self):
        self.write("conf/launchers.yaml", SEVERAL)
        result = self.find("rocm | cpu(cores=129)", status=1)
        self.assertEqual(len(result.lines()), 4)
        self.assertIn("whole  not: rocm: it wants 1 ROCm GPU, and this host has 0; cpu(cores=129): it wants 129 cores, and this host has 128", result.lines())

    def test_one_document_tells_the_same(self):
        self.write("conf/launchers.yaml", SEVERAL)
        (found,) = self.find("cpu(cores=64)|gpu", "--json").objects()
        self.assertEqual((found["launcher"], found["alternative"]), ("whole", "cpu(cores=64)"))
        self.assertEqual([one["name"] for one in found["launchers"]], ["whole", "cards", "desk", "twin"])
        self.assertEqual([one["alternative"] for one in found["launchers"]], ["cpu(cores=64)", "gpu", "gpu", "gpu"])
        self.assertIsNone(found["launchers"][0]["why_not"])
        (found,) = self.find("cpu(cores=129)", "--json", status=1).objects()
        self.assertEqual((found["launcher"], found["alternative"]), (None, None))
        self.assertTrue(all(one["why_not"] for one in found["launchers"]))

    def test_a_wrong_requirement_is_refused_with_its_place(self):
        for words in ([], ["--json"]):
            result = self.find("gpu | cpu(mem=32)", *words, status=2)
            self.assertEqual(result.out, "")
            self.assertEqual(result.err, "xpm: 'gpu | cpu(mem=32)', character 15: a memory size needs a unit: 32G?\n")
        self.assertIn("expected duration=", self.find("", status=2).err)
        self.assertIn("something is missing", self.xpm("find-launchers", status=2).err)

    def test_without_a_file_there_is_local(self):
        self.assertEqual(self.find("gpu*8").out, "local  gpu*8\n")
        self.assertEqual(self.find("gpu*9", status=1).out, "local  not: it wants 9 GPUs, and this host has 8\n")

    def test_a_module_that_is_not_there_is_said(self):
        self.write("conf/launchers.yaml", "launchers: {far: {type: slurm, priority: 3}, near: {type: local}}\n")
        self.only_local()
        self.expect_match(r"^near  cpu\(\)\nfar   not: there is no launcher 'slurm'", self.find("cpu()").out)

    # Listing.

    def test_all_are_listed(self):
        self.write("conf/launchers.yaml", SEVERAL)
        lines = self.xpm("launchers", "list", "--xpm-config-dir", "conf").lines()
        self.assertEqual(
            [line.split("  ")[0] for line in lines],
            ["LAUNCHER", "cards", "desk", "whole", "twin"],
        )
        self.expect_match(r"^cards +local +5 +gpu, night +32 +128G +2 cuda 80G +1d +launchers\.yaml:12$", lines[1])
        self.expect_match(r"^desk +local +0 +day +8 +16G +8 cuda 80G +- +launchers\.yaml:2$", lines[2])
        self.expect_match(r"^whole +local +0 +day, night +128 +512G +8 cuda 80G +4h +launchers\.yaml:7$", lines[3])

    def test_all_are_listed_as_objects(self):
        self.write("conf/launchers.yaml", SEVERAL + "  far: {type: slurm, host: {cores: 4}}\n  nothing: {type: mpi}\n")
        found = {one["name"]: one for one in self.xpm("launchers", "list", "--json", "--xpm-config-dir", "conf").objects()}
        self.assertEqual(list(found), ["cards", "desk", "whole", "twin", "far", "nothing"])
        self.assertEqual(
            found["cards"],
            {
                "name": "cards", "type": "local", "priority": 5, "tags": ["gpu", "night"], "cores": 32, "memory": 128 << 30,
                "gpus": [{"type": "cuda", "memory": 80 << 30, "count": 2}], "max_duration": 86400, "file": "conf/launchers.yaml", "line": 12,
            },
        )
        self.assertEqual([found["far"][key] for key in ("cores", "memory", "gpus", "max_duration")], [4, None, [], None])
        self.assertEqual([found["nothing"][key] for key in ("cores", "memory", "gpus")], [None, None, None])

    def test_without_a_file_local_is_listed(self):
        self.expect_match(r"\nlocal +local +0 +128 +512G +8 cuda 80G +- +by default\n$", self.xpm("launchers", "list").out)
        (found,) = self.xpm("launchers", "list", "--json").objects()
        self.assertEqual([found[key] for key in ("name", "tags", "file", "line")], ["local", [], None, None])

    # Checking.

    def check(self, *words, status=0):
        return self.xpm("launchers", "check", "--xpm-config-dir", "conf", *words, status=status)

    def test_a_right_file_is_fine(self):
        self.write("conf/launchers.yaml", SEVERAL)
        self.assertEqual(
            self.check().lines(),
            [
                "conf/launchers.yaml:2: desk: fine",
                "conf/launchers.yaml:7: whole: fine",
                "conf/launchers.yaml:11: twin: fine",
                "conf/launchers.yaml:12: cards: fine",
                "4 launchers: 0 cannot be used, 0 warnings",
            ],
        )

    def test_what_is_said_of_this_host_is_compared(self):
        self.write("conf/launchers.yaml", "launchers:\n  a: {type: local, cores: 200, memory: 1T}\n  b: {type: local}\n")
        lines = ["a: warning: it says 200 cores, and this host has 128", "a: warning: it says 1T of memory, and this host has 512G"]
        result = self.check()
        self.assertEqual(result.lines(), [f"conf/launchers.yaml:2: {line}" for line in lines] + ["conf/launchers.yaml:3: b: fine", "2 launchers: 0 cannot be used, 2 warnings"])
        (found,) = self.check("--json").objects()
        self.assertEqual((found["path"], found["exists"]), ("conf/launchers.yaml", True))
        self.assertEqual(found["launchers"][0]["warnings"], [line.removeprefix("a: warning: ") for line in lines])
        self.assertEqual([one["error"] for one in found["launchers"]], [None, None])

    def test_one_that_cannot_be_used_is_status_3(self):
        self.write("conf/launchers.yaml", "launchers:\n  near: {type: local}\n  far: {type: slurm}\n")
        self.only_local()
        result = self.check(status=3)
        self.assertEqual(result.lines()[0], "conf/launchers.yaml:2: near: fine")
        self.expect_match(r"^conf/launchers\.yaml:3: far: error: there is no launcher 'slurm'", result.lines()[1])
        self.assertEqual(result.lines()[2:], ["2 launchers: 1 cannot be used, 0 warnings"])
        self.assertEqual(result.err, "")
        (found,) = self.check("--json", status=3).objects()
        self.expect_match("there is no launcher 'slurm'", found["launchers"][1]["error"])

    def test_a_wrong_file_is_refused_with_its_place(self):
        for text, message in (
            ("launchers:\n  a: {type: local, cors: 8}\n", "conf/launchers.yaml:2:20: unknown key 'cors' in a launcher: did you mean 'cores'?"),
            ("launchers:\n  a:\n    type: local\n    memory: 32\n", "conf/launchers.yaml:4:13: 'cpu(mem=32)', character 9: a memory size needs a unit: 32G?"),
            ("launchers:\n  a: {type: lokal}\n", "conf/launchers.yaml:2:13: 'lokal' is no type of launcher: local, slurm or mpi"),
        ):
            self.write("conf/launchers.yaml", text)
            for words in (["launchers", "check"], ["launchers", "check", "--json"], ["launchers", "list"], ["find-launchers", "cpu()"]):
                result = self.xpm(*words, "--xpm-config-dir", "conf", status=2)
                self.assertEqual((result.out, result.err), ("", f"xpm: {message}\n"))

    def test_no_file_is_no_error(self):
        self.assertEqual(self.check().lines(), ["there is no 'conf/launchers.yaml'", "by default: local: fine", "1 launcher: 0 cannot be used, 0 warnings"])
        (found,) = self.check("--json").objects()
        self.assertEqual([found["exists"], found["launchers"][0]["line"]], [False, None])

    def test_a_host_that_cannot_be_looked_at_is_status_3(self):
        self.write("broken.xml", "<topology")
        self.env["HWLOC_XMLFILE"] = "broken.xml"
        self.assertIn("'broken.xml'", self.xpm("launchers", "list", status=3).err)

    def test_the_directory_may_be_said_before_the_second_word(self):
        self.write("conf/launchers.yaml", "launchers: {only: {type: local}}\n")
        self.assertIn("\nonly ", self.xpm("launchers", "--xpm-config-dir", "conf", "list").out)
        self.env["XDG_CONFIG_HOME"] = str(self.here)
        self.write("experimaestro/launchers.yaml", json.dumps({"launchers": {"home": {"type": "local"}}}))
        self.assertIn("\nhome ", self.xpm("launchers", "list").out)

    def test_ranks_that_are_to_be_on_several_hosts_are_not_for_this_one(self):
        env = {"HWLOC_SYNTHETIC": "core:8 pu:1"}
        told = self.xpm("find-launchers", "mpi(ranks=4, per_node=2)", env=env, status=1)
        self.assertIn("it wants 2 nodes, and this is one host", told.out + told.err)
        self.assertIn("local", self.xpm("find-launchers", "mpi(ranks=4, per_node=4)", env=env).out)


if __name__ == "__main__":
    unittest.main()
