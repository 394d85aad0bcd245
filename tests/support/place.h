/* place.h: a directory of its own for each test, gone afterwards
 *
 *     cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
 *
 * gives a test `struct place *place = *state`. What is in the directory at the end is removed; a process or a
 * descriptor that the test left behind fails it.
 */
#ifndef XPM_TEST_PLACE_H
#define XPM_TEST_PLACE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
        char path[64];
        int dir;         /* open on it */
        int descriptors; /* how many were open before */
};

static inline int place_count_descriptors(void)
{
        DIR *stream = opendir("/proc/self/fd");
        int count = -1; /* its own */
        while (stream && readdir(stream))
                count++;
        if (stream)
                closedir(stream);
        return count;
}

static inline int place_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

static inline int place_enter(void **state)
{
        struct place *place = calloc(1, sizeof *place);
        if (!place)
                return -1;
        place->descriptors = place_count_descriptors();
        const char *tmp = getenv("TMPDIR");
        if (!tmp || strlen(tmp) > 40)
                tmp = "/tmp";
        snprintf(place->path, sizeof place->path, "%s/xpm-test.XXXXXX", tmp);
        place->dir = mkdtemp(place->path) ? open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        *state = place;
        return place->dir < 0 ? -1 : 0;
}

static inline int place_leave(void **state)
{
        struct place *place = *state;
        close(place->dir);
        int rc = nftw(place->path, place_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
                fprintf(stderr, "a child was left behind\n");
                rc = -1;
        }
        int descriptors = place_count_descriptors();
        if (descriptors != place->descriptors) {
                fprintf(stderr, "%d descriptors were open before, %d are now\n", place->descriptors, descriptors);
                rc = -1;
        }
        free(place);
        return rc;
}

/* A file with TEXT as its content. */
static inline void place_put(const struct place *place, const char *name, const char *text)
{
        int fd = openat(place->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                abort();
        close(fd);
}

/* The content, at most 4095 bytes, in BUFFER; "(absent)" when there is no such file. */
static inline const char *place_get(const struct place *place, const char *name, char buffer[4096])
{
        int fd = openat(place->dir, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return "(absent)";
        ssize_t length = read(fd, buffer, 4095);
        buffer[length > 0 ? length : 0] = '\0';
        close(fd);
        return buffer;
}

/* How many entries the directory NAME has ("." for the place itself). */
static inline int place_count(const struct place *place, const char *name)
{
        int fd = openat(place->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd < 0 ? NULL : fdopendir(fd);
        int count = -2; /* . and .. */
        if (!stream)
                return -1;
        while (readdir(stream))
                count++;
        closedir(stream);
        return count;
}

#endif
