/* heat: the heat equation u_t = u_xx + u_yy on the unit square, zero on the boundary
 *
 *     heat solve N SCHEME THREADS FILE     solve on N×N intervals up to t = 1/16, write the solution
 *     heat check FILE                      print `N SCHEME THREADS STEPS SECONDS ERROR`
 *
 * It starts from two modes whose decay is known, so the error is that of the method alone. All schemes are of second
 * order in the width h of the grid: FTCS with steps of h²/5, the implicit ones with steps of h/8. The threads share the
 * rows of the grid and meet at barriers.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double end_time = 1.0 / 16, pi = 3.14159265358979323846;

struct header { /* of the file with the solution; (N+1)² doubles follow */
        char scheme[32];
        long n, threads, steps;
        double seconds;
};

struct problem {
        int n; /* intervals in each direction; values at 0 … n, those at 0 and n stay 0 */
        int threads;
        long steps;
        double ratio;         /* step in time over h² */
        double *u, *v;        /* now and next */
        double *r, *p, *q;    /* the conjugate gradients' */
        double *partial;      /* one sum per thread */
        double *factor;       /* of the tridiagonal elimination */
        atomic_int waiting;   /* threads at the barrier */
        atomic_long meetings; /* how often all met */
        void (*scheme)(struct problem *problem, int thread);
};

static void die(const char *what)
{
        fprintf(stderr, "heat: %s: %s\n", what, strerror(errno));
        exit(1);
}

static double *grid(int n)
{
        double *values = calloc((size_t)(n + 1) * (n + 1), sizeof *values);
        if (!values)
                die("grid");
        return values;
}

static double exact(double x, double y, double t)
{
        return exp(-2 * pi * pi * t) * sin(pi * x) * sin(pi * y) +
               exp(-13 * pi * pi * t) * sin(2 * pi * x) * sin(3 * pi * y) / 2;
}

/* The first of the rows 1 … n-1 that belong to THREAD. */
static int first_row(const struct problem *problem, int thread)
{
        return 1 + (int)((long)(problem->n - 1) * thread / problem->threads);
}

/* A barrier that spins before it gives the core away: a step on a small grid takes less time than to fall asleep. */
static void meet(struct problem *problem)
{
        const long meeting = atomic_load(&problem->meetings);
        if (atomic_fetch_add(&problem->waiting, 1) + 1 == problem->threads) {
                atomic_store(&problem->waiting, 0);
                atomic_store(&problem->meetings, meeting + 1);
                return;
        }
        for (int spins = 0; atomic_load(&problem->meetings) == meeting; spins++)
                if (spins > 2000)
                        sched_yield();
}

/* out = u + weight · (sum of the four neighbours - 4u), in the rows from FIRST to before LAST. */
static void diffuse(int n, int first, int last, double weight, const double *restrict u, double *restrict out)
{
        const int w = n + 1;
        for (int i = first; i < last; i++)
                for (int j = 1; j < n; j++) {
                        const int k = i * w + j;
                        out[k] = u[k] + weight * (u[k - w] + u[k + w] + u[k - 1] + u[k + 1] - 4 * u[k]);
                }
}

/* Explicit: forward in time, centred in space. */
static void ftcs(struct problem *problem, int thread)
{
        const int first = first_row(problem, thread), last = first_row(problem, thread + 1);
        double *u = problem->u, *v = problem->v;
        for (long step = 0; step < problem->steps; step++) {
                diffuse(problem->n, first, last, problem->ratio, u, v);
                meet(problem);
                double *swap = u;
                u = v;
                v = swap;
        }
        if (thread == 0)
                problem->u = u;
}

/* One half step of Peaceman and Rachford for one line: explicit across it, implicit along it. ALONG and ACROSS are the
 * distances of neighbours in memory. */
static void half_step(const struct problem *problem, const double *u, double *out, int along, int across)
{
        const double half = problem->ratio / 2, *factor = problem->factor;
        const int n = problem->n;
        double before = 0;
        for (int j = 1; j < n; j++) {
                const double *at = u + j * along;
                const double right = at[0] + half * (at[-across] - 2 * at[0] + at[across]);
                before = (right + half * before) / (1 + 2 * half - half * factor[j - 1]);
                out[j * along] = before;
        }
        for (int j = n - 2; j > 0; j--)
                out[j * along] += factor[j] * out[(j + 1) * along];
}

/* Alternating directions: rows, then columns. */
static void adi(struct problem *problem, int thread)
{
        const int first = first_row(problem, thread), last = first_row(problem, thread + 1), w = problem->n + 1;
        for (long step = 0; step < problem->steps; step++) {
                for (int i = first; i < last; i++)
                        half_step(problem, problem->u + i * w, problem->v + i * w, 1, w);
                meet(problem);
                for (int j = first; j < last; j++)
                        half_step(problem, problem->v + j, problem->u + j, w, 1);
                meet(problem);
        }
}

/* The sum over all threads of a·b. Every thread gets the same bits. */
static double dot(struct problem *problem, int thread, const double *a, const double *b)
{
        const int first = first_row(problem, thread), last = first_row(problem, thread + 1), w = problem->n + 1;
        double sum = 0;
        for (int k = first * w; k < last * w; k++)
                sum += a[k] * b[k];
        problem->partial[thread] = sum;
        meet(problem);
        sum = 0;
        for (int i = 0; i < problem->threads; i++)
                sum += problem->partial[i];
        meet(problem);
        return sum;
}

