"""Identifiers are those of the reference implementation: its vectors, by way of experiment files."""
import hashlib
import json
import unittest

import xpmtest


class Identifiers(xpmtest.Case):
    def test_every_vector(self):
        vectors = json.loads((xpmtest.SOURCE / "tests" / "data" / "identifiers.json").read_text())["vectors"]
        for vector in vectors:
            with self.subTest(vector["name"]):
                if "experiment" not in vector:
                    self.expect_instances(vector)
                    continue
                self.write("e.yaml", json.dumps({"id": "v", **vector["experiment"]}))
                jobs = self.dry("e.yaml")
                if "identifier" in vector:
                    self.assertEqual([job["job_id"] for job in jobs], [vector["identifier"]])
                for task, wanted in vector.get("identifiers", {}).items():
                    found = [job["job_id"] for job in jobs if job["task_id"] == task.lower()]
                    self.assertEqual(found, wanted if isinstance(wanted, list) else [wanted])
                if "partials" in vector:
                    self.assertEqual(jobs[0]["partials"], vector["partials"])

    def expect_instances(self, vector):
        for word, second in (("shared", "{from: a}"), ("separate", "{h: 1}")):
            self.write(
                "e.yaml",
                "id: v\nconfigs: {Vec.Sub: {instance: true, params: {h: int}}}\n"
                "tasks: {Vec.Ens: {params: {a: Vec.Sub, b: Vec.Sub}, command: 'true'}}\n"
                f"plan: {{s: {{task: Vec.Ens, params: {{a: {{h: 1}}, b: {second}}}}}}}\n",
            )
            self.assertEqual([job["job_id"] for job in self.dry("e.yaml")], [vector[word]])

    def test_a_key_of_a_dict_may_hold_any_character(self):
        task = {"params": {"d": "dict[str, int]"}, "command": "true"}
        plan = {"s": {"task": "t", "params": {"d": {"a\0b": 1, "a": 2}}}}
        self.write("e.yaml", json.dumps({"id": "v", "tasks": {"t": task}, "plan": plan}))
        (job,) = self.dry("e.yaml")
        items = b"\x03a\x01" + (2).to_bytes(8, "big") + b"\x03a\0b\x01" + (1).to_bytes(8, "big")
        self.assertEqual(job["job_id"], hashlib.sha256(b"\0t\x03d\x05\x09" + items).hexdigest())
        self.assertEqual(job["params"]["d"], {"a\0b": 1, "a": 2})

    def test_a_file_is_hashed_by_its_content(self):
        def identifier():
            (job,) = self.dry("e.yaml")
            return job["job_id"]

        self.write("e.yaml", "id: f\ntasks: {t: {params: {f: file}, command: 'true'}}\nplan: {s: {task: t, params: {f: data}}}\n")
        self.write("data", "one")
        first = identifier()
        self.write("data", "two!")
        self.assertNotEqual(identifier(), first)
        self.write("data", "one")
        self.assertEqual(identifier(), first)
        self.write("other/data", "one")
        self.write(
            "e.yaml",
            "id: f\ntasks: {t: {params: {f: str}, command: 'true'}}\nplan: {s: {task: t, params: {f: "
            "'sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed'}}}\n",
        )
        self.assertEqual(identifier(), first)


if __name__ == "__main__":
    unittest.main()
