#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "described.h"
#include "failing_malloc.h"
#include "holders.h"
#include "monitor/hostview.h"

static const uint64_t G = UINT64_C(1) << 30;

static void expect(const xpm_topology *topology, const xpm_holder *holders, size_t count, size_t width,
                   const char *picture)
{
        xpm_text text = XPM_TEXT_INIT;
        assert_non_null(topology);
        xpm_host_draw(topology, holders, count, width, &text);
        assert_string_equal(xpm_text_string(&text), picture);
        xpm_text_release(&text);
}

static void cores_and_gpus_are_letters_of_their_holders(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("node128", true);
        xpm_holder holders[] = {
                holders_one(4321, "heat", 0, 20, 12 * G),
                holders_one(99, "sort/merge", 126, 2, 0),
                holders_one(0, "", 40, 1, G / 2),
        };
        xpm_bits_add(&holders[0].portion.gpus, 0);
        xpm_bits_add(&holders[0].portion.gpus, 3);
        holders[1].waits = true;
        expect(topology, holders, 3, 80,
               "128 cores, 8 GPUs, 512G; described, not this host\n"
               "package 0\n"
               "  NUMA 0     64G    0  aaaaaaaa aaaaaaaa\n"
               "  NUMA 1     64G   16  aaaa.... ........\n"
               "  NUMA 2     64G   32  ........ c.......\n"
               "  NUMA 3     64G   48  ........ ........\n"
               "package 1\n"
               "  NUMA 4     64G   64  ........ ........\n"
               "  NUMA 5     64G   80  ........ ........\n"
               "  NUMA 6     64G   96  ........ ........\n"
               "  NUMA 7     64G  112  ........ ......bb\n"
               "GPUs\n"
               "  0  a  cuda0  NVIDIA H100     80G  NUMA 0  0000:11:00.0\n"
               "  1  .  cuda1  NVIDIA H100     80G  NUMA 1  0000:21:00.0\n"
               "  2  .  cuda2  NVIDIA H100     80G  NUMA 2  0000:31:00.0\n"
               "  3  a  cuda3  NVIDIA H100     80G  NUMA 3  0000:41:00.0\n"
               "  4  .  cuda4  NVIDIA H100     80G  NUMA 4  0000:51:00.0\n"
               "  5  .  cuda5  NVIDIA H100     80G  NUMA 5  0000:61:00.0\n"
               "  6  .  cuda6  NVIDIA H100     80G  NUMA 6  0000:71:00.0\n"
               "  7  .  cuda7  NVIDIA H100     80G  NUMA 7  0000:81:00.0\n"
               "\n"
               "a  pid 4321  heat: 20 cores, 2 GPUs, 12G\n"
               "b  pid 99    sort/merge: 2 cores, waits for more\n"
               "c  left by a worker that died: 1 core, 512M\n"
               ".  free: 105 cores, 6 GPUs, 499.5G\n");
        xpm_topology_destroy(topology);
}

/* Two packages of 128 cores: rows hold a power of two of groups that share a cache. */
static void wide_hosts_are_broken_into_rows(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:2 numa:1(memory=256GiB) l3:16 core:8 pu:2");
        const xpm_holder holder = holders_one(7, "wide", 30, 100, 0);
        expect(topology, &holder, 1, 80,
               "256 cores, 512 hardware threads, 512G; described, not this host\n"
               "package 0\n"
               "  NUMA 0    256G    0  ........|........|........|......aa|\n"
               "                   32  aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa|\n"
               "                   64  aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa|\n"
               "                   96  aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa\n"
               "package 1\n"
               "  NUMA 1    256G  128  aa......|........|........|........|\n"
               "                  160  ........|........|........|........|\n"
               "                  192  ........|........|........|........|\n"
               "                  224  ........|........|........|........\n"
               "\n"
               "a  pid 7  wide: 100 cores\n"
               ".  free: 156 cores, 512G\n");
        xpm_topology_destroy(topology);
}

