#!/usr/bin/env python3
"""A plan as a program: the configuration comes in as JSON, declarations and steps go out as JSON.

Every number of samples gets as many seeds as the same budget pays for, which no sweep can say.
"""
import json
import sys

configuration = json.load(sys.stdin)
budget = configuration["budget"]

plan = {}
for samples in configuration["samples"]:
    plan[f"estimate_{samples}"] = {
        "task": "pi.Estimate",
        "params": {"samples": samples},
        "tags": ["samples"],
        "sweep": {"seed": {"range": [0, budget // samples]}},
    }
plan["summary"] = {
    "task": "pi.Summary",
    "params": {"estimates": {"all": list(plan), "by": ["samples"]}},
}

json.dump({"plan": plan}, sys.stdout, indent=2)
