/* hashing: the least that a dry run can cost
 *
 * usage: hashing JOBS
 *
 * One SHA-256 of a hundred bytes and one line of JSON for each job, and nothing else: what a dry run of so many jobs is
 * measured against (planning.py).
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
        long jobs = argc > 1 ? atol(argv[1]) : 0;
        unsigned char text[100] = "a job's parameters, encoded", digest[SHA256_DIGEST_LENGTH];
        char hex[2 * sizeof digest + 1] = "";
        for (long job = 0; job < jobs; job++) {
                snprintf((char *)text + 40, 20, "%ld", job);
                SHA256(text, sizeof text, digest);
                for (size_t i = 0; i < sizeof digest; i++)
                        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4],
                                hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
                printf("{\"task_id\": \"t\", \"job_id\": \"%s\", \"step\": \"s\", \"state\": \"will run\", \"params\": "
                       "{\"a\": "
                       "%ld, \"b\": %ld.0, \"c\": \"v%ld\"}, \"tags\": {\"a\": %ld}, \"dependencies\": [], "
                       "\"command\": "
                       "\"/bin/true %ld\", \"path\": \"/workspace/jobs/t/%s\"}\n",
                       hex, job % 100, job / 100 % 100, job / 10000, job % 100, job, hex);
        }
        return fflush(stdout) != 0;
}
