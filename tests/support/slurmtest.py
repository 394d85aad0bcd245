"""A Slurm cluster of its own for tests: munged, slurmctld and some slurmd, on loopback, in a directory that goes with it.

Nodes are declared with more processors than the host may have; jobs of the tests need few. What is started here is ended
here, and nothing else.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import xpmtest

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
PATIENCE = 60

CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={top}/munge/sock
CredType=cred/munge
SlurmctldPort={port}
SlurmdPort={first}
StateSaveLocation={top}/state
SlurmdSpoolDir={top}/spool.%n
SlurmctldPidFile={top}/slurmctld.pid
SlurmdPidFile={top}/slurmd.%n.pid
SlurmctldLogFile={top}/slurmctld.log
SlurmdLogFile={top}/slurmd.%n.log
ProctrackType={track}
TaskPlugin={task}
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=50
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=1,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
MinJobAge={age}
ReturnToService=2
MailProg=/bin/true
MpiDefault=none
KillWait=2
MessageTimeout=10
SlurmdTimeout={silence}
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize={array}
MaxJobCount={jobs}
"""


# Control groups v1, and we may make some.
HAS_CGROUPS = os.access("/sys/fs/cgroup/memory", os.W_OK) and os.access("/sys/fs/cgroup/freezer", os.W_OK)


def find(name):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return shutil.which(name, path=path)


def missing():
    return [name for name in PROGRAMS if not find(name)]


def demand():
    """These tests are never skipped: what is not installed is an error."""
    if missing():
        raise RuntimeError(f"no {', '.join(missing())}: install the packages that bootstrap.sh names")


