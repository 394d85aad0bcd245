/* Everything that arrives is checked against the length of its frame before it is used: a frame that is cut or made up
 * gives an error, never a read beyond it. */
#include "exec/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = 5, CHUNK = 1 << 16 };

static void put_number(xpm_text *text, uint64_t value, size_t size)
{
        char bytes[8];
        for (size_t i = 0; i < size; i++)
                bytes[i] = (char)(value >> (8 * i));
        xpm_text_append(text, bytes, size);
}

static uint64_t get_number(const char *bytes, size_t size)
{
        uint64_t value = 0;
        for (size_t i = 0; i < size; i++)
                value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
        return value;
}

size_t xpm_frame_begin(xpm_text *text, enum xpm_frame_kind kind)
{
        size_t begin = text->length;
        put_number(text, 0, HEAD - 1);
        xpm_text_putc(text, (char)kind);
        return begin;
}

void xpm_frame_end(xpm_text *text, size_t begin)
{
        if (text->failed)
                return;
        uint64_t length = text->length - begin - (HEAD - 1);
        if (length > XPM_FRAME_LIMIT) {
                text->failed = true;
                return;
        }
        for (size_t i = 0; i < HEAD - 1; i++)
                text->data[begin + i] = (char)(length >> (8 * i));
}

void xpm_frame_put_u8(xpm_text *text, uint8_t value)
{
        put_number(text, value, 1);
}

void xpm_frame_put_u32(xpm_text *text, uint32_t value)
{
        put_number(text, value, 4);
}

void xpm_frame_put_u64(xpm_text *text, uint64_t value)
{
        put_number(text, value, 8);
}

void xpm_frame_put_bytes(xpm_text *text, const void *data, size_t length)
{
        if (!data) {
                put_number(text, 0, 4);
                return;
        }
        if (length >= XPM_FRAME_LIMIT) {
                text->failed = true;
                return;
        }
        put_number(text, length + 1, 4);
        xpm_text_append(text, data, length);
        xpm_text_putc(text, '\0');
}

void xpm_frame_put_string(xpm_text *text, const char *string)
{
        xpm_frame_put_bytes(text, string, string ? strlen(string) : 0);
}

int xpm_frame_take(const char *data, size_t length, size_t *offset, xpm_frame *frame, xpm_error *err)
{
        size_t left = length - *offset;
        if (left < HEAD)
                return 0;
        uint64_t size = get_number(data + *offset, HEAD - 1);
        if (size == 0 || size > XPM_FRAME_LIMIT)
                return xpm_fail(err, XPM_EFORMAT, "a frame of %llu bytes arrived: the other end is not xpm",
                                (unsigned long long)size);
        if (left - (HEAD - 1) < size)
                return 0;
        *frame = (xpm_frame){(enum xpm_frame_kind)(unsigned char)data[*offset + HEAD - 1], data + *offset + HEAD,
                             (size_t)size - 1};
        *offset += HEAD - 1 + (size_t)size;
        return 1;
}

xpm_frame_reader xpm_frame_read(const xpm_frame *frame)
{
        return (xpm_frame_reader){frame->body, frame->body + frame->length, false};
}

static uint64_t take_number(xpm_frame_reader *reader, size_t size)
{
        if ((size_t)(reader->end - reader->at) < size) {
                reader->bad = true;
                reader->at = reader->end;
                return 0;
        }
        uint64_t value = get_number(reader->at, size);
        reader->at += size;
        return value;
}

uint8_t xpm_frame_u8(xpm_frame_reader *reader)
{
        return (uint8_t)take_number(reader, 1);
}

uint32_t xpm_frame_u32(xpm_frame_reader *reader)
{
        return (uint32_t)take_number(reader, 4);
}

uint64_t xpm_frame_u64(xpm_frame_reader *reader)
{
        return take_number(reader, 8);
}

