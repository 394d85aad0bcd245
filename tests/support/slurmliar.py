#!/usr/bin/env python3
"""In place of xpm-slurm: a Slurm that starts jobs at once, and lies by script.

XPM_LIAR is a directory. `lies.json` there says, by request, what is to go wrong with the first, the second …; then all is
well. What was asked stands in `asked`, a line for each, before it is answered; `jobs/N` is job N.
`answered` is there when a late answer was given. Lies:

    die            no answer, and nothing done        there          done, and an answer that tells nothing
    die-there      no answer, and done                absent         not done, and the same answer
    fail           the controller is away             ghost          as absent; done when the next one is submitted
    garbage        lines before the answer that are none
    nonsense       an answer of another shape         late           done, and the answer when `release` is there
    unchanged      a listing that says so             late-empty     likewise, a listing without any job
    empty          a listing without any job          limit          not done, and the user has too many jobs
    omit           a listing without the first        twice          a listing of all jobs, and of all as ended
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(os.environ["XPM_LIAR"])
UNSURE = {"error": "Socket timed out on send/recv operation", "requests": 1}
LIMIT = {"error": "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "requests": 1}
AWAY = {"error": "Unable to contact slurm controller (connect failure)", "requests": 1}


def lie_about(what):
    with open(HERE / "asked", "a") as asked:
        asked.write(what + "\n")
    nth = (HERE / "asked").read_text().split().count(what) - 1
    lies = json.loads((HERE / "lies.json").read_text()).get(what, [])
    return lies[nth] if nth < len(lies) else None


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def start(request):
    (HERE / "jobs").mkdir(exist_ok=True)
    job = 100 + len(list((HERE / "jobs").iterdir()))
    elements = range(request["array"]) if request["array"] else [None]
    pids = {}
    for element in elements:
        # Each on a host of its own, as it were.
        env = {**os.environ, "SLURM_JOB_ID": str(job), "XPM_STOCK": "private"}
        if element is not None:
            env.update(SLURM_ARRAY_JOB_ID=str(job), SLURM_ARRAY_TASK_ID=str(element))
        script = subprocess.Popen(["/bin/sh", "-c", request["script"]], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env,
                                  start_new_session=True, cwd="/")
        pids[str(job) if element is None else f"{job}_{element}"] = script.pid
    (HERE / "jobs" / str(job)).write_text(json.dumps({"comment": request["comment"], "pids": pids}))
    return {"job": job, "requests": 1}


def submit(request, lie):
    ghost = HERE / "ghost"
    if ghost.exists():
        ghost.rename(HERE / "gone")
        start(json.loads((HERE / "gone").read_text()))
    if lie == "ghost":
        ghost.write_text(json.dumps(request))
    if lie in ("ghost", "absent", "die"):
        return UNSURE
    if lie in ("fail", "limit"):
        return AWAY if lie == "fail" else LIMIT
    answer = start(request)
    return {"there": UNSURE, "nonsense": {"job": str(answer["job"])}}.get(lie, answer)


def listing(request, lie):
    jobs = []
    if lie == "fail":
        return AWAY
    if lie == "nonsense":
        return {"jobs": [1, None, [], [None], ["100"], ["100", None, None], ["100_[0-99999999999999999]", "RUNNING"],
                         ["100_[", "FAILED", {}, 7], ["-5", "COMPLETED"], ["9" * 40, "FAILED", "None", ""]],
                "stamp": "soon", "requests": -1}
    if lie == "unchanged":
        return {"unchanged": True, "stamp": 1, "requests": 1}
    for path in sorted((HERE / "jobs").iterdir()) if (HERE / "jobs").exists() and lie not in ("empty", "late-empty") else []:
        job = json.loads(path.read_text())
        jobs += [[name, "RUNNING" if runs(pid) else "COMPLETED", "None", job["comment"]] for name, pid in job["pids"].items()]
    if lie == "omit":
        jobs = jobs[1:]
    if lie == "twice":
        jobs += [[name, "COMPLETED", reason, comment] for name, _, reason, comment in jobs]
    return {"jobs": jobs, "requests": 1}


def cancel(request, lie):
    if lie == "fail":
        return AWAY
    for path in (HERE / "jobs").iterdir() if lie != "die" else []:
        for name, pid in json.loads(path.read_text())["pids"].items():
            if runs(pid) and {name, name.split("_")[0]} & set(request["jobs"]):
                os.killpg(pid, signal.SIGTERM)
    return {"requests": 1}


def partitions(request, lie):
    one = {"name": "debug", "default": True, "up": True, "seconds": 0, "nodes": 4}
    return {"partitions": [one], "array": 1001, "requests": 2}


def main():
    obey = {"submit": submit, "list": listing, "cancel": cancel, "partitions": partitions}
    for line in sys.stdin:
        request = json.loads(line)
        lie = lie_about(request["do"])
        answer = obey[request["do"]](request, lie)
        while lie in ("late", "late-empty") and not (HERE / "release").exists():
            time.sleep(0.02)
        if lie in ("die", "die-there"):
            return 1
        if lie == "garbage":
            print("slurm: error: something\n\n{\n[1, 2]\n{\"id\": \"x\"}\n" + "\x00\xff" * 1000)
        print(json.dumps({"id": request["id"], **answer}), flush=True)
        if lie in ("late", "late-empty"):
            (HERE / "answered").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
