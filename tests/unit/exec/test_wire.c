#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/wire.h"
#include "place.h"

static void put_sample(xpm_text *text)
{
        size_t begin = xpm_frame_begin(text, XPM_FRAME_KILL);
        xpm_frame_put_u8(text, 200);
        xpm_frame_put_u32(text, 0x12345678);
        xpm_frame_put_u64(text, 0x123456789abcdef0);
        xpm_frame_put_string(text, "with \n newline");
        xpm_frame_put_string(text, "");
        xpm_frame_put_string(text, NULL);
        xpm_frame_put_bytes(text, "a\0b", 3);
        xpm_frame_end(text, begin);
}

static void what_was_put_is_read(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        size_t offset = 0, length;
        put_sample(&text);
        put_sample(&text);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(xpm_frame_take(text.data, text.length, &offset, &frame, NULL), 1);
                xpm_frame_reader reader = xpm_frame_read(&frame);
                assert_int_equal(frame.kind, XPM_FRAME_KILL);
                assert_int_equal(xpm_frame_u8(&reader), 200);
                assert_int_equal(xpm_frame_u32(&reader), 0x12345678);
                assert_true(xpm_frame_u64(&reader) == 0x123456789abcdef0);
                assert_string_equal(xpm_frame_string(&reader), "with \n newline");
                assert_string_equal(xpm_frame_string(&reader), "");
                assert_null(xpm_frame_string(&reader));
                assert_memory_equal(xpm_frame_bytes(&reader, &length), "a\0b", 4);
                assert_int_equal(length, 3);
                assert_false(reader.bad);
                assert_ptr_equal(reader.at, reader.end);
        }
        assert_int_equal(offset, text.length);
        xpm_text_release(&text);
}

static void frame_that_has_not_arrived_whole_is_waited_for(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        put_sample(&text);
        for (size_t length = 0; length < text.length; length++) {
                size_t offset = 0;
                assert_int_equal(xpm_frame_take(text.data, length, &offset, &frame, NULL), 0);
                assert_int_equal(offset, 0);
        }
        xpm_text_release(&text);
}

static void body_that_is_cut_is_bad_and_never_read_beyond(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        size_t offset = 0, length;
        put_sample(&text);
        assert_int_equal(xpm_frame_take(text.data, text.length, &offset, &frame, NULL), 1);
        for (size_t cut = 0; cut < frame.length; cut++) {
                char *copy = malloc(cut + 1); /* so that a sanitizer sees a read beyond */
                memcpy(copy, frame.body, cut);
                xpm_frame_reader reader = {copy, copy + cut, false};
                xpm_frame_u8(&reader);
                xpm_frame_u32(&reader);
                xpm_frame_u64(&reader);
                for (int i = 0; i < 3; i++)
                        xpm_frame_string(&reader);
                xpm_frame_bytes(&reader, &length);
                assert_true(reader.bad);
                free(copy);
        }
        xpm_text_release(&text);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
        (void)state;
        static const char *const heads[] = {"\0\0\0\0x", "\xff\xff\xff\xffx"};
        for (int i = 0; i < 2; i++) {
                xpm_error err = XPM_ERROR_NONE;
                xpm_frame frame;
                size_t offset = 0;
                assert_int_equal(xpm_frame_take(heads[i], 5, &offset, &frame, &err), XPM_EFORMAT);
        }
}

static void string_with_nul_inside_is_bad(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame_put_bytes(&text, "a\0b", 3);
        xpm_frame_reader reader = {text.data, text.data + text.length, false};
        xpm_frame_string(&reader);
        assert_true(reader.bad);
        xpm_text_release(&text);
}

static void event_arrives_as_it_was_sent(void **state)
{
        (void)state;
        const xpm_launch_event sent = {.kind = XPM_LAUNCH_ENDED,
                                       .tag = UINT64_MAX,
                                       .attempt = 3,
                                       .code = -1,
                                       .reason = "failed",
                                       .message = "why",
                                       .wall = 1.25};
        xpm_launch_event got;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        size_t offset = 0;
        bool broken = false;
        xpm_frame_put_event(&text, &sent, true);
        assert_int_equal(xpm_frame_take(text.data, text.length, &offset, &frame, NULL), 1);
        assert_int_equal(xpm_frame_event(&frame, &got, &broken, NULL), 0);
        assert_int_equal(got.kind, XPM_LAUNCH_ENDED);
        assert_true(got.tag == UINT64_MAX && got.attempt == 3 && !got.done && got.code == -1 && broken);
        assert_null(got.handle);
        assert_string_equal(got.reason, "failed");
        assert_string_equal(got.message, "why");
        assert_true(got.wall == 1.25);
        frame.length--;
        assert_int_equal(xpm_frame_event(&frame, &got, &broken, NULL), XPM_EFORMAT);
        xpm_text_release(&text);
}

static void socket_that_takes_no_more_keeps_the_rest(void **state)
{
        (void)state;
        int pair[2];
        bool closed = false;
        xpm_text out = XPM_TEXT_INIT, in = XPM_TEXT_INIT;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        for (int i = 0; i < 1 << 20; i++)
                xpm_text_append(&out, "01234567", 8);
        size_t total = out.length;
        assert_int_equal(xpm_frame_send(pair[0], &out, &closed, NULL), 1);
        while (xpm_frame_send(pair[0], &out, &closed, NULL) == 1)
                ;
        assert_true(out.length > 0 && out.length < total);
        while (in.length < total) {
                assert_true(xpm_frame_receive(pair[1], &in, &closed, NULL) >= 0);
                assert_true(xpm_frame_send(pair[0], &out, &closed, NULL) >= 0);
        }
        for (size_t i = 0; i < total; i += 8)
                assert_memory_equal(in.data + i, "01234567", 8);
        assert_false(closed);
        close(pair[0]);
        assert_int_equal(xpm_frame_receive(pair[1], &in, &closed, NULL), 0);
        assert_true(closed);
        closed = false;
        xpm_text_puts(&out, "x");
        assert_int_equal(xpm_frame_send(pair[1], &out, &closed, NULL), 0);
        assert_true(closed);
        close(pair[1]);
        xpm_text_release(&out);
        xpm_text_release(&in);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(what_was_put_is_read),
                T(frame_that_has_not_arrived_whole_is_waited_for),
                T(body_that_is_cut_is_bad_and_never_read_beyond),
                T(lengths_that_cannot_be_are_refused),
                T(string_with_nul_inside_is_bad),
                T(event_arrives_as_it_was_sent),
                T(socket_that_takes_no_more_keeps_the_rest),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