/* Implicit midpoint; each step's equations by conjugate gradients from the step before. */
static void crank_nicolson(struct problem *problem, int thread)
{
        const int n = problem->n, w = n + 1;
        const int first = first_row(problem, thread), last = first_row(problem, thread + 1);
        const double half = problem->ratio / 2;
        double *u = problem->u, *v = problem->v, *r = problem->r, *p = problem->p, *q = problem->q;
        for (long step = 0; step < problem->steps; step++) {
                diffuse(n, first, last, half, u, v);
                diffuse(n, first, last, -half, u, q);
                for (int k = first * w; k < last * w; k++)
                        p[k] = r[k] = v[k] - q[k];
                double rr = dot(problem, thread, r, r);
                const double enough = 1e-20 * dot(problem, thread, v, v);
                while (rr > enough) {
                        diffuse(n, first, last, -half, p, q);
                        const double alpha = rr / dot(problem, thread, p, q);
                        for (int k = first * w; k < last * w; k++) {
                                u[k] += alpha * p[k];
                                r[k] -= alpha * q[k];
                        }
                        const double next = dot(problem, thread, r, r);
                        for (int k = first * w; k < last * w; k++)
                                p[k] = r[k] + next / rr * p[k];
                        rr = next;
                        meet(problem);
                }
                meet(problem);
        }
}

static const struct scheme {
        const char *name;
        void (*run)(struct problem *problem, int thread);
        int explicit_steps;
} schemes[] = {{"FTCS", ftcs, 1}, {"ADI", adi, 0}, {"CRANK_NICOLSON", crank_nicolson, 0}};

struct member {
        struct problem *problem;
        int index;
};

static void *work(void *data)
{
        const struct member *member = data;
        member->problem->scheme(member->problem, member->index);
        return NULL;
}

static double run_team(struct problem *problem)
{
        pthread_t *threads = calloc((size_t)problem->threads, sizeof *threads);
        struct member *members = calloc((size_t)problem->threads, sizeof *members);
        if (!threads || !members)
                die("threads");
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (int i = 0; i < problem->threads; i++) {
                members[i] = (struct member){problem, i};
                if ((errno = pthread_create(&threads[i], NULL, work, &members[i])) != 0)
                        die("thread");
        }
        for (int i = 0; i < problem->threads; i++)
                pthread_join(threads[i], NULL);
        clock_gettime(CLOCK_MONOTONIC, &end);
        free(threads);
        free(members);
        return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

static void prepare(struct problem *problem, int n, int threads, const struct scheme *scheme)
{
        const long squared = (long)n * n;
        *problem = (struct problem){.n = n, .threads = threads, .scheme = scheme->run};
        problem->steps = scheme->explicit_steps ? (squared * 5 + 15) / 16 : (n + 1) / 2;
        problem->ratio = end_time / (double)problem->steps * (double)squared;
        problem->u = grid(n);
        problem->v = grid(n);
        problem->r = grid(n);
        problem->p = grid(n);
        problem->q = grid(n);
        problem->partial = calloc((size_t)threads, sizeof(double));
        problem->factor = calloc((size_t)n, sizeof(double));
        if (!problem->partial || !problem->factor)
                die("memory");
        const double half = problem->ratio / 2;
        for (int j = 1; j < n; j++)
                problem->factor[j] = half / (1 + 2 * half - half * problem->factor[j - 1]);
        for (int i = 1; i < n; i++)
                for (int j = 1; j < n; j++)
                        problem->u[i * (n + 1) + j] = exact((double)j / n, (double)i / n, 0);
}

static void release(struct problem *problem)
{
        free(problem->partial);
        free(problem->factor);
        free(problem->r);
        free(problem->p);
        free(problem->q);
}

static int solve(int n, const char *name, int threads, const char *path)
{
        const struct scheme *scheme = NULL;
        for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
                if (strcmp(schemes[i].name, name) == 0)
                        scheme = &schemes[i];
        if (!scheme || n < 2 || n > 8192 || threads < 1 || threads > 1024) {
                errno = EINVAL;
                die("solve");
        }
        struct problem problem;
        prepare(&problem, n, threads, scheme);
        double *one = problem.u, *other = problem.v;
        struct header header = {.n = n, .threads = threads, .steps = problem.steps, .seconds = run_team(&problem)};
        snprintf(header.scheme, sizeof header.scheme, "%s", name);

        FILE *file = fopen(path, "wb");
        const size_t count = (size_t)(n + 1) * (n + 1);
        if (!file || fwrite(&header, sizeof header, 1, file) != 1 ||
            fwrite(problem.u, sizeof *problem.u, count, file) != count || fclose(file) != 0)
                die(path);
        printf("%s on %d x %d, %ld steps, %d threads: %.3f s\n", name, n, n, header.steps, threads, header.seconds);
        free(one);
        free(other);
        release(&problem);
        return 0;
}

static int check(const char *path)
{
        struct header header;
        FILE *file = fopen(path, "rb");
        if (!file || fread(&header, sizeof header, 1, file) != 1)
                die(path);
        double worst = 0, value;
        for (long i = 0; i <= header.n; i++)
                for (long j = 0; j <= header.n; j++) {
                        if (fread(&value, sizeof value, 1, file) != 1)
                                die(path);
                        const double x = (double)j / (double)header.n, y = (double)i / (double)header.n;
                        worst = fmax(worst, fabs(value - exact(x, y, end_time)));
                }
        fclose(file);
        printf("%ld %s %ld %ld %.6f %.6e\n", header.n, header.scheme, header.threads, header.steps, header.seconds,
               worst);
        return worst < 0.1 ? 0 : 1;
}

int main(int argc, char **argv)
{
        if (argc == 6 && strcmp(argv[1], "solve") == 0)
                return solve(atoi(argv[2]), argv[3], atoi(argv[4]), argv[5]);
        if (argc == 3 && strcmp(argv[1], "check") == 0)
                return check(argv[2]);
        fprintf(stderr, "usage: heat solve N SCHEME THREADS FILE\n       heat check FILE\n");
        return 2;
}
