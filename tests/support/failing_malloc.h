/* failing_malloc.h: the n-th allocation fails
 *
 * Include it in one source file of a test program: it defines malloc, calloc and realloc for the whole program,
 * libraries included (strdup, asprintf, getline … come to them), and lets the n-th call after arming return NULL. Only
 * the thread that armed it is struck; free() is untouched. With GCC's AddressSanitizer it works too, so that leaks of
 * the failing paths are found; otherwise sanitized (Clang, threads), failing_malloc_works is 0 and a test should
 * skip().
 *
 *     for (long n = 1;; n++) {
 *             failing_malloc_arm(n);
 *             int rc = work(&result, &err);
 *             if (!failing_malloc_disarm()) {
 *                     assert_int_equal(rc, 0);    // n was more than it needs: done
 *                     break;
 *             }
 *             assert_int_equal(rc, XPM_ENOMEM);
 *             // … and nothing was changed
 *     }
 *
 * Between arming and disarming only the code under test should run: cmocka's assertions allocate.
 */
#ifndef XPM_TEST_FAILING_MALLOC_H
#define XPM_TEST_FAILING_MALLOC_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define FAILING_MALLOC_ABSENT
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define FAILING_MALLOC_ABSENT
#endif

/* Allocations until the one that fails; 0 is not armed. */
static __thread long failing_malloc_left;
/* Does every one after it fail as well? */
static __thread bool failing_malloc_for_good;
static __thread bool failing_malloc_struck;

/* The N-th allocation of this thread from now on fails (N is at least 1), and no other. */
__attribute__((unused)) static void failing_malloc_arm(long n)
{
        failing_malloc_left = n;
        failing_malloc_for_good = failing_malloc_struck = false;
}

/* The N-th fails and all that come after it, as when memory is really gone. */
__attribute__((unused)) static void failing_malloc_arm_from(long n)
{
        failing_malloc_arm(n);
        failing_malloc_for_good = true;
}

/* No allocation fails any more. Tells whether one did. */
__attribute__((unused)) static bool failing_malloc_disarm(void)
{
        failing_malloc_left = 0;
        return failing_malloc_struck;
}

#ifdef FAILING_MALLOC_ABSENT
enum { failing_malloc_works = 0 };
#else
enum { failing_malloc_works = 1 };

static bool failing_malloc_strikes(void)
{
        if (failing_malloc_left == 0)
                return false;
        if (failing_malloc_left > 1) {
                failing_malloc_left--;
                return false;
        }
        failing_malloc_left = failing_malloc_for_good ? 1 : 0;
        failing_malloc_struck = true;
        errno = ENOMEM;
        return true;
}

/* Libraries find them only when they are visible, and the build hides what does not say so. */
#pragma GCC visibility push(default)

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

#ifdef __SANITIZE_ADDRESS__
/* Those of the sanitizer stand behind ours; it answers strdup() and the like without malloc(), so these are ours as
 * well. */
#define FAILING_MALLOC_NEXT(name)      \
        static __typeof__(&name) next; \
        if (!next)                     \
        next = (__typeof__(next))dlsym(RTLD_NEXT, #name)

void *malloc(size_t size)
{
        FAILING_MALLOC_NEXT(malloc);
        return failing_malloc_strikes() ? NULL : next(size);
}

void *calloc(size_t count, size_t size)
{
        FAILING_MALLOC_NEXT(calloc);
        return failing_malloc_strikes() ? NULL : next(count, size);
}

void *realloc(void *old, size_t size)
{
        FAILING_MALLOC_NEXT(realloc);
        return failing_malloc_strikes() ? NULL : next(old, size);
}

void *reallocarray(void *old, size_t count, size_t size)
{
        size_t product;
        if (__builtin_mul_overflow(count, size, &product)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(old, product);
}

char *strndup(const char *string, size_t length)
{
        length = strnlen(string, length);
        char *copy = malloc(length + 1);
        if (copy) {
                memcpy(copy, string, length);
                copy[length] = '\0';
        }
        return copy;
}

char *strdup(const char *string)
{
        return strndup(string, strlen(string));
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
        return failing_malloc_strikes() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
        return failing_malloc_strikes() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
        return failing_malloc_strikes() ? NULL : __libc_realloc(old, size);
}
#endif

#pragma GCC visibility pop
#endif

#endif