const char *xpm_frame_bytes(xpm_frame_reader *reader, size_t *length)
{
        size_t size = xpm_frame_u32(reader);
        *length = 0;
        if (size == 0)
                return NULL;
        if ((size_t)(reader->end - reader->at) < size || reader->at[size - 1] != '\0') {
                reader->bad = true;
                reader->at = reader->end;
                return NULL;
        }
        const char *bytes = reader->at;
        reader->at += size;
        *length = size - 1;
        return bytes;
}

const char *xpm_frame_string(xpm_frame_reader *reader)
{
        size_t length;
        const char *string = xpm_frame_bytes(reader, &length);
        if (string && strlen(string) != length)
                reader->bad = true;
        return string;
}

void xpm_frame_put_event(xpm_text *text, const xpm_launch_event *event, bool broken)
{
        uint64_t wall;
        memcpy(&wall, &event->wall, sizeof wall);
        size_t begin = xpm_frame_begin(text, XPM_FRAME_EVENT);
        xpm_frame_put_u8(text, (uint8_t)event->kind);
        xpm_frame_put_u64(text, event->tag);
        xpm_frame_put_u32(text, event->attempt);
        xpm_frame_put_u8(text, event->done);
        xpm_frame_put_u32(text, (uint32_t)event->code);
        xpm_frame_put_string(text, event->handle);
        xpm_frame_put_string(text, event->reason);
        xpm_frame_put_string(text, event->message);
        xpm_frame_put_u64(text, wall);
        xpm_frame_put_u8(text, broken);
        xpm_frame_end(text, begin);
}

int xpm_frame_event(const xpm_frame *frame, xpm_launch_event *event, bool *broken, xpm_error *err)
{
        xpm_frame_reader reader = xpm_frame_read(frame);
        *event = (xpm_launch_event){.kind = (enum xpm_launch_event_kind)xpm_frame_u8(&reader)};
        event->tag = xpm_frame_u64(&reader);
        event->attempt = xpm_frame_u32(&reader);
        event->done = xpm_frame_u8(&reader) != 0;
        event->code = (int)xpm_frame_u32(&reader);
        event->handle = xpm_frame_string(&reader);
        event->reason = xpm_frame_string(&reader);
        event->message = xpm_frame_string(&reader);
        uint64_t wall = xpm_frame_u64(&reader);
        memcpy(&event->wall, &wall, sizeof wall);
        *broken = xpm_frame_u8(&reader) != 0;
        if (reader.bad || event->kind > XPM_LAUNCH_LOST)
                return xpm_fail(err, XPM_EFORMAT, "an event from the worker cannot be read");
        return 0;
}

static bool passing(int error)
{
        return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

int xpm_frame_receive(int fd, xpm_text *text, bool *closed, xpm_error *err)
{
        xpm_text_reserve(text, CHUNK);
        if (text->failed)
                return xpm_fail_memory(err);
        ssize_t got = recv(fd, text->data + text->length, text->capacity - text->length - 1, MSG_DONTWAIT);
        if (got > 0) {
                text->length += (size_t)got;
                text->data[text->length] = '\0';
                return 1;
        }
        if (got < 0 && passing(errno))
                return 0;
        *closed = true;
        return got == 0 || errno == ECONNRESET ? 0 : xpm_fail_errno(err, "cannot read from the other end");
}

int xpm_frame_send(int fd, xpm_text *text, bool *closed, xpm_error *err)
{
        if (text->length == 0)
                return 0;
        ssize_t sent = send(fd, text->data, text->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
                xpm_frame_consume(text, (size_t)sent);
                return 1;
        }
        if (sent < 0 && passing(errno))
                return 0;
        *closed = true;
        return errno == EPIPE || errno == ECONNRESET ? 0 : xpm_fail_errno(err, "cannot write to the other end");
}

void xpm_frame_consume(xpm_text *text, size_t length)
{
        if (length == 0)
                return;
        memmove(text->data, text->data + length, text->length - length);
        text->length -= length;
        text->data[text->length] = '\0';
}
