"""Programs of Open MPI as jobs: on this host, through Slurm on several nodes, and beside others in an allocation."""
import os
import subprocess
import unittest

import slurmtest
import xpmtest

CLUSTER = None

PROGRAM = """\
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
        int rank, ranks, sum;
        const char *node = getenv("SLURMD_NODENAME");
        MPI_Init(&argc, &argv);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &ranks);
        MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        printf("%d of %d, sum %d, on %s\\n", rank, ranks, sum, node ? node : "no node");
        return MPI_Finalize();
}
"""

# The nodes of the cluster are one host: by shared memory their ranks would be in each other's way.
PLAN = """\
id: e
env: {OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1", OMPI_MCA_btl: "tcp,self", OMPI_MCA_btl_tcp_if_include: lo}
tasks:
  t:
    params: {n: int}
    requirements: REQUIREMENTS
    command: ["{{experiment.dir}}/program"]
plan:
  t: {task: t, sweep: {n: [1, 2]}}
"""


def setUpModule():
    global CLUSTER
    # Daemons of Open MPI that begin at the same moment on one host are in each other's way.
    CLUSTER = slurmtest.Cluster(nodes=2, cpus=4, apart=True)


def tearDownModule():
    CLUSTER.stop()


class Mpi(xpmtest.Case):
    def setUp(self):
        super().setUp()
        self.write("program.c", PROGRAM)
        made = self.command("mpicc", "-o", "program", "program.c")
        self.assertEqual(made.status, 0, made)

    def plan(self, requirements):
        self.write("e.yaml", PLAN.replace("REQUIREMENTS", requirements))

    def outputs(self):
        return [sorted(path.read_text().splitlines()) for path in self.workspace.glob("jobs/t/*/t.out")]

    def test_ranks_run_on_this_host(self):
        self.plan("mpi(ranks=2)")
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "e.yaml",
                              env={"HWLOC_SYNTHETIC": "core:2 pu:1"})
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.outputs(), 2 * [["0 of 2, sum 1, on no node", "1 of 2, sum 1, on no node"]])

    def test_ranks_are_dealt_out_to_nodes_as_was_asked(self):
        self.plan("mpi(ranks=4, per_node=2) & cpu(mem=50M) & duration=5m")
        self.env.update(CLUSTER.env)
        result = self.command(xpmtest.XPM, "run-experiment", "--workdir", self.workspace, "--launcher", "slurm", "e.yaml")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.outputs(), 2 * [[f"{rank} of 4, sum 6, on n{1 + rank // 2}" for rank in range(4)]])
        # That a node has but two of the cores is no lack.
        self.assertNotIn("there is no more here", result.out + result.err)

    def test_ranks_beside_other_jobs_in_an_allocation_run_on_its_node(self):
        self.plan("mpi(ranks=2)")
        self.env.update(CLUSTER.env, HWLOC_SYNTHETIC="core:4 pu:1")
        done = subprocess.run([slurmtest.find("sbatch"), "--wait", "--nodes=1", "--ntasks=1", "--cpus-per-task=4",
                               f"--output={self.here}/log", "--wrap",
                               f"{xpmtest.XPM} run-experiment --workdir {self.workspace} e.yaml"],
                              cwd=self.here, env=self.env, capture_output=True, text=True, timeout=xpmtest.PATIENCE)
        self.assertEqual(done.returncode, 0, (self.here / "log").read_text())
        nodes = [{line.split()[-1] for line in output} for output in self.outputs()]
        self.assertEqual([len(output) for output in self.outputs()], [2, 2])
        self.assertEqual(len(set.union(*nodes)), 1)


if __name__ == "__main__":
    unittest.main()
