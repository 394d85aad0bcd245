/* Files of a batch stand in RUN/batches: `NAME`, its manifest, and `NAME.id`, Slurm's number of it. Both are replaced
 * as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "slurm.h"

static int io_error(xpm_error *err, int code, const char *what, const char *path)
{
        if (err && !err->code) {
                err->code = code;
                snprintf(err->message, sizeof err->message, "cannot %s '%s': %s", what, path, strerror(errno));
        }
        return code;
}

batch *batch_create(const xpm_core *core, const char *const *directives)
{
        static unsigned count;
        struct timespec now;
        batch *batch_ = calloc(1, sizeof *batch_);
        size_t length = strlen(core->workspace);
        clock_gettime(CLOCK_REALTIME, &now);
        if (!batch_)
                return NULL;
        batch_->directives = json_array();
        for (size_t i = 0; directives && directives[i] && batch_->directives; i++)
                json_array_append_new(batch_->directives, json_string(directives[i]));
        if (asprintf(&batch_->manifest, "%s/batches/%lx%05lx.%u", core->run, (long)now.tv_sec, now.tv_nsec / 1000,
                     count++) < 0)
                batch_->manifest = NULL;
        if (batch_->manifest)
                batch_->name = strdup(batch_->manifest + length + (batch_->manifest[length] == '/'));
        if (!batch_->directives || !batch_->name) {
                batch_free(batch_);
                return NULL;
        }
        return batch_;
}

void batch_free(batch *batch_)
{
        for (size_t i = 0; i < batch_->count; i++)
                free(batch_->jobs[i].path);
        json_decref(batch_->directives);
        chain_release(&batch_->chain);
        json_decref(batch_->ghosts);
        free(batch_->jobs);
        free(batch_->manifest);
        free(batch_->name);
        free(batch_);
}

bool batch_is_alike(const batch *batch_, const char *const *directives)
{
        size_t i = 0;
        for (; directives && directives[i]; i++) {
                const char *own = json_string_value(json_array_get(batch_->directives, i));
                if (!own || strcmp(own, directives[i]) != 0)
                        return false;
        }
        return json_array_size(batch_->directives) == i;
}

int batch_add(batch *batch_, const xpm_launch *launch)
{
        if (batch_->count == batch_->capacity) {
                size_t capacity = batch_->capacity ? 2 * batch_->capacity : 16;
                slurm_job *grown = realloc(batch_->jobs, capacity * sizeof *grown);
                if (!grown)
                        return XPM_ENOMEM;
                batch_->jobs = grown;
                batch_->capacity = capacity;
        }
        slurm_job *job = &batch_->jobs[batch_->count];
        *job = (slurm_job){.tag = launch->tag, .attempt = launch->attempt, .ours = true, .path = strdup(launch->path)};
        if (!job->path)
                return XPM_ENOMEM;
        batch_->count++;
        return 0;
}

void batch_drop_last(batch *batch_)
{
        free(batch_->jobs[--batch_->count].path);
        batch_->left--;
}

void batch_void(const batch *batch_)
{
        unlink(batch_->manifest);
}

bool batch_haunted(batch *batch_, long number)
{
        size_t i;
        json_t *known;
        if (!batch_->ghosts)
                batch_->ghosts = json_array();
        json_array_foreach(batch_->ghosts, i, known)
        {
                if (json_integer_value(known) == number)
                        return false;
        }
        return json_array_append_new(batch_->ghosts, json_integer(number)) == 0;
}

static int append_id(long number, long index, json_t *ids)
{
        json_t *id = index < 0 ? json_sprintf("%ld", number) : json_sprintf("%ld_%ld", number, index);
        return json_array_append_new(ids, id) == 0 ? 0 : XPM_ENOMEM;
}

int batch_ids(const batch *batch_, long index, json_t *ids)
{
        size_t i;
        json_t *ghost;
        int rc = append_id(batch_->job_id, batch_->count > 1 ? index : -1, ids);
        json_array_foreach(batch_->ghosts, i, ghost)
        {
                if (rc == 0)
                        rc = append_id((long)json_integer_value(ghost), batch_->count > 1 ? index : -1, ids);
        }
        return rc;
}

void batch_handle(const batch *batch_, size_t index, char handle[256])
{
        snprintf(handle, 256, "%s#%zu", batch_->name, index);
}

static int replace(const char *path, const char *text, xpm_error *err)
{
        char *beside = NULL;
        if (asprintf(&beside, "%s.tmp", path) < 0)
                return XPM_ENOMEM;
        int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666), rc = 0;
        size_t left = strlen(text);
        for (const char *at = text; fd >= 0 && left > 0;) {
                ssize_t wrote = write(fd, at, left);
                if (wrote < 0 && errno == EINTR)
                        continue;
                if (wrote < 0) {
                        rc = io_error(err, XPM_EIO, "write", beside);
                        break;
                }
                at += wrote;
                left -= (size_t)wrote;
        }
        if (fd < 0)
                rc = io_error(err, XPM_EIO, "create", beside);
        else if (close(fd) != 0 && rc == 0)
                rc = io_error(err, XPM_EIO, "write", beside);
        if (rc == 0 && rename(beside, path) != 0)
                rc = io_error(err, XPM_EIO, "create", path);
        if (rc != 0)
                unlink(beside);
        free(beside);
        return rc;
}

static int make_folder(const char *manifest, xpm_error *err)
{
        char *folder = strndup(manifest, (size_t)(strrchr(manifest, '/') - manifest));
        if (!folder)
                return XPM_ENOMEM;
        int rc = mkdir(folder, 0777) == 0 || errno == EEXIST ? 0 : io_error(err, XPM_EIO, "make", folder);
        free(folder);
        return rc;
}

int batch_write(const batch *batch_, bool requeue, xpm_error *err)
{
        char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        if (!stream)
                return XPM_ENOMEM;
        for (size_t i = 0; i < batch_->count; i++) {
                json_t *line = json_pack("{s:s, s:s}", "job", batch_->jobs[i].path, "nonce", batch_->jobs[i].nonce);
                if (line && requeue)
                        json_object_set_new(line, "requeue", json_true());
                if (line)
                        json_dumpf(line, stream, JSON_COMPACT);
                fputc('\n', stream);
                json_decref(line);
        }
        int rc = fclose(stream) == 0 ? make_folder(batch_->manifest, err) : XPM_ENOMEM;
        if (rc == 0)
                rc = replace(batch_->manifest, text, err);
        free(text);
        return rc;
}

int batch_write_id(const batch *batch_, xpm_error *err)
{
        char *path = NULL, number[32];
        snprintf(number, sizeof number, "%ld\n", batch_->job_id);
        if (asprintf(&path, "%s.id", batch_->manifest) < 0)
                return XPM_ENOMEM;
        int rc = replace(path, number, err);
        free(path);
        return rc;
}

long batch_read_id(const char *manifest)
{
        char *path = NULL;
        long number = 0;
        if (asprintf(&path, "%s.id", manifest) < 0)
                return 0;
        FILE *stream = fopen(path, "re");
        if (stream) {
                if (fscanf(stream, "%ld", &number) != 1)
                        number = 0;
                fclose(stream);
        }
        free(path);
        return number;
}

/* Elements that nobody asks for. */
static int fill_up(batch *batch_, size_t count)
{
        const xpm_launch nobody = {.path = ""};
        while (batch_->count < count) {
                if (batch_add(batch_, &nobody) != 0)
                        return XPM_ENOMEM;
                batch_->jobs[batch_->count - 1].state = JOB_LEFT;
                batch_->jobs[batch_->count - 1].ours = false;
                batch_->left++;
        }
        return 0;
}

