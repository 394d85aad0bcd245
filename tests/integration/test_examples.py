"""Every example under share/examples runs, and shows what its README says."""
import json
import re
import shutil
import unittest

import xpmtest

EXAMPLES = xpmtest.SOURCE / "share" / "examples"


class Examples(xpmtest.Case):
    def example(self, name):
        shutil.copytree(EXAMPLES / name, self.here / name)
        self.here = self.here / name
        self.workspace = self.here / "experimaestro"

    def output(self, experiment, task, name):
        (path,) = self.run_directory(experiment).glob(f"jobs/{task}/*/{name}")
        return path.read_text()

    def test_heat_shows_the_order_of_convergence(self):
        self.example("heat")
        self.xpm("run-experiment", "-c", "plan.solve.sweep.n=[16, 32, 64]", "heat.yaml")
        rows = [line.split() for line in self.output("heat", "heat.collect", "table.txt").splitlines()[1:]]
        self.assertEqual({row[0] for row in rows}, {"FTCS", "ADI", "CRANK_NICOLSON"})
        self.assertEqual([row[1] for row in rows], ["16", "32", "64"] * 3)
        orders = [float(row[4]) for row in rows if row[4] != "-"]
        self.assertEqual(len(orders), 6)
        for order in orders:
            self.assertAlmostEqual(order, 2, delta=0.1)
        self.assertEqual(len(self.job_directories("heat.solve")), 18)
        self.expect_no_core_used_twice(self.job_directories("heat.solve"))

    def expect_no_core_used_twice(self, jobs):
        """What ran at the same time ran on other processors, so that a speed-up is one."""
        runs = []
        for job in jobs:
            status = json.loads((job / ".experimaestro" / "status.json").read_text())
            cpus = set()
            for part in status["resources"]["cpuset"].split(","):
                first, _, last = part.partition("-")
                cpus |= set(range(int(first), int(last or first) + 1))
            runs.append((status["started_time"], status["ended_time"], cpus))
        runs.sort(key=lambda run: run[0])
        for i, (_, ended, cpus) in enumerate(runs):
            for began, _, others in runs[i + 1:]:
                if began < ended:
                    self.assertFalse(cpus & others)

    def test_heat_is_not_solved_again_when_only_the_table_changes(self):
        self.example("heat")
        small = ("-c", "plan.solve.sweep.n=[16]", "heat.yaml")
        self.xpm("run-experiment", *small)
        with open(self.here / "table.awk", "a") as file:
            file.write("# changed\n")
        states = {job["task_id"]: job["state"] for job in self.xpm("run-experiment", "--run-mode", "dry-run", "--json", *small).objects()}
        self.assertEqual(states["heat.check"], "done")
        self.assertEqual(states["heat.collect"], "will run")
        with open(self.here / "heat.c", "a") as file:
            file.write("/* changed */\n")
        states = {job["state"] for job in self.xpm("run-experiment", "--run-mode", "dry-run", "--json", *small).objects()}
        self.assertEqual(states, {"will run"})

    def test_sort_summarizes_each_algorithm(self):
        self.example("sort")
        self.xpm("run-experiment", "-c", "repeats=3", "-c", "plan.measure.sweep.size=[100, 200, 64000]", "sort.yaml")
        self.assertEqual(len(self.job_directories("sort")), 5 * 3 * 3 - 3)
        self.assertEqual(len(self.job_directories("summary")), 5)
        rows = [line.split() for line in self.output("sort", "compare", "comparison.txt").splitlines()]
        rows = [row for row in rows if row[0] != "algorithm"]
        sizes = {}
        for row in rows:
            sizes.setdefault(row[0], []).append(row[1])
            self.assertEqual(row[2], "3")
        self.assertEqual(sizes.pop("insertion"), ["100", "200"])
        self.assertEqual(sizes, {name: ["100", "200", "64000"] for name in ("shell", "heap", "merge", "quick")})

    def test_the_plan_in_python_spends_its_budget(self):
        self.example("plan-in-python")
        self.xpm("run-experiment", "-c", "budget=4000", "-c", "samples=[500, 1000]", "pi.yaml")
        self.assertEqual(len(self.job_directories("pi.estimate")), 8 + 4)
        texts = [(job / "summary.out").read_text() for job in self.job_directories("pi.summary")]
        self.assertEqual(sorted(re.match(r"\d+ seeds", text).group() for text in texts), ["4 seeds", "8 seeds"])


def fits(schema, value, root):
    """Whether VALUE is what SCHEMA says: the words of JSON Schema that the schema of experiment files uses."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in wanted):
            return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "anyOf" in schema and not any(fits(option, value, root) for option in schema["anyOf"]):
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(schema.get("items", {}), item, root) for item in value)
    if isinstance(value, dict):
        if not set(schema.get("required", [])) <= value.keys():
            return False
        rest = schema.get("additionalProperties", True)
        for key, item in value.items():
            if not fits(schema.get("propertyNames", {}), key, root):
                return False
            part = schema.get("properties", {}).get(key, rest)
            if part is False or (part is not True and not fits(part, item, root)):
                return False
    return True


class Schema(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.schema = json.loads((xpmtest.SOURCE / "share" / "experiment.schema.json").read_text())

    def test_every_example_fits_the_schema(self):
        for path in EXAMPLES.glob("*/*.yaml"):
            with self.subTest(path.name):
                shown = json.loads(self.run_experiment("--show", path).out)
                self.assertTrue(fits(self.schema, shown, self.schema))

    def test_what_is_wrong_does_not(self):
        for wrong in (
            {"id": "a/b"},
            {"tasks": {"t": {"comand": "echo"}}},
            {"plan": {"s": {"params": {}}}},
            {"configs": {"c": {"params": {"x": {"type": "int", "defualt": 1}}}}},
            {"dirty_git": "maybe"},
            {"tasks": {"a-b": {}}},
        ):
            self.assertFalse(fits(self.schema, wrong, self.schema), wrong)


if __name__ == "__main__":
    unittest.main()
