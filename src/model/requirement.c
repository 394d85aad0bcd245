/* Recursive descent over the grammar of docs/reference/launchers.md; templates were rendered before, so this sees plain
 * text.
 *
 * Terms of one kind combine by maximum, accelerators add up, and what an alternative does not say stays "any". Every
 * error quotes the whole text, points at a character of it, and says what to write: a requirement is written once and
 * read by people who rarely write one. */
#include "model/requirement.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/words.h"

enum { SHOWN = 120, WORD = 32 };

struct parser {
        xpm_arena *arena;
        const char *text, *at;
        size_t *wrong; /* where the message points */
        xpm_error *err;
};

struct gpus { /* of one alternative */
        xpm_gpu_need *items;
        size_t count, capacity;
};

/* Characters and words. */

static int fail(const struct parser *parser, const char *at, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static int fail(const struct parser *parser, const char *at, const char *format, ...)
{
        char what[400];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        bool cut = strlen(parser->text) > SHOWN;
        *parser->wrong = (size_t)(at - parser->text);
        return xpm_fail(parser->err, XPM_EPLAN, "'%.*s%s', character %zu: %s", SHOWN, parser->text, cut ? "…" : "",
                        (size_t)(at - parser->text) + 1, what);
}

static void skip_blanks(struct parser *parser)
{
        parser->at += strspn(parser->at, " \t\r\n");
}

static bool accept(struct parser *parser, char c)
{
        skip_blanks(parser);
        if (*parser->at != c)
                return false;
        parser->at++;
        return true;
}

static int expect(struct parser *parser, char c, const char *after)
{
        if (accept(parser, c))
                return 0;
        return fail(parser, parser->at, "expected '%c' after %s", c, after);
}

/* A name, cut at WORD bytes; *START is where it stands. */
static void read_word(struct parser *parser, char word[WORD], const char **start)
{
        skip_blanks(parser);
        *start = parser->at;
        size_t length = strspn(parser->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        snprintf(word, WORD, "%.*s", (int)(length < WORD ? length : WORD - 1), parser->at);
        parser->at += length;
}

static bool is_one_of(const char *word, const char *const *words)
{
        for (; *words; words++)
                if (strcmp(word, *words) == 0)
                        return true;
        return false;
}

static int unknown(const struct parser *parser, const char *at, const char *word, const char *const *known,
                   const char *expected)
{
        size_t count = 0;
        while (known[count])
                count++;
        const char *near = *word ? xpm_words_nearest(word, known, count) : NULL;
        if (near)
                return fail(parser, at, "unknown '%s': did you mean '%s'?", word, near);
        if (*word)
                return fail(parser, at, "unknown '%s': expected %s", word, expected);
        return fail(parser, at, "expected %s", expected);
}

/* Numbers with units. */

static int read_count(struct parser *parser, const char *what, int64_t *out)
{
        skip_blanks(parser);
        const char *start = parser->at;
        size_t length = strspn(start, "0123456789");
        int64_t value;
        if (length == 0)
                return fail(parser, start, "expected the number of %s", what);
        parser->at += length;
        if (*parser->at == '.')
                return fail(parser, start, "the number of %s is an int", what);
        if (!xpm_int_parse(start, length, &value, NULL) || value > INT32_MAX)
                return fail(parser, start, "%.*s %s are too many", (int)(length < WORD ? length : WORD), start, what);
        if (value == 0)
                return fail(parser, start, "the number of %s is at least 1", what);
        *out = value;
        return 0;
}

/* Digits with or without a fraction. *LENGTH may be 0: no number. */
static double read_number(struct parser *parser, size_t *length)
{
        double value = 0;
        const char *start = parser->at;
        *length = strspn(start, "0123456789");
        if (start[*length] == '.')
                *length += 1 + strspn(start + *length + 1, "0123456789");
        if (!xpm_float_parse(start, *length, &value, NULL))
                *length = 0;
        parser->at += *length;
        return value;
}

static int read_size(struct parser *parser, uint64_t *out)
{
        static const struct {
                const char *unit;
                int shift;
        } units[] = {{"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40}, {"TiB", 40}};
        static const char *const named[] = {"M", "MiB", "G", "GiB", "T", "TiB", NULL};
        char word[WORD];
        const char *unit;
        size_t length;
        skip_blanks(parser);
        const char *start = parser->at;
        double value = read_number(parser, &length);
        if (length == 0)
                return fail(parser, start, "expected a memory size such as 32G");
        int shown = (int)(length < WORD ? length : WORD);
        read_word(parser, word, &unit);
        if (!*word)
                return fail(parser, start, "a memory size needs a unit: %.*sG?", shown, start);
        size_t which = 0;
        while (which < sizeof units / sizeof *units && strcmp(units[which].unit, word) != 0)
                which++;
        if (which == sizeof units / sizeof *units) {
                const char *last = word + strlen(word) - 1;
                if (strchr("GgMmTt", *word) && (*last == 'b' || *last == 'B') && strlen(word) == 2)
                        return fail(parser, unit, "the unit '%s' is not known: sizes are binary, so write %.*s%c", word,
                                    shown, start, *word >= 'a' ? *word - 'a' + 'A' : *word);
                return unknown(parser, unit, word, named, "G, M or T (GiB, MiB, TiB)");
        }
        value = ldexp(value, units[which].shift);
        if (!(value < 0x1p63))
                return fail(parser, start, "no host has so much memory");
        if (value < 1)
                return fail(parser, start, "a memory size is more than 0");
        *out = (uint64_t)value;
        return 0;
}

/* Two digits of [D-]HH:MM:SS, less than LIMIT. */
static bool read_clock_part(struct parser *parser, int limit, int64_t *value)
{
        const char *at = parser->at;
        if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9' || (at[2] >= '0' && at[2] <= '9'))
                return false;
        *value = (at[0] - '0') * 10 + (at[1] - '0');
        parser->at += 2;
        return *value < limit;
}

static bool read_colon(struct parser *parser)
{
        bool is = *parser->at == ':';
        parser->at += is;
        return is;
}

static int read_clock(struct parser *parser, int64_t *out)
{
        const char *start = parser->at;
        size_t digits = strspn(start, "0123456789");
        int64_t days = 0, hours, minutes, seconds;
        bool with_days = start[digits] == '-';
        if (with_days) {
                if (!xpm_int_parse(start, digits, &days, NULL) || days > 36500)
                        return fail(parser, start, "no job lasts so many days");
                parser->at += digits + 1;
        }
        bool right = read_clock_part(parser, with_days ? 24 : 100, &hours) && read_colon(parser) &&
                     read_clock_part(parser, 60, &minutes) && read_colon(parser) &&
                     read_clock_part(parser, 60, &seconds);
        if (!right)
                return fail(parser, start, "a clock time is [D-]HH:MM:SS, such as 1-12:00:00; or write 90m, 2h, 1d");
        *out = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
        return *out > 0 ? 0 : fail(parser, start, "a duration is more than 0");
}

static int read_duration(struct parser *parser, int64_t *out)
{
        static const struct {
                const char *names[6];
                double seconds;
        } units[] = {
                {{"s", "sec", "secs", NULL}, 1},
                {{"m", "min", "mins", NULL}, 60},
                {{"h", "hour", "hours", NULL}, 3600},
                {{"d", "day", "days", NULL}, 86400},
        };
        static const char *const all[] = {"s",    "sec",   "secs", "m",   "min",  "mins", "h",
                                          "hour", "hours", "d",    "day", "days", NULL};
        static const char *const longer[] = {"second", "seconds", "minute", "minutes", NULL};
        char word[WORD];
        const char *unit;
        size_t length;
        skip_blanks(parser);
        const char *start = parser->at;
        size_t digits = strspn(start, "0123456789");
        if (digits > 0 && (start[digits] == ':' || start[digits] == '-'))
                return read_clock(parser, out);
        double value = read_number(parser, &length);
        if (length == 0)
                return fail(parser, start, "expected a duration such as 30m, 2h, 1d or 12:00:00");
        read_word(parser, word, &unit);
        if (!*word)
                return fail(parser, start, "a duration needs a unit: %.*sm (minutes), %.*sh (hours)?",
                            (int)(length < WORD ? length : WORD), start, (int)(length < WORD ? length : WORD), start);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                if (is_one_of(word, units[i].names)) {
                        double seconds = ceil(value * units[i].seconds);
                        if (seconds > 36500.0 * 86400)
                                return fail(parser, start, "no job lasts so long");
                        if (seconds < 1)
                                return fail(parser, start, "a duration is more than 0");
                        if (*parser->at >= '0' && *parser->at <= '9')
                                return fail(parser, parser->at,
                                            "a duration has one unit, such as 36h; or write [D-]HH:MM:SS");
                        *out = (int64_t)seconds;
                        return 0;
                }
        if (is_one_of(word, longer))
                return fail(parser, unit, "unknown '%s': write %.*s%c", word, (int)(length < WORD ? length : WORD),
                            start, *word);
        return unknown(parser, unit, word, all, "a unit: s, m, h or d");
}

/* Terms. */

static void raise(int64_t *value, int64_t least)
{
        if (*value < least)
                *value = least;
}

static int read_cpu(struct parser *parser, xpm_need *need)
{
        static const char *const known[] = {"mem", "cores", NULL};
        int rc = expect(parser, '(', "'cpu'");
        if (rc != 0 || accept(parser, ')'))
                return rc;
        do {
                char word[WORD];
                const char *start;
                int64_t cores;
                uint64_t memory;
                read_word(parser, word, &start);
                if (!is_one_of(word, known))
                        return unknown(parser, start, word, known, "mem=SIZE or cores=N");
                rc = expect(parser, '=', word);
                if (rc == 0 && strcmp(word, "cores") == 0) {
                        rc = read_count(parser, "cores", &cores);
                        if (rc == 0)
                                raise(&need->cores, cores);
                } else if (rc == 0) {
                        rc = read_size(parser, &memory);
                        if (rc == 0 && memory > need->memory)
                                need->memory = memory;
                }
        } while (rc == 0 && accept(parser, ','));
        return rc == 0 ? expect(parser, ')', "what 'cpu' holds") : rc;
}

static int read_gpu(struct parser *parser, enum xpm_gpu_kind kind, const char *name, struct gpus *gpus)
{
        static const char *const known[] = {"mem", NULL};
        xpm_gpu_need gpu = {.kind = kind, .count = 1};
        int rc = 0;
        /* Without parentheses, `cuda` and `cuda*2` are clear. */
        if (accept(parser, '(') && !accept(parser, ')')) {
                char word[WORD];
                const char *start;
                read_word(parser, word, &start);
                if (!is_one_of(word, known))
                        return unknown(parser, start, word, known,
                                       "mem=SIZE; the number follows, as in cuda(mem=8G)*2");
                rc = expect(parser, '=', word);
                if (rc == 0)
                        rc = read_size(parser, &gpu.memory);
                if (rc == 0)
                        rc = expect(parser, ')', "the memory");
        }
        if (rc == 0 && accept(parser, '*'))
                rc = read_count(parser, name, &gpu.count);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < gpus->count; i++)
                if (gpus->items[i].kind == gpu.kind && gpus->items[i].memory == gpu.memory) {
                        gpus->items[i].count += gpu.count;
                        return 0;
                }
        if (xpm_arena_reserve(parser->arena, &gpus->items, &gpus->capacity, gpus->count + 1, sizeof *gpus->items) != 0)
                return xpm_fail_memory(parser->err);
        gpus->items[gpus->count++] = gpu;
        return 0;
}

static int read_mpi(struct parser *parser, xpm_need *need)
{
        static const char *const known[] = {"ranks", "per_node", NULL};
        const char *start = parser->at;
        int64_t ranks = 0;
        int rc = expect(parser, '(', "'mpi'");
        if (rc != 0)
                return rc;
        do {
                char word[WORD];
                int64_t count;
                read_word(parser, word, &start);
                if (!is_one_of(word, known))
                        return unknown(parser, start, word, known, "ranks=N or per_node=N");
                rc = expect(parser, '=', word);
                if (rc == 0)
                        rc = read_count(parser, strcmp(word, "ranks") == 0 ? "ranks" : "ranks per node", &count);
                if (rc != 0)
                        return rc;
                if (strcmp(word, "ranks") == 0)
                        raise(&ranks, count);
                else
                        raise(&need->per_node, count);
        } while (accept(parser, ','));
        if (ranks == 0)
                return fail(parser, start, "'mpi' needs 'ranks': mpi(ranks=8)");
        raise(&need->ranks, ranks);
        return expect(parser, ')', "what 'mpi' holds");
}

/* What begins no term, with the term that was meant where that is clear. */
static int refuse_term(const struct parser *parser, const char *at, const char *word)
{
        static const char *const known[] = {"duration", "cpu", "cuda", "rocm", "gpu", "mpi", "nodes", NULL};
        static const char *const inner[][2] = {{"cores", "cpu(cores=4)"},
                                               {"mem", "cpu(mem=8G)"},
                                               {"ranks", "mpi(ranks=8)"},
                                               {"per_node", "mpi(ranks=8, per_node=4)"}};
        for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
                if (strcmp(word, inner[i][0]) == 0)
                        return fail(parser, at, "'%s' stands within a term: %s", word, inner[i][1]);
        if ((*at == '&' || *at == '|') && at > parser->text && at[-1] == *at)
                return fail(parser, at, "one '%c' is enough", *at);
        return unknown(parser, at, word, known, "duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N");
}

static int read_term(struct parser *parser, xpm_need *need, struct gpus *gpus)
{
        char word[WORD];
        const char *start;
        int64_t value;
        read_word(parser, word, &start);
        if (strcmp(word, "cpu") == 0)
                return read_cpu(parser, need);
        if (strcmp(word, "cuda") == 0)
                return read_gpu(parser, XPM_GPU_CUDA, "CUDA devices", gpus);
        if (strcmp(word, "rocm") == 0)
                return read_gpu(parser, XPM_GPU_ROCM, "ROCm devices", gpus);
        if (strcmp(word, "gpu") == 0)
                return read_gpu(parser, XPM_GPU_ANY, "GPUs", gpus);
        if (strcmp(word, "mpi") == 0)
                return read_mpi(parser, need);
        bool duration = strcmp(word, "duration") == 0;
        if (!duration && strcmp(word, "nodes") != 0)
                return refuse_term(parser, start, word);
        int rc = expect(parser, '=', word);
        if (rc == 0)
                rc = duration ? read_duration(parser, &value) : read_count(parser, "nodes", &value);
        if (rc == 0)
                raise(duration ? &need->duration : &need->nodes, value);
        return rc;
}

static int read_alternative(struct parser *parser, xpm_need *need)
{
        struct gpus gpus = {0};
        *need = (xpm_need){.cores = 1};
        int rc;
        do
                rc = read_term(parser, need, &gpus);
        while (rc == 0 && accept(parser, '&'));
        need->gpus = gpus.items;
        need->gpu_count = gpus.count;
        return rc;
}

static int refuse_rest(const struct parser *parser)
{
        if (*parser->at == ',')
                return fail(parser, parser->at, "terms are joined by '&', alternatives by '|'");
        return fail(parser, parser->at, "expected '&', '|' or the end, found '%.*s'", WORD, parser->at);
}

int xpm_requirement_parse_at(xpm_arena *arena, const char *text, xpm_requirement *out, size_t *at, xpm_error *err)
{
        struct parser parser = {.arena = arena, .text = text, .at = text, .wrong = at, .err = err};
        xpm_need *alternatives = NULL;
        size_t count = 0, capacity = 0;
        int rc;
        do {
                if (xpm_arena_reserve(arena, &alternatives, &capacity, count + 1, sizeof *alternatives) != 0)
                        return xpm_fail_memory(err);
                rc = read_alternative(&parser, &alternatives[count]);
                count++;
        } while (rc == 0 && accept(&parser, '|'));
        skip_blanks(&parser);
        if (rc == 0 && *parser.at)
                rc = refuse_rest(&parser);
        if (rc == 0)
                *out = (xpm_requirement){.alternatives = alternatives, .count = count};
        return rc;
}

int xpm_requirement_parse(xpm_arena *arena, const char *text, xpm_requirement *out, xpm_error *err)
{
        size_t at;
        return xpm_requirement_parse_at(arena, text, out, &at, err);
}

/* Back to words. */

xpm_quantity xpm_quantity_size(uint64_t bytes)
{
        static const char units[] = "BKMGTPE";
        xpm_quantity word;
        double size = (double)bytes;
        int unit = 0;
        for (; size >= 1024 && units[unit + 1]; unit++)
                size /= 1024;
        double tenths = (double)(int64_t)(size * 10 + 0.5) / 10;
        bool whole = tenths == (double)(int64_t)tenths;
        snprintf(word.text, sizeof word.text, "%.*f%c", whole ? 0 : 1, size, units[unit]);
        return word;
}

xpm_quantity xpm_quantity_duration(int64_t seconds)
{
        static const int64_t lengths[] = {86400, 3600, 60, 1};
        xpm_quantity word;
        size_t unit = 0;
        while (seconds % lengths[unit] != 0)
                unit++;
        snprintf(word.text, sizeof word.text, "%" PRId64 "%c", seconds / lengths[unit], "dhms"[unit]);
        return word;
}

const char *xpm_gpu_kind_word(enum xpm_gpu_kind kind)
{
        static const char *const words[] = {[XPM_GPU_ANY] = "gpu", [XPM_GPU_CUDA] = "cuda", [XPM_GPU_ROCM] = "rocm"};
        return words[kind];
}

static double grown(double from, double factor, double most)
{
        double to = fmin(from * factor, 0x1p62);
        return most > 0 ? fmin(to, fmax(most, from)) : to;
}

void xpm_need_grow(xpm_need *need, const xpm_growth *growth)
{
        double memory = (double)need->memory, duration = (double)need->duration;
        if (growth->memory > 1)
                need->memory = (uint64_t)grown(memory, growth->memory, (double)growth->most_memory);
        if (growth->duration > 1)
                need->duration = (int64_t)ceil(grown(duration, growth->duration, (double)growth->most_duration));
}