def free_ports(count):
    """As many free ports side by side."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        taken = []
        try:
            for port in range(first, first + count):
                one = socket.socket()
                taken.append(one)
                one.bind(("127.0.0.1", port))
            return first
        except OSError:
            pass
        finally:
            for one in taken:
                one.close()
    raise RuntimeError("no free ports")


class Cluster:
    def __init__(self, nodes=2, cpus=4, array=1001, jobs=10000, age=300, silence=20, cgroups=False, more="", gres="", licenses="",
                 partitions="", apart=False):
        """ARRAY, JOBS, AGE: MaxArraySize, MaxJobCount, MinJobAge. SILENCE: seconds until a node whose slurmd says nothing is
        down. MORE: lines of slurm.conf. GRES: `gpu:2,lab:4`, what each node pretends to have. APART: each
        job has its temporary files on each node apart from all others, as many sites have it."""
        demand()
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="xpm-slurm-"))
        self.nodes, self.processes = nodes, {}
        # Control groups are called after their nodes, and are shared with other clusters on this host.
        self.prefix = f"n{os.getpid()}x" if cgroups else "n"
        port = free_ports(nodes + 1)
        for name in ["munge", "state", *(f"spool.{self.prefix}{i}" for i in range(1, nodes + 1))]:
            (self.top / name).mkdir(mode=0o700)
        (self.top / "munge" / "key").write_bytes(os.urandom(128))
        (self.top / "munge" / "key").chmod(0o400)
        host = socket.gethostname().split(".")[0]
        lines = [CONF.format(host=host, user=subprocess.check_output(["id", "-un"], text=True).strip(), top=self.top,
                             port=port, first=port + 1, array=array, jobs=jobs, age=age, silence=silence, track="proctrack/cgroup" if cgroups else "proctrack/linuxproc",
                             task="task/cgroup" if cgroups else "task/none")]
        lines += [more, f"Licenses={licenses}\n" if licenses else ""]
        for i in range(1, nodes + 1):
            lines.append(f"NodeName={self.prefix}{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={port + i} CPUs={cpus} Boards=1 "
                         f"SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN"
                         + (f" Gres={gres}" if gres else "") + "\n")
        lines += ["PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=5 PreemptMode=OFF\n",
                  "PartitionName=low Nodes=ALL MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=1 PreemptMode=CANCEL GraceTime=0\n",
                  "PartitionName=high Nodes=ALL MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=10 PreemptMode=OFF\n",
                  f"PartitionName=short Nodes={self.prefix}1 MaxTime=2 DefaultTime=1 State=UP\n", partitions]
        self.conf = self.top / "slurm.conf"
        self.conf.write_text("".join(lines))
        if cgroups:
            (self.top / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
                                                  "ConstrainRAMSpace=yes\nConstrainCores=no\n")
        if gres:
            # Each GPU has to have a file, which nobody opens.
            devices = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
            made = []
            for name, count in (one.split(":") for one in gres.split(",")):
                made += [f"Name={name} File={device}\n" for device in devices[:int(count)]] if name == "gpu" else [
                    f"Name={name} Count={count}\n"]
            (self.top / "gres.conf").write_text("".join(made))
        if apart:
            self.keep_apart()
        self.env = {"SLURM_CONF": str(self.conf)}
        try:
            self.start_all()
        except BaseException:
            self.stop()
            raise

    def keep_apart(self):
        prolog = self.top / "prolog.sh"
        prolog.write_text(f'#!/bin/sh\nmine="{self.top}/tmp.$SLURMD_NODENAME.$SLURM_JOB_ID"\n'
                          'mkdir -p "$mine" && echo "export TMPDIR=$mine"\n')
        prolog.chmod(0o755)
        with open(self.conf, "a") as conf:
            conf.write(f"TaskProlog={prolog}\n")

    def start(self, name, *command):
        with open(self.top / f"{name}.out", "ab") as log:
            self.processes[name] = subprocess.Popen([find(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL,
                                                    stdout=log, stderr=log, env={**os.environ, **self.env},
                                                    start_new_session=True)

    def start_all(self):
        munge = self.top / "munge"
        self.start("munged", "munged", "-F", "--force", f"--key-file={munge}/key", f"--socket={munge}/sock",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--num-threads=2")
        self.wait_for("munged", lambda: subprocess.run([find("munge"), "-n", "-S", munge / "sock"],
                                                       capture_output=True).returncode == 0)
        self.start_controller(fresh=True)
        for i in range(1, self.nodes + 1):
            self.start_node(i)
        self.wait_for("the nodes", lambda: self.run("sinfo", "-h", "-N", "-p", "debug", "-t", "idle", "-o", "%N").count(self.prefix)
                      == self.nodes)

    def start_controller(self, fresh=False):
        self.start("slurmctld", "slurmctld", "-D", *(["-c"] if fresh else []))
        self.wait_for("slurmctld", lambda: "is UP" in self.run("scontrol", "ping"))

    def start_node(self, i):
        self.start(f"{self.prefix}{i}", "slurmd", "-D", "-N", f"{self.prefix}{i}")

    def wait_for(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                logs = "".join(path.read_text(errors="replace")[-1500:] for path in self.top.glob("*.log"))
                raise RuntimeError(f"{what} did not come up\n{logs}")
            time.sleep(0.05)

    def run(self, *command):
        done = subprocess.run([find(command[0]), *map(str, command[1:])], env={**os.environ, **self.env},
                              capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    def send(self, name, number):
        self.processes[name].send_signal(number)

    def end(self, name, number=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def jobs(self):
        """(id, state) of all that Slurm knows of."""
        listed = self.run("squeue", "--noheader", "--states=all", "--array", "--format=%i %T")
        return [tuple(line.split()) for line in listed.splitlines() if line.strip()]

    def live(self):
        return [one for one in self.jobs() if one[1] in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED")]

    def stop(self):
        # Steps outlive their slurmd: jobs first.
        if "slurmctld" in self.processes:
            subprocess.run([find("scancel"), "--full", "--signal=KILL", "--user", str(os.getuid())],
                           env={**os.environ, **self.env}, capture_output=True, timeout=PATIENCE)
            end = time.monotonic() + 15
            while self.live() and time.monotonic() < end:
                subprocess.run([find("scancel"), "--user", str(os.getuid())], env={**os.environ, **self.env},
                               capture_output=True, timeout=PATIENCE)
                time.sleep(0.2)
        for name in list(reversed(self.processes)):
            self.end(name)
        for i in range(1, self.nodes + 1):
            for group in pathlib.Path("/sys/fs/cgroup").glob(f"*/slurm_{self.prefix}{i}"):
                for path in sorted((one for one in group.rglob("*") if one.is_dir()), reverse=True):
                    path.rmdir()
                group.rmdir()
        shutil.rmtree(self.top, ignore_errors=True)


PLAN = """\
id: e
tasks:
  t:
    params: {{n: int}}
    requirements: {requirements}
    command: |
      {command}
{more}plan:
  t: {{task: t, sweep: {{n: {{range: [0, {count}]}}}}}}
