/* Without libFuzzer: each file named on the command line, or found in a directory named there, goes through the target
 * once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
        FILE *file = fopen(path, "rb");
        if (!file) {
                perror(path);
                return 1;
        }
        uint8_t *data = NULL;
        size_t size = 0, capacity = 0;
        for (size_t got = 1; got > 0; size += got) {
                if (size == capacity) {
                        capacity = capacity ? capacity * 2 : 4096;
                        uint8_t *bigger = realloc(data, capacity);
                        if (!bigger)
                                break;
                        data = bigger;
                }
                got = fread(data + size, 1, capacity - size, file);
        }
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        return 0;
}

static int run_directory(const char *path, int *count)
{
        DIR *stream = opendir(path);
        if (!stream) {
                perror(path);
                return 1;
        }
        int rc = 0;
        for (const struct dirent *entry; (entry = readdir(stream));) {
                char name[4096];
                if (entry->d_name[0] == '.')
                        continue;
                snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
                rc |= run_file(name);
                ++*count;
        }
        closedir(stream);
        return rc;
}

int main(int argc, char **argv)
{
        int rc = 0, count = 0;
        for (int i = 1; i < argc; i++) {
                struct stat status;
                if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
                        rc |= run_directory(argv[i], &count);
                } else {
                        rc |= run_file(argv[i]);
                        count++;
                }
        }
        printf("%d files\n", count);
        return rc || count == 0;
}
