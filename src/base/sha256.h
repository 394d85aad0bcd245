/* sha256.h: SHA-256 by libcrypto
 */
#ifndef XPM_BASE_SHA256_H
#define XPM_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "experimaestro/error.h"

enum { XPM_SHA256_SIZE = 32, XPM_SHA256_HEX = 65 };

/* The digest of a text in memory; fast for a million short ones: it allocates nothing, and any thread may call it.
 * XPM_EIO when libcrypto refuses, which it does not. */
int xpm_sha256(const void *data, size_t length, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err);
/* Of all that can be read from FD. XPM_EIO naming NAME. */
int xpm_sha256_fd(int fd, const char *name, uint8_t digest[XPM_SHA256_SIZE], xpm_error *err);
/* 64 lower-case digits and NUL. */
void xpm_hex(const uint8_t *bytes, size_t length, char *out);

#endif
