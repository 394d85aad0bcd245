"""xpm resources: what the topology of a host looks like, and who holds it."""
import os
import unittest

import xpmtest

TOPOLOGIES = xpmtest.SOURCE / "tests" / "data" / "topologies"


class Resources(xpmtest.Case):
    def test_a_recorded_host_is_drawn(self):
        self.env["HWLOC_XMLFILE"] = str(TOPOLOGIES / "node128.xml")
        lines = self.xpm("resources").lines()
        self.assertEqual(lines[0], "128 cores, 8 GPUs, 512G; described, not this host")
        self.assertIn("  NUMA 7     64G  112  ........ ........", lines)
        self.assertIn("  7  .  cuda7  NVIDIA H100     80G  NUMA 7  0000:81:00.0", lines)
        self.assertEqual(lines[-1], ".  free: 128 cores, 8 GPUs, 512G")

    def test_the_picture_is_as_wide_as_columns_says(self):
        self.env["HWLOC_SYNTHETIC"] = "pack:2 numa:1(memory=256GiB) l3:16 core:8 pu:2"
        for columns, width, rows in ((None, 80, 8), ("0", 80, 8), ("x", 80, 8), ("80", 80, 8), ("200", 200, 2), ("62", 62, 8), ("40", 40, 32), ("20", 40, 32)):
            self.env.pop("COLUMNS", None)
            if columns is not None:
                self.env["COLUMNS"] = columns
            lines = self.xpm("resources").lines()
            self.assertLessEqual(max(map(len, lines)), width)
            self.assertEqual(len([line for line in lines if "........" in line]), rows, columns)

    def test_one_document_tells_all(self):
        self.env["HWLOC_XMLFILE"] = str(TOPOLOGIES / "node_amd.xml")
        (document,) = self.xpm("resources", "--json").objects()
        self.assertEqual(document["memory"], 512 << 30)
        self.assertEqual([len(document[key]) for key in ("packages", "numa", "cores", "gpus", "holders")], [2, 8, 128, 4, 0])
        self.assertEqual(document["gpus"][3]["kind"], "rocm")

    def test_devices_far_from_the_cores_that_we_may_use_are_there(self):
        first = min(os.sched_getaffinity(0))
        if first >= 128:
            self.skipTest("the recorded host has no such core")
        self.env.update(HWLOC_XMLFILE=str(TOPOLOGIES / "node128.xml"), HWLOC_THISSYSTEM="1")
        (document,) = self.command("taskset", "-c", str(first), xpmtest.XPM, "resources", "--json").objects()
        self.assertEqual((len(document["cores"]), len(document["numa"])), (1, 1))
        self.assertEqual({gpu["name"] for gpu in document["gpus"]}, {f"cuda{i}" for i in range(8)})

    def test_this_host_has_what_we_may_use(self):
        first = min(os.sched_getaffinity(0))
        (document,) = self.command("taskset", "-c", str(first), xpmtest.XPM, "resources", "--json").objects()
        self.assertEqual([core["pus"] for core in document["cores"]], [[first]])
        self.assertTrue(document["this_system"])

    def test_a_description_that_cannot_be_read_is_named(self):
        self.write("broken.xml", "<topology")
        self.env["HWLOC_XMLFILE"] = "broken.xml"
        for words in (["resources"], ["resources", "--json"]):
            result = self.xpm(*words, status=3)
            self.assertEqual(result.out, "")
            self.assertEqual(result.err, "xpm: cannot read 'broken.xml', named by HWLOC_XMLFILE: not a topology of hwloc\n")


if __name__ == "__main__":
    unittest.main()
