/* said.h: what a command prints, and how it ends */
#ifndef XPM_TEST_SAID_H
#define XPM_TEST_SAID_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct said {
        int status;
        char out[32768], err[32768];
};

__attribute__((unused)) static int said_begin(int fd, FILE *stream, int *saved)
{
        int file = memfd_create("said", MFD_CLOEXEC);
        fflush(stream);
        *saved = dup(fd);
        if (file < 0 || *saved < 0 || dup2(file, fd) < 0)
                abort();
        return file;
}

__attribute__((unused)) static void said_end(int fd, FILE *stream, int saved, int file, char *text, size_t size)
{
        fflush(stream);
        dup2(saved, fd);
        close(saved);
        ssize_t length = pread(file, text, size - 1, 0);
        text[length > 0 ? length : 0] = '\0';
        close(file);
}

/* Run COMMAND with the words (ended by NULL) that follow; the first is its name. */
__attribute__((unused)) static struct said *say(int (*command)(int argc, char **argv), const char *const *words)
{
        static struct said said;
        char *argv[32];
        int argc = 0, out, err;
        for (; words[argc] && argc < 31; argc++)
                argv[argc] = strdup(words[argc]);
        char *kept[32];
        argv[argc] = NULL;
        memcpy(kept, argv, sizeof kept);
        int out_file = said_begin(STDOUT_FILENO, stdout, &out), err_file = said_begin(STDERR_FILENO, stderr, &err);
        said.status = command(argc, argv);
        said_end(STDERR_FILENO, stderr, err, err_file, said.err, sizeof said.err);
        said_end(STDOUT_FILENO, stdout, out, out_file, said.out, sizeof said.out);
        for (int i = 0; i < argc; i++)
                free(kept[i]);
        return &said;
}

#define SAY(command, ...) say(command, (const char *const[]){__VA_ARGS__, NULL})

#endif