static void a_row_takes_what_the_terminal_has(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:1 numa:1(memory=8GiB) l3:2 core:16 pu:1");
        expect(topology, NULL, 0, 120,
               "32 cores, 8G; described, not this host\n"
               "package 0\n"
               "  NUMA 0      8G   0  ........ ........|........ ........\n"
               "\n"
               ".  free: 32 cores, 8G\n");
        expect(topology, NULL, 0, 38,
               "32 cores, 8G; described, not this host\n"
               "package 0\n"
               "  NUMA 0      8G   0  ........\n"
               "                   8  ........|\n"
               "                  16  ........\n"
               "                  24  ........\n"
               "\n"
               ".  free: 32 cores, 8G\n");
        xpm_topology_destroy(topology);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
        (void)state;
        static const char *const names[] = {"node128", "unequal", "hybrid", "allowed"};
        xpm_holder holders[2] = {holders_one(1234567, "", 0, 3, 100 * G), holders_one(5, "", 3, 1, 0)};
        memset(holders[0].label, 'x', sizeof holders[0].label - 1);
        /* Characters of two bytes: what is cut is cut between them. */
        for (size_t i = 0; i + 2 < sizeof holders[1].label; i += 2)
                memcpy(holders[1].label + i, "é", 2);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                xpm_topology *topology = described_recorded(names[i], true);
                assert_non_null(topology);
                for (size_t width = 40; width < 140; width++) {
                        xpm_text text = XPM_TEXT_INIT;
                        xpm_host_draw(topology, holders, 2, width, &text);
                        size_t columns = 0, cores = 0;
                        for (const char *at = xpm_text_string(&text); *at; at++) {
                                columns = *at == '\n' ? 0 : columns + (((unsigned char)*at & 0xc0) != 0x80);
                                assert_true(columns <= width);
                                cores += *at == 'a';
                        }
                        assert_true(cores >= 3);
                        assert_non_null(strstr(xpm_text_string(&text), "3 cores, 100G\n"));
                        assert_non_null(strstr(xpm_text_string(&text), "é: 1 core\n"));
                        xpm_text_release(&text);
                }
                xpm_topology_destroy(topology);
        }
}

static void the_kinds_of_cores_are_told(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("hybrid", false);
        const xpm_holder holder = holders_one(12, "h", 5, 2, 0);
        expect(topology, &holder, 1, 80,
               "14 cores, 20 hardware threads, 1G; described, not this host\n"
               "kind 0, the fastest: cores 0-5\n"
               "kind 1: cores 6-13\n"
               "package 0\n"
               "  NUMA 0      1G   0  .....a a.......\n"
               "\n"
               "a  pid 12  h: 2 cores\n"
               ".  free: 12 cores, 1G\n");
        xpm_topology_destroy(topology);
}

static void labels_command_no_terminal(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:1 numa:1(memory=1GiB) core:2 pu:1");
        const xpm_holder holder = holders_one(12, "a\033[2Jb\nc", 0, 1, 0);
        expect(topology, &holder, 1, 80,
               "2 cores, 1G; described, not this host\n"
               "package 0\n"
               "  NUMA 0      1G  0  a.\n"
               "\n"
               "a  pid 12  a?[2Jb?c: 1 core\n"
               ".  free: 1 core, 1G\n");
        xpm_topology_destroy(topology);
}

static void holders_beyond_the_letters_share_a_sign(void **state)
{
        (void)state;
        enum { MANY = 54 };
        xpm_topology *topology = described_words("pack:1 numa:1(memory=1GiB) core:60 pu:1");
        xpm_holder holders[MANY];
        xpm_text text = XPM_TEXT_INIT;
        assert_non_null(topology);
        for (unsigned i = 0; i < MANY; i++)
                holders[i] = holders_one(100 + (pid_t)i, "", i, 1, 0);
        xpm_host_draw(topology, holders, MANY, 200, &text);
        assert_non_null(strstr(xpm_text_string(&text), "  0  abcdefgh ijklmnop qrstuvwx yzABCDEF GHIJKLMN OPQRSTUV "
                                                       "WXYZ##.. ....\n"));
        assert_non_null(
                strstr(xpm_text_string(&text), "\nZ  pid 151  1 core\n#  pid 152  1 core\n#  pid 153  1 core\n"));
        xpm_text_release(&text);
        xpm_topology_destroy(topology);
}

static void a_picture_without_memory_has_failed(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        xpm_topology *topology = described_recorded("unequal", true);
        const xpm_holder holder = holders_one(1, "x", 0, 1, 0);
        assert_non_null(topology);
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                xpm_host_draw(topology, &holder, 1, 80, &text);
                bool struck = failing_malloc_disarm(), failed = text.failed;
                xpm_text_release(&text);
                assert_true(failed == struck);
                if (!struck)
                        break;
        }
        xpm_topology_destroy(topology);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cores_and_gpus_are_letters_of_their_holders),
                cmocka_unit_test(wide_hosts_are_broken_into_rows),
                cmocka_unit_test(a_row_takes_what_the_terminal_has),
                cmocka_unit_test(no_line_is_wider_than_the_terminal),
                cmocka_unit_test(the_kinds_of_cores_are_told),
                cmocka_unit_test(labels_command_no_terminal),
                cmocka_unit_test(holders_beyond_the_letters_share_a_sign),
                cmocka_unit_test(a_picture_without_memory_has_failed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
