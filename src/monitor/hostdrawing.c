/* Cores stand in the order in which they are numbered, eight and eight, a row for each NUMA node, or several:
 *
 *     package 0
 *       NUMA 0   64G    0 aaaaaaaa|bb......
 *
 * A bar is between cores that share no last-level cache. A row that has to be broken is broken after a power of two of
 * such pieces, so that the numbers of cores at the beginning of rows are easy to count on from. */
#include <stdio.h>
#include <string.h>

#include "monitor/hostview.h"

enum { PIECE = 8 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char free_letter = '.', other_letter = '#'; /* of the holders beyond the letters */

typedef struct picture {
        const xpm_topology *topology;
        const xpm_holder *holders;
        size_t count, width;
        xpm_text *text;
        char cores[XPM_CORES], gpus[XPM_DEVICES]; /* their letters */
        size_t line;                              /* where it began */
} picture;

static char letter_of(size_t holder)
{
        return holder < sizeof letters - 1 ? letters[holder] : other_letter;
}

static void give_letters(picture *of)
{
        memset(of->cores, free_letter, sizeof of->cores);
        memset(of->gpus, free_letter, sizeof of->gpus);
        for (size_t i = 0; i < of->count; i++) {
                const xpm_portion *portion = &of->holders[i].portion;
                for (int at = xpm_bits_next(&portion->cores, -1); at >= 0; at = xpm_bits_next(&portion->cores, at))
                        of->cores[at] = letter_of(i);
                for (int at = xpm_bits_next(&portion->gpus, -1); at >= 0 && at < XPM_DEVICES;
                     at = xpm_bits_next(&portion->gpus, at))
                        of->gpus[at] = letter_of(i);
        }
}

static void begin_line(picture *of)
{
        of->line = of->text->length;
}

/* End the line, cut to the width, at the end of a character. */
static void end_line(picture *of)
{
        const char *line = xpm_text_string(of->text) + of->line;
        size_t length = of->text->length - of->line, columns = 0, at = 0;
        for (; at < length; at++)
                if (((unsigned char)line[at] & 0xc0) != 0x80 && columns++ == of->width)
                        break;
        while (at > 0 && line[at - 1] == ' ')
                at--;
        if (!of->text->failed)
                xpm_text_cut(of->text, of->line + at);
        xpm_text_putc(of->text, '\n');
}

/* At most COLUMNS of WORD. What others wrote does not command the terminal. */
static void put_word(picture *of, const char *word, size_t columns)
{
        for (; *word; word++) {
                if (((unsigned char)*word & 0xc0) != 0x80 && columns-- == 0)
                        return;
                xpm_text_putc(of->text, (unsigned char)*word < ' ' || *word == 0x7f ? '?' : *word);
        }
}

static int digits(size_t number)
{
        return snprintf(NULL, 0, "%zu", number);
}

/* Core I begins a piece of those since FIRST: the sign before it, '\0' when it does not. */
static char separator(const picture *of, size_t first, size_t i)
{
        const xpm_host_core *before = &of->topology->cores[i - 1], *core = &of->topology->cores[i];
        if (core->l3 != before->l3)
                return '|';
        return core->kind != before->kind || i - first == PIECE ? ' ' : '\0';
}

/* Cores FROM to END (not included) behind a margin of MARGIN columns, the first of which the line has already. */
static void draw_cores(picture *of, size_t from, size_t end, size_t margin)
{
        int number = digits(of->topology->core_count - 1);
        size_t pieces = 1, longest = 1;
        for (size_t i = from + 1, first = from; i < end; i++) {
                bool begins = separator(of, first, i) != '\0';
                pieces += begins;
                first = begins ? i : first;
                longest = i - first + 1 > longest ? i - first + 1 : longest;
        }
        size_t before = margin + (size_t)number + 2, room = of->width > before ? of->width - before : 0;
        size_t in_row = room / (longest + 1); /* with the sign after each */
        if (in_row < pieces)
                for (size_t power = in_row, next = 1; next <= power; next *= 2)
                        in_row = next;
        in_row = in_row > 0 ? in_row : 1;
        size_t piece = 0;
        for (size_t i = from, first = from; i < end; i++) {
                char sign = i > from ? separator(of, first, i) : '\0';
                first = sign ? i : first;
                piece += sign != '\0';
                if (i > from && sign && piece % in_row == 0) {
                        xpm_text_putc(of->text, sign);
                        end_line(of);
                        begin_line(of);
                        xpm_text_printf(of->text, "%*s", (int)margin, "");
                } else if (sign)
                        xpm_text_putc(of->text, sign);
                if (i == from || (sign && piece % in_row == 0))
                        xpm_text_printf(of->text, "%*zu  ", number, i);
                xpm_text_putc(of->text, of->cores[i]);
        }
}

/* `  NUMA 3   64G  `, what is not known left blank. */
static size_t draw_margin(picture *of, size_t numa)
{
        const xpm_topology *topology = of->topology;
        size_t start = of->text->length;
        bool known = numa < topology->numa_count;
        if (known)
                xpm_text_printf(of->text, "  NUMA %*zu", digits(topology->numa_count - 1), numa);
        xpm_quantity size = xpm_quantity_size(known ? topology->numa[numa].memory : 0);
        xpm_text_printf(of->text, "  %6s  ", known && topology->numa[numa].memory > 0 ? size.text : "");
        return of->text->failed ? 0 : of->text->length - start;
}

static void draw_packages(picture *of)
{
        const xpm_host_core *cores = of->topology->cores;
        for (size_t i = 0, end; i < of->topology->core_count; i = end) {
                if (i == 0 || cores[i].package != cores[i - 1].package)
                        xpm_text_printf(of->text, "package %u\n", (unsigned)cores[i].package);
                for (end = i + 1; end < of->topology->core_count && cores[end].package == cores[i].package &&
                                  cores[end].numa == cores[i].numa;)
                        end++;
                begin_line(of);
                draw_cores(of, i, end, draw_margin(of, cores[i].numa));
                end_line(of);
        }
}

/* Memory that no core is near to. */
static void draw_bare_memory(picture *of)
{
        for (size_t i = 0; i < of->topology->numa_count; i++) {
                size_t at = 0;
                while (at < of->topology->core_count && of->topology->cores[at].numa != i)
                        at++;
                if (at < of->topology->core_count)
                        continue;
                begin_line(of);
                draw_margin(of, i);
                xpm_text_puts(of->text, "no cores");
                end_line(of);
        }
}

/* Which cores are the fast ones, where they differ. */
static void draw_kinds(picture *of)
{
        const xpm_topology *topology = of->topology;
        unsigned last = 0;
        for (size_t i = 0; i < topology->core_count; i++)
                last = topology->cores[i].kind > last ? topology->cores[i].kind : last;
        for (unsigned kind = 0; last > 0 && kind <= last; kind++) {
                begin_line(of);
                xpm_text_printf(of->text, "kind %u%s: cores", kind, kind == 0 ? ", the fastest" : "");
                char sign = ' ';
                for (size_t i = 0, end; i < topology->core_count; i = end + 1) {
                        for (end = i; end < topology->core_count && topology->cores[end].kind == kind;)
                                end++;
                        if (end == i)
                                continue;
                        xpm_text_printf(of->text, "%c%zu", sign, i);
                        if (end > i + 1)
                                xpm_text_printf(of->text, "-%zu", end - 1);
                        sign = ',';
                }
                end_line(of);
        }
}

static void draw_gpus(picture *of)
{
        const xpm_topology *topology = of->topology;
        size_t name = 0, model = 0;
        for (size_t i = 0; i < topology->gpu_count; i++) {
                size_t lengths[] = {strlen(topology->gpus[i].name), strlen(topology->gpus[i].model)};
                name = lengths[0] > name ? lengths[0] : name;
                model = lengths[1] > model ? lengths[1] : model;
        }
        if (topology->gpu_count > 0)
                xpm_text_puts(of->text, "GPUs\n");
        for (size_t i = 0; i < topology->gpu_count; i++) {
                const xpm_host_gpu *gpu = &topology->gpus[i];
                begin_line(of);
                xpm_text_printf(of->text, "  %*zu  %c  ", digits(topology->gpu_count - 1), i, of->gpus[i]);
                xpm_text_printf(of->text, "%-*s  %-*s", (int)name, gpu->name, (int)model, gpu->model);
                xpm_text_printf(of->text, "  %6s  ", gpu->memory > 0 ? xpm_quantity_size(gpu->memory).text : "");
                if (gpu->numa >= 0)
                        xpm_text_printf(of->text, "NUMA %-*d  ", digits(topology->numa_count), gpu->numa);
                put_word(of, *gpu->pci ? gpu->pci : gpu->visible, of->width);
                end_line(of);
        }
}

static void put_count(xpm_text *text, size_t count, const char *noun, bool more)
{
        xpm_text_printf(text, "%s%zu %s%s", more ? ", " : "", count, noun, count == 1 ? "" : "s");
}

static void put_portion(xpm_text *text, const xpm_portion *portion)
{
        size_t gpus = xpm_bits_count(&portion->gpus);
        put_count(text, xpm_bits_count(&portion->cores), "core", false);
        if (gpus > 0)
                put_count(text, gpus, "GPU", true);
        if (portion->memory > 0)
                xpm_text_printf(text, ", %s", xpm_quantity_size(portion->memory).text);
}

static xpm_portion left_by(const picture *of)
{
        xpm_portion left = {.memory = of->topology->memory};
        for (size_t i = 0; i < of->topology->core_count; i++)
                if (of->cores[i] == free_letter)
                        xpm_bits_add(&left.cores, (unsigned)i);
        for (size_t i = 0; i < of->topology->gpu_count; i++)
                if (of->gpus[i] == free_letter)
                        xpm_bits_add(&left.gpus, (unsigned)i);
        for (size_t i = 0; i < of->count; i++) {
                uint64_t held = of->holders[i].portion.memory;
                left.memory -= held < left.memory ? held : left.memory;
        }
        return left;
}

/* The label is cut where there is no room for it and for what is held, but not to less than LEAST. */
static void draw_holder(picture *of, size_t i, int pid_width)
{
        enum { LEAST = 8 };
        const xpm_holder *holder = &of->holders[i];
        const char *label = holder->pid > 0 ? holder->label : "left by a worker that died";
        xpm_text held = XPM_TEXT_INIT;
        put_portion(&held, &holder->portion);
        xpm_text_puts(&held, holder->waits ? ", waits for more" : "");
        begin_line(of);
        xpm_text_printf(of->text, "%c  ", letter_of(i));
        if (holder->pid > 0)
                xpm_text_printf(of->text, "pid %-*ld  ", pid_width, (long)holder->pid);
        size_t used = of->text->length - of->line + held.length + 2;
        put_word(of, label, used + LEAST < of->width ? of->width - used : LEAST);
        xpm_text_printf(of->text, "%s%s", *label ? ": " : "", xpm_text_string(&held));
        end_line(of);
        of->text->failed |= held.failed;
        xpm_text_release(&held);
}

static void draw_legend(picture *of)
{
        int pid_width = 0;
        for (size_t i = 0; i < of->count; i++) {
                int length = digits(of->holders[i].pid > 0 ? (size_t)of->holders[i].pid : 0);
                pid_width = length > pid_width ? length : pid_width;
        }
        xpm_text_putc(of->text, '\n');
        for (size_t i = 0; i < of->count; i++)
                draw_holder(of, i, pid_width);
        const xpm_portion left = left_by(of);
        begin_line(of);
        xpm_text_printf(of->text, "%c  free: ", free_letter);
        put_portion(of->text, &left);
        end_line(of);
}

static void draw_head(picture *of)
{
        const xpm_topology *topology = of->topology;
        begin_line(of);
        put_count(of->text, topology->core_count, "core", false);
        if (topology->pu_count > topology->core_count)
                put_count(of->text, topology->pu_count, "hardware thread", true);
        if (topology->gpu_count > 0)
                put_count(of->text, topology->gpu_count, "GPU", true);
        xpm_text_printf(of->text, ", %s", xpm_quantity_size(topology->memory).text);
        xpm_text_puts(of->text, topology->this_system ? "" : "; described, not this host");
        end_line(of);
}

void xpm_host_draw(const xpm_topology *topology, const xpm_holder *holders, size_t count, size_t width, xpm_text *text)
{
        picture of = {.topology = topology, .holders = holders, .count = count, .width = width, .text = text};
        give_letters(&of);
        draw_head(&of);
        draw_kinds(&of);
        draw_packages(&of);
        draw_bare_memory(&of);
        draw_gpus(&of);
        draw_legend(&of);
}