static size_t count_lines(const char *path)
{
        size_t count = 0;
        FILE *stream = fopen(path, "re");
        for (int c; stream && (c = getc_unlocked(stream)) != EOF;)
                count += c == '\n';
        if (stream)
                fclose(stream);
        return count;
}

batch *batch_recall(const xpm_core *core, const char *name, size_t length)
{
        batch *batch_ = calloc(1, sizeof *batch_);
        if (!batch_)
                return NULL;
        batch_->directives = json_array();
        batch_->name = strndup(name, length);
        if (!batch_->name || asprintf(&batch_->manifest, "%s/%s", core->workspace, batch_->name) < 0)
                batch_->manifest = NULL;
        if (!batch_->directives || !batch_->manifest || fill_up(batch_, count_lines(batch_->manifest)) != 0) {
                batch_free(batch_);
                return NULL;
        }
        batch_->found = true;
        batch_->job_id = batch_read_id(batch_->manifest);
        /* Without a number it is looked for by its comment. */
        batch_->state = batch_->job_id ? BATCH_QUEUED : BATCH_LOST_TRACK;
        return batch_;
}

int batch_recount(batch *batch_)
{
        return fill_up(batch_, count_lines(batch_->manifest));
}

int batch_claim(batch *batch_, size_t index, uint64_t tag)
{
        if (fill_up(batch_, index + 1) != 0)
                return XPM_ENOMEM;
        slurm_job *job = &batch_->jobs[index];
        batch_->left -= job->state == JOB_LEFT;
        job->tag = tag;
        job->attempt = 1;
        job->ours = true;
        job->doomed = false;
        job->state = JOB_QUEUED;
        return 0;
}

bool batch_is_whole(const batch *batch_)
{
        for (size_t i = 0; i < batch_->count; i++)
                if (!batch_->jobs[i].ours)
                        return false;
        return true;
}
