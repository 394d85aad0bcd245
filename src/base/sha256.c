/* Looking an algorithm up costs libcrypto more than hashing a short text, and so does making a context: the algorithm
 * is looked up once for the process, and each thread keeps one context, freed when the thread ends. libcrypto's own
 * clean-up at exit tells us to let go of the algorithm and of the last thread's context before it ends. */
#include "base/sha256.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

static struct {
        pthread_once_t once;
        pthread_key_t contexts;
        EVP_MD *algorithm;
        bool usable;
} sha256 = {.once = PTHREAD_ONCE_INIT};

static void free_context(void *context)
{
        EVP_MD_CTX_free(context);
}

static void at_exit(void)
{
        free_context(pthread_getspecific(sha256.contexts));
        pthread_setspecific(sha256.contexts, NULL);
        EVP_MD_free(sha256.algorithm);
        sha256.algorithm = NULL;
        sha256.usable = false;
}

static void set_up(void)
{
        sha256.algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (!sha256.algorithm || pthread_key_create(&sha256.contexts, free_context) != 0)
                return;
        sha256.usable = true;
        OPENSSL_atexit(at_exit);
}

/* This thread's context, at the beginning of a digest; NULL when out of memory. */
static EVP_MD_CTX *begin(void)
{
        pthread_once(&sha256.once, set_up);
        if (!sha256.usable)
                return NULL;
        EVP_MD_CTX *context = pthread_getspecific(sha256.contexts);
        if (!context) {
                context = EVP_MD_CTX_new();
                if (!context || pthread_setspecific(sha256.contexts, context) != 0) {
                        EVP_MD_CTX_free(context);
                        return NULL;
                }
        }
        return EVP_DigestInit_ex2(context, sha256.algorithm, NULL) == 1 ? context : NULL;
}

int xpm_sha256(const void *data, size_t length, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err)
{
        EVP_MD_CTX *context = begin();
        if (!context || EVP_DigestUpdate(context, data, length) != 1 || EVP_DigestFinal_ex(context, digest, NULL) != 1)
                return xpm_fail_memory(err);
        return 0;
}

int xpm_sha256_fd(int fd, const char *name, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err)
{
        char buffer[32 << 10];
        EVP_MD_CTX *context = begin();
        if (!context)
                return xpm_fail_memory(err);
        for (;;) {
                ssize_t length = read(fd, buffer, sizeof buffer);
                if (length < 0 && errno == EINTR)
                        continue;
                if (length < 0)
                        return xpm_fail_errno(err, "cannot read '%s'", name);
                if (length == 0)
                        break;
                if (EVP_DigestUpdate(context, buffer, (size_t)length) != 1)
                        return xpm_fail_memory(err);
        }
        return EVP_DigestFinal_ex(context, digest, NULL) == 1 ? 0 : xpm_fail_memory(err);
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
