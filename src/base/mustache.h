/* mustache.h: Mustache templates, compiled once and rendered many times
 *
 * All of the Mustache specification but lambdas and inheritance, and partials only for those who have some. A compiled
 * template is a flat list of literals and tags; what the names mean, what is true, what is a list, and how a value is
 * printed and escaped is the business of a view, the caller's callbacks. The caller may hang a binding on every tag
 * (what its name was found to mean), so that rendering looks nothing up twice.
 *
 *     xpm_mustache template;
 *     rc = xpm_mustache_compile(arena, "{{#runs}}{{path}} {{/runs}}", length, &template, &offset, err);
 *     rc = xpm_mustache_render(&template, &view, data, &root, &text, err);
 */
#ifndef XPM_BASE_MUSTACHE_H
#define XPM_BASE_MUSTACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "experimaestro/error.h"

/* Sections may nest this deep; more is an error of compilation. */
enum { XPM_MUSTACHE_DEPTH = 64 };

enum xpm_mustache_kind {
        XPM_MUSTACHE_TEXT,
        XPM_MUSTACHE_VARIABLE, /* {{x}} */
        XPM_MUSTACHE_RAW,      /* {{{x}}} or {{&x}} */
        XPM_MUSTACHE_SECTION,  /* {{#x}} */
        XPM_MUSTACHE_INVERTED, /* {{^x}} */
};

typedef struct xpm_mustache_tag {
        enum xpm_mustache_kind kind;
        const char *text; /* the literal, or the name as written; NUL-terminated */
        size_t length;
        size_t offset;       /* where it begins in the template, or in the partial */
        const char *partial; /* that it stands in, NULL: the template itself */
        int line;            /* where it begins, from 1 */
        size_t end;          /* of a section: index of the first tag after it */
        const void *binding; /* the caller's; NULL after compilation */
} xpm_mustache_tag;

typedef struct xpm_mustache {
        xpm_mustache_tag *tags; /* as written; what is inside a section lies between it and its end */
        size_t count;
} xpm_mustache;

/* Everything is made in ARENA; TEXT is not kept. XPM_EFORMAT with *OFFSET, the place of the tag that is wrong in TEXT.
 */
int xpm_mustache_compile(xpm_arena *arena, const char *text, size_t length, xpm_mustache *out, size_t *offset,
                         xpm_error *err);

/* What {{> NAME}} stands for. A partial is compiled in its place, once, so it cannot include itself; one that is alone
 * on its line is indented as its tag is. */
typedef struct xpm_mustache_partials {
        void *data;
        /* The text of NAME, which stays until the compilation has ended. 0 or a negative error. */
        int (*find)(void *data, const char *name, const char **text, size_t *length, xpm_error *err);
} xpm_mustache_partials;

/* Where the tag is that is wrong: as in a tag. */
typedef struct xpm_mustache_place {
        const char *partial; /* in the arena */
        int line;
        size_t offset;
} xpm_mustache_place;

/* The same with PARTIALS; NULL: there are none, and a tag that names one is wrong. The errors are those of `find`, too,
 * with the place of the tag that names what it does not find. */
int xpm_mustache_compile_with(xpm_arena *arena, const char *text, size_t length, const xpm_mustache_partials *partials,
                              xpm_mustache *out, xpm_mustache_place *place, xpm_error *err);

/* Something that a name can mean. Rendering copies items and never looks inside. */
typedef struct xpm_mustache_item {
        int kind;
        const void *owner;
        uint64_t data[2];
} xpm_mustache_item;

/* What find answers besides an error. */
enum { XPM_MUSTACHE_ELSEWHERE = 0, XPM_MUSTACHE_FOUND = 1, XPM_MUSTACHE_BROKEN = 2 };

typedef struct xpm_mustache_view {
        /* What the name of TAG (never `.`) means in ITEM, which stands at DEPTH in the stack of contexts (0: the root).
         * FOUND and *OUT; ELSEWHERE when its first part is not in ITEM: the context outside is asked; BROKEN when the
         * first part is there and a later one is not: nobody else is asked. Or a negative error. */
        int (*find)(void *data, const xpm_mustache_item *item, size_t depth, const xpm_mustache_tag *tag,
                    xpm_mustache_item *out, xpm_error *err);
        /* The name of TAG means nothing: 0 to go on with what is false and prints as nothing, or a negative error. */
        int (*missing)(void *data, const xpm_mustache_tag *tag, xpm_error *err);
        bool (*truth)(void *data, const xpm_mustache_item *item); /* of what is no list */
        /* The number of items of a list, -1 for what is none; and the one at INDEX. */
        long (*count)(void *data, const xpm_mustache_item *item);
        void (*item)(void *data, const xpm_mustache_item *list, size_t index, xpm_mustache_item *out);
        /* Append ITEM; TAG says VARIABLE (escaped) or RAW. 0 or a negative error. */
        int (*print)(void *data, const xpm_mustache_tag *tag, const xpm_mustache_item *item, xpm_text *out,
                     xpm_error *err);
} xpm_mustache_view;

/* Append the rendering to OUT. The errors are those of the view, and XPM_ENOMEM. */
int xpm_mustache_render(const xpm_mustache *template, const xpm_mustache_view *view, void *data,
                        const xpm_mustache_item *root, xpm_text *out, xpm_error *err);

#endif
