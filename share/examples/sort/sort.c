/* sort: sorts N pseudo-random numbers and prints what it took
 *
 *     sort ALGORITHM N SEED      prints `ALGORITHM N SEED COMPARISONS MICROSECONDS`
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t comparisons;

static bool less(uint32_t a, uint32_t b)
{
        comparisons++;
        return a < b;
}

static void swap(uint32_t *a, uint32_t *b)
{
        const uint32_t c = *a;
        *a = *b;
        *b = c;
}

/* Insertion sort of every gap-th number, for gaps that shrink by 2.25; insertion sort itself has the gap 1 alone. */
static void insert(uint32_t *v, size_t n, size_t gap)
{
        for (size_t i = gap; i < n; i++) {
                const uint32_t x = v[i];
                size_t j = i;
                for (; j >= gap && less(x, v[j - gap]); j -= gap)
                        v[j] = v[j - gap];
                v[j] = x;
        }
}

static void insertion_sort(uint32_t *v, size_t n)
{
        insert(v, n, 1);
}

static void shell_sort(uint32_t *v, size_t n)
{
        for (size_t gap = n * 4 / 9; gap > 1; gap = gap * 4 / 9)
                insert(v, n, gap);
        insert(v, n, 1);
}

static void sift_down(uint32_t *v, size_t root, size_t n)
{
        for (size_t child; (child = 2 * root + 1) < n; root = child) {
                if (child + 1 < n && less(v[child], v[child + 1]))
                        child++;
                if (!less(v[root], v[child]))
                        return;
                swap(&v[root], &v[child]);
        }
}

static void heap_sort(uint32_t *v, size_t n)
{
        for (size_t i = n / 2; i-- > 0;)
                sift_down(v, i, n);
        for (size_t i = n; i-- > 1;) {
                swap(&v[0], &v[i]);
                sift_down(v, 0, i);
        }
}

static void merge(uint32_t *v, size_t n, uint32_t *spare)
{
        if (n < 2)
                return;
        const size_t half = n / 2;
        merge(v, half, spare);
        merge(v + half, n - half, spare);
        memcpy(spare, v, half * sizeof *v);
        size_t i = 0, j = half, k = 0;
        while (i < half && j < n)
                v[k++] = less(v[j], spare[i]) ? v[j++] : spare[i++];
        while (i < half)
                v[k++] = spare[i++];
}

static void merge_sort(uint32_t *v, size_t n)
{
        uint32_t *spare = calloc(n, sizeof *spare);
        if (!spare)
                abort();
        merge(v, n, spare);
        free(spare);
}

/* Hoare's partition around the middle; the larger part goes on in the loop, so that the stack stays small. */
static void quick_sort(uint32_t *v, size_t n)
{
        while (n > 1) {
                const uint32_t pivot = v[(n - 1) / 2];
                size_t i = 0, j = n - 1;
                for (;; i++, j--) {
                        while (less(v[i], pivot))
                                i++;
                        while (less(pivot, v[j]))
                                j--;
                        if (i >= j)
                                break;
                        swap(&v[i], &v[j]);
                }
                const size_t left = j + 1;
                if (left < n - left) {
                        quick_sort(v, left);
                        v += left;
                        n -= left;
                } else {
                        quick_sort(v + left, n - left);
                        n = left;
                }
        }
}

static const struct algorithm {
        const char *name;
        void (*sort)(uint32_t *v, size_t n);
} algorithms[] = {{"insertion", insertion_sort},
                  {"shell", shell_sort},
                  {"heap", heap_sort},
                  {"merge", merge_sort},
                  {"quick", quick_sort}};

static int measure(const struct algorithm *algorithm, size_t n, uint64_t seed)
{
        uint32_t *v = calloc(n, sizeof *v);
        if (!v)
                return 1;
        uint64_t state = seed * 2 + 1;
        for (size_t i = 0; i < n; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                v[i] = (uint32_t)(state >> 33);
        }
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        algorithm->sort(v, n);
        clock_gettime(CLOCK_MONOTONIC, &end);

        bool sorted = true;
        for (size_t i = 1; i < n; i++)
                sorted &= v[i - 1] <= v[i];
        free(v);
        const double wall = 1e6 * (double)(end.tv_sec - begin.tv_sec) + 1e-3 * (double)(end.tv_nsec - begin.tv_nsec);
        printf("%s %zu %llu %llu %.1f\n", algorithm->name, n, (unsigned long long)seed, (unsigned long long)comparisons,
               wall);
        return sorted ? 0 : 1;
}

int main(int argc, char **argv)
{
        for (size_t i = 0; argc == 4 && i < sizeof algorithms / sizeof *algorithms; i++)
                if (strcmp(algorithms[i].name, argv[1]) == 0 && atol(argv[2]) > 0)
                        return measure(&algorithms[i], (size_t)atol(argv[2]), strtoull(argv[3], NULL, 10));
        fprintf(stderr, "usage: sort ALGORITHM N SEED\n");
        return 2;
}
