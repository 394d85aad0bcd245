/* wire.h: what engine and worker say to each other
 *
 * A frame is a length (4 bytes, of what follows), a kind (1 byte) and a body of numbers and strings, little-endian.
 * Frames are appended to a text and sent many at a time; a reader takes them from the front of what has arrived.
 */
#ifndef XPM_EXEC_WIRE_H
#define XPM_EXEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "experimaestro/error.h"
#include "experimaestro/launcher.h"

/* A longer frame is a mistake or an attack, not a job. */
enum { XPM_FRAME_LIMIT = 1 << 30, XPM_FRAME_PROTOCOL = 3 };

enum xpm_frame_kind {
        /* to the worker */
        XPM_FRAME_HELLO =
                1,          /* protocol, directory mode, file mode, durable, cores, memory, devices, label: the first */
        XPM_FRAME_JOB,      /* order.h */
        XPM_FRAME_WITHDRAW, /* send back what has not begun */
        XPM_FRAME_KILL,     /* tags; none: all */
        /* to the engine */
        XPM_FRAME_EVENT, /* xpm_launch_event */
        XPM_FRAME_LOG,   /* whether it is a warning, line */
};

typedef struct xpm_frame {
        enum xpm_frame_kind kind;
        const char *body;
        size_t length;
} xpm_frame;

/* Begin a frame; end it with the number that begin returned. */
size_t xpm_frame_begin(xpm_text *text, enum xpm_frame_kind kind);
void xpm_frame_end(xpm_text *text, size_t begin);

void xpm_frame_put_u8(xpm_text *text, uint8_t value);
void xpm_frame_put_u32(xpm_text *text, uint32_t value);
void xpm_frame_put_u64(xpm_text *text, uint64_t value);
void xpm_frame_put_bytes(xpm_text *text, const void *data,
                         size_t length); /* ended by a NUL on arrival; NULL stays NULL */
void xpm_frame_put_string(xpm_text *text, const char *string);

/* Take the frame at *OFFSET of LENGTH bytes of DATA and move on. 1, or 0 when it has not arrived whole, or XPM_EFORMAT.
 */
int xpm_frame_take(const char *data, size_t length, size_t *offset, xpm_frame *frame, xpm_error *err);

/* Reading a body: what is not there is 0 or NULL, and `bad` is set. Strings point into the frame. */
typedef struct xpm_frame_reader {
        const char *at, *end;
        bool bad;
} xpm_frame_reader;

xpm_frame_reader xpm_frame_read(const xpm_frame *frame);
uint8_t xpm_frame_u8(xpm_frame_reader *reader);
uint32_t xpm_frame_u32(xpm_frame_reader *reader);
uint64_t xpm_frame_u64(xpm_frame_reader *reader);
const char *xpm_frame_bytes(xpm_frame_reader *reader, size_t *length);
const char *xpm_frame_string(xpm_frame_reader *reader);

/* EVENT frames; the strings of *EVENT point into the frame. BROKEN: the workspace could not be written, the message
 * says where. */
void xpm_frame_put_event(xpm_text *text, const xpm_launch_event *event, bool broken);
int xpm_frame_event(const xpm_frame *frame, xpm_launch_event *event, bool *broken, xpm_error *err);

/* Read what the socket FD has into TEXT, write what TEXT has to it and keep the rest. Neither waits. 1 when something
 * was moved, 0 when nothing could be, XPM_EIO (err->message says what; a closed end is *CLOSED). */
int xpm_frame_receive(int fd, xpm_text *text, bool *closed, xpm_error *err);
int xpm_frame_send(int fd, xpm_text *text, bool *closed, xpm_error *err);
/* Forget the first LENGTH bytes. */
void xpm_frame_consume(xpm_text *text, size_t length);

#endif
