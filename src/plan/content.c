/* The hash is written into the file's object, which every value that came from one default shares: it is looked at
 * once. That is no change of what is shared, since nobody may use a hash that is not there yet. */
#include "plan/content.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"

/* Without blocking on a FIFO. */
static int hash_here(const char *path, char hex[XPM_SHA256_HEX], xpm_error *err)
{
        struct stat status;
        uint8_t digest[XPM_SHA256_SIZE];
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot open '%s'", path);
        int rc = 0;
        if (fstat(fd, &status) != 0)
                rc = xpm_fail_errno(err, "cannot read '%s'", path);
        else if (!S_ISREG(status.st_mode))
                rc = xpm_fail(err, XPM_EIO, "'%s' is not a regular file", path);
        else
                rc = xpm_sha256_fd(fd, path, digest, err);
        close(fd);
        if (rc == 0)
                xpm_hex(digest, sizeof digest, hex);
        return rc;
}

int xpm_content_hash(const xpm_converter *converter, xpm_file *file, xpm_error *err)
{
        static const char prefix[] = "sha256:";
        char hex[XPM_SHA256_HEX];
        const char *path = file->path->data;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = converter->hash_file ? converter->hash_file(converter->hash_data, path, hex, &inner)
                                      : hash_here(path, hex, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(err);
        if (rc != 0)
                return xpm_fail(err, XPM_EPLAN, "%s; a file is part of the identifier by its content",
                                inner.code ? inner.message : xpm_strerror(rc));
        memcpy(file->hash, prefix, sizeof prefix - 1);
        memcpy(file->hash + sizeof prefix - 1, hex, sizeof hex);
        return 0;
}

static int hash_array(const xpm_converter *converter, const xpm_value *values, size_t count, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < count && rc == 0; i++)
                rc = xpm_content_hash_all(converter, &values[i], err);
        return rc;
}

int xpm_content_hash_all(const xpm_converter *converter, const xpm_value *value, xpm_error *err)
{
        int rc = 0;
        switch (value->kind) {
        case XPM_FILE: return *value->file->hash ? 0 : xpm_content_hash(converter, (xpm_file *)value->file, err);
        case XPM_LIST:
        case XPM_SET: return hash_array(converter, value->array->items, value->array->count, err);
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count && rc == 0; i++)
                        rc = xpm_content_hash_all(converter, &value->dict->items[i].value, err);
                return rc;
        case XPM_CONFIG:
                return value->config->job
                               ? 0
                               : hash_array(converter, value->config->values, value->config->type->param_count, err);
        default: return 0;
        }
}
