/* SHA-256 by the functions that libcrypto has had for ever. Its newer interface looks the algorithm up among providers
 * (milliseconds at the start of a program), needs a context for each thread, and allocates for each digest; this one
 * needs a struct on the stack, and identifiers are made by the million. */
#define OPENSSL_API_COMPAT 0x10100000L /* declared as deprecated only when asked for a later interface */

#include "base/sha256.h"

#include <errno.h>
#include <openssl/sha.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

static int finish(SHA256_CTX *context, int ok, uint8_t *digest, xpm_error *err)
{
        if (!ok || SHA256_Final(digest, context) != 1)
                return xpm_fail(err, XPM_EIO, "libcrypto cannot compute SHA-256");
        return 0;
}

int xpm_sha256(const void *data, size_t length, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err)
{
        SHA256_CTX context;
        int ok = SHA256_Init(&context) && SHA256_Update(&context, data, length);
        return finish(&context, ok, digest, err);
}

int xpm_sha256_fd(int fd, const char *name, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err)
{
        char block[BLOCK];
        SHA256_CTX context;
        int ok = SHA256_Init(&context);
        ssize_t length;
        while ((length = read(fd, block, sizeof block)) != 0) {
                if (length > 0)
                        ok = ok && SHA256_Update(&context, block, (size_t)length);
                else if (errno != EINTR)
                        return xpm_fail_errno(err, "cannot read '%s'", name);
        }
        return finish(&context, ok, digest, err);
}

void xpm_hex(const uint8_t *bytes, size_t length, char *out)
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < length; i++) {
                *out++ = digits[bytes[i] >> 4];
                *out++ = digits[bytes[i] & 15];
        }
        *out = '\0';
}