"""


class Case(xpmtest.Case):
    """Tests with `cluster`, of which each leaves an empty queue."""

    cluster = None

    def setUp(self):
        super().setUp()
        self.env.update(self.cluster.env)
        if "XPM_SLURM" in os.environ:
            self.env["XPM_SLURM"] = os.environ["XPM_SLURM"]
        self.addCleanup(self.drain)

    def drain(self):
        subprocess.run([find("scancel"), "--user", str(os.getuid())], env={**os.environ, **self.cluster.env})
        self.wait_for(lambda: not self.cluster.live(), "an empty queue")

    def plan(self, command, count, requirements="duration=10m & cpu(cores=1, mem=50M)", more=""):
        """MORE: keys of the task, a line each."""
        more = "".join(f"    {line}\n" for line in more.splitlines())
        self.write("e.yaml", PLAN.format(command=command, count=count, requirements=requirements, more=more))

    def launcher(self, **options):
        """The launcher's entry, instead of what the cluster says."""
        folder = self.home / ".config" / "experimaestro"
        folder.mkdir(exist_ok=True)
        (folder / "launchers.yaml").write_text(json.dumps({"launchers": {"slurm": {"type": "slurm", "options": options}}}))

    def arguments(self, *options):
        return [xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm", *options, "e.yaml"]

    def run_plan(self, *options, status=0):
        result = self.command(*self.arguments(*options))
        self.assertEqual(result.status, status, result)
        return result

    def begin(self, *options, to=subprocess.PIPE):
        """An engine, what it says for the caller to read, or in the file TO."""
        engine = subprocess.Popen([str(word) for word in self.arguments(*options)], cwd=self.here, env=self.env,
                                  stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, engine)
        return engine

    def end(self, engine):
        if engine.returncode is None:
            engine.kill()
            engine.communicate()

    def read_until(self, engine, word):
        """What ENGINE says until a line has WORD."""
        said = ""
        while word not in said:
            line = engine.stdout.readline()
            self.assertTrue(line, f"no {word!r} in:\n{said}")
            said += line
        return said

    def expect_end(self, engine, status=0):
        out, _ = engine.communicate(timeout=xpmtest.PATIENCE)
        self.assertEqual(engine.returncode, status, out)
        return out

    def jobs(self):
        """The directory of each job, by its parameter."""
        return {json.loads((path / "params.json").read_text())["params"]["n"]: path
                for path in self.workspace.glob("jobs/t/*")}

    def status(self, n):
        return json.loads((self.jobs()[n] / ".experimaestro" / "status.json").read_text())

    def failed(self, n):
        return json.loads((self.jobs()[n] / "t.failed").read_text())

    def diary(self):
        path = self.here / "diary"
        return path.read_text().split() if path.exists() else []

    def batches(self):
        return sorted(path for path in self.workspace.glob("experiments/e/2*/batches/*") if path.suffix == ".id")

    def helpers(self, engine):
        children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(engine)], capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in children.splitlines() if "xpm-slurm" in line]

    def wait_for(self, condition, what="it"):
        self.cluster.wait_for(what, condition)
