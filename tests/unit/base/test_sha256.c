#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "failing_malloc.h"
#include "place.h"

/* Examples of FIPS 180-2 and its predecessors. */
static const struct {
        const char *text, *hex;
} examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_texts_have_their_digests(void **state)
{
        (void)state;
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
                        uint8_t digest[XPM_SHA256_SIZE];
                        char hex[XPM_SHA256_HEX];
                        assert_int_equal(xpm_sha256(examples[i].text, strlen(examples[i].text), digest, NULL), 0);
                        xpm_hex(digest, sizeof digest, hex);
                        assert_string_equal(hex, examples[i].hex);
                }
}

static void *hash_in_a_thread(void *data)
{
        static const char text[] = "abc";
        for (int i = 0; i < 1000; i++) {
                uint8_t digest[XPM_SHA256_SIZE];
                char hex[XPM_SHA256_HEX];
                if (xpm_sha256(text, 3, digest, NULL) != 0)
                        return NULL;
                xpm_hex(digest, sizeof digest, hex);
                if (strcmp(hex, examples[1].hex) != 0)
                        return NULL;
        }
        return data;
}

static void threads_hash_side_by_side(void **state)
{
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, hash_in_a_thread, state), 0);
        for (int i = 0; i < 4; i++) {
                void *result;
                pthread_join(threads[i], &result);
                assert_ptr_equal(result, state);
        }
}

static void file_has_the_digest_of_its_content(void **state)
{
        struct place *place = *state;
        static char million[1000001];
        memset(million, 'a', sizeof million - 1);
        place_put(place, "a", million);
        int fd = openat(place->dir, "a", O_RDONLY | O_CLOEXEC);
        uint8_t digest[XPM_SHA256_SIZE];
        char hex[XPM_SHA256_HEX];
        assert_int_equal(xpm_sha256_fd(fd, "a", digest, NULL), 0);
        close(fd);
        xpm_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void unreadable_descriptor_is_named(void **state)
{
        struct place *place = *state;
        uint8_t digest[XPM_SHA256_SIZE];
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_sha256_fd(place->dir, "some/dir", digest, &err), XPM_EIO);
        assert_string_equal(err.message, "cannot read 'some/dir': is a directory");
        /* What was begun and not ended disturbs nothing. */
        known_texts_have_their_digests(state);
}

static void hashing_allocates_nothing(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        uint8_t digest[XPM_SHA256_SIZE];
        failing_malloc_arm(1);
        for (int i = 0; i < 10; i++)
                xpm_sha256(&i, sizeof i, digest, NULL);
        assert_false(failing_malloc_disarm());
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_texts_have_their_digests),
                cmocka_unit_test(threads_hash_side_by_side),
                cmocka_unit_test_setup_teardown(file_has_the_digest_of_its_content, place_enter, place_leave),
                cmocka_unit_test_setup_teardown(unreadable_descriptor_is_named, place_enter, place_leave),
                cmocka_unit_test(hashing_allocates_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
