/* Orders come in, events go out, many to a write.
 *
 * When the engine's end closes, what runs is finished and recorded, and what was queued is dropped: nobody has begun
 * it, so whoever comes next will. SIGINT and SIGHUP are the engine's business; SIGTERM is passed to the jobs. When the
 * guardian is dead, what runs ends as lost, the engine is told, and the worker leaves: the next one has a guardian. */
#include "exec/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "exec/guardian.h"
#include "exec/pool.h"

extern char **environ;

typedef struct server {
        uv_loop_t loop;
        uv_poll_t socket;
        uv_signal_t term;
        xpm_site site;
        xpm_pool *pool;
        int fd, slots, stock; /* stock: -1 when it is the pool's */
        const char *note;     /* of that, or NULL */
        bool greeted;
        bool writing;  /* on_socket is called when OUT can be written */
        bool leaving;  /* no engine any more */
        bool deserted; /* no guardian any more */
        xpm_text in, out;
        xpm_error err;
        int rc;
} server;

static void on_socket(uv_poll_t *handle, int status, int events);

static void fail(server *server_, int rc)
{
        if (server_->rc == 0)
                server_->rc = rc;
}

static void leave_when_idle(server *server_)
{
        bool busy = server_->pool && xpm_pool_count(server_->pool) > 0;
        if (server_->leaving && !busy && !uv_is_closing((uv_handle_t *)&server_->term))
                uv_close((uv_handle_t *)&server_->term, NULL);
}

/* No engine any more: finish what runs. */
static void leave(server *server_)
{
        if (server_->leaving)
                return;
        server_->leaving = true;
        uv_close((uv_handle_t *)&server_->socket, NULL);
        if (server_->pool)
                xpm_pool_withdraw(server_->pool);
        leave_when_idle(server_);
}

static void leave_when_deserted(server *server_)
{
        bool busy = server_->pool && xpm_pool_count(server_->pool) > 0;
        if (server_->deserted && !busy && server_->out.length == 0)
                leave(server_);
}

/* No guardian any more: what runs here is not safe, and the engine starts another worker when this one has left. What
 * it hands over until then is not read: it has not begun. */
static void desert(server *server_)
{
        server_->deserted = true;
        if (!server_->leaving)
                uv_poll_start(&server_->socket, server_->writing ? UV_WRITABLE : 0, on_socket);
        if (server_->pool)
                xpm_pool_end(server_->pool, XPM_FAILURE_LOST);
        leave_when_deserted(server_);
}

/* A closed end is noticed by on_socket, which is woken by it; so are other errors. */
static void send_out(server *server_)
{
        bool closed = false;
        if (server_->out.failed)
                fail(server_, xpm_fail_memory(&server_->err));
        int rc = xpm_frame_send(server_->fd, &server_->out, &closed, &server_->err);
        if (rc < 0)
                fail(server_, rc);
        if (closed && server_->deserted)
                xpm_text_clear(&server_->out);
        bool wake = server_->out.length > 0 || server_->rc != 0;
        if (wake != server_->writing) {
                server_->writing = wake;
                uv_poll_start(&server_->socket, (server_->deserted ? 0 : UV_READABLE) | (wake ? UV_WRITABLE : 0),
                              on_socket);
        }
}

static void on_event(void *data, const xpm_launch_event *event, bool broken)
{
        server *server_ = data;
        if (!server_->leaving)
                xpm_frame_put_event(&server_->out, event, broken);
}

static void send_line(server *server_, bool warning, const char *line)
{
        if (server_->leaving)
                return;
        size_t begin = xpm_frame_begin(&server_->out, XPM_FRAME_LOG);
        xpm_frame_put_u8(&server_->out, warning);
        xpm_frame_put_string(&server_->out, line);
        xpm_frame_end(&server_->out, begin);
}

static void on_note(void *data, const char *line)
{
        send_line(data, false, line);
}

static void on_warning(void *data, const char *line)
{
        send_line(data, true, line);
}

static void on_flush(void *data)
{
        server *server_ = data;
        if (!server_->leaving)
                send_out(server_);
        leave_when_deserted(server_);
        leave_when_idle(server_);
}

static int greet(server *server_, const xpm_frame *frame)
{
        xpm_frame_reader reader = xpm_frame_read(frame);
        uint32_t protocol = xpm_frame_u32(&reader);
        mode_t directory_mode = xpm_frame_u32(&reader), file_mode = xpm_frame_u32(&reader);
        server_->site.durable = xpm_frame_u32(&reader) != 0;
        xpm_pool_options options = {.slots = server_->slots, .stock = server_->stock, .note = server_->note};
        options.cores = xpm_frame_u64(&reader);
        options.memory = xpm_frame_u64(&reader);
        options.devices = xpm_frame_u32(&reader) != 0;
        options.label = xpm_frame_string(&reader);
        if (frame->kind != XPM_FRAME_HELLO || reader.bad || protocol != XPM_FRAME_PROTOCOL)
                return xpm_fail(&server_->err, XPM_EFORMAT,
                                "the engine speaks protocol %u, this worker %d: they are not of one version", protocol,
                                XPM_FRAME_PROTOCOL);
        const xpm_pool_sink sink = {server_, on_event, on_note, on_warning, on_flush};
        xpm_site_share(&server_->site, directory_mode, file_mode);
        server_->site.signals = xpm_spawn_signals();
        server_->greeted = true;
        server_->stock = -1;
        return xpm_pool_create(&server_->loop, &server_->site, &options, &sink, &server_->pool, &server_->err);
}

static int obey_kill(server *server_, const xpm_frame *frame)
{
        xpm_frame_reader reader = xpm_frame_read(frame);
        size_t count = frame->length / sizeof(uint64_t);
        uint64_t *tags = calloc(count + 1, sizeof *tags);
        if (!tags)
                return xpm_fail_memory(&server_->err);
        for (size_t i = 0; i < count; i++)
                tags[i] = xpm_frame_u64(&reader);
        xpm_pool_kill(server_->pool, tags, count);
        free(tags);
        return 0;
}

/* Nothing of ours may stay in a group whose jobs get groups: neither the guardian nor the engine, which made the
 * socket.
 */
static void prepare(server *server_, const xpm_order *order)
{
        struct ucred engine = {.pid = 0};
        socklen_t length = sizeof engine;
        if (order->spec.need.memory == 0 || server_->site.cgroup_tried)
                return;
        getsockopt(server_->fd, SOL_SOCKET, SO_PEERCRED, &engine, &length);
        xpm_site_limit_memory(&server_->site, (pid_t[]){getppid(), engine.pid}, engine.pid > 0 ? 2 : 1);
}

static int take(server *server_, const xpm_frame *frame)
{
        xpm_order *order;
        int rc = xpm_order_take(frame, &order, &server_->err);
        if (rc != 0)
                return rc;
        prepare(server_, order);
        return xpm_pool_add(server_->pool, order, &server_->err);
}

static int obey(server *server_, const xpm_frame *frame)
{
        if (!server_->greeted)
                return greet(server_, frame);
        switch (frame->kind) {
        case XPM_FRAME_JOB: return take(server_, frame);
        case XPM_FRAME_WITHDRAW: xpm_pool_withdraw(server_->pool); return 0;
        case XPM_FRAME_KILL: return obey_kill(server_, frame);
        default: return xpm_fail(&server_->err, XPM_EFORMAT, "an order of kind %d is unknown", (int)frame->kind);
        }
}

static int obey_all(server *server_)
{
        size_t offset = 0;
        xpm_frame frame;
        int rc;
        while ((rc = xpm_frame_take(server_->in.data, server_->in.length, &offset, &frame, &server_->err)) == 1)
                if ((rc = obey(server_, &frame)) != 0)
                        break;
        xpm_frame_consume(&server_->in, offset);
        return rc;
}

static void on_socket(uv_poll_t *handle, int status, int events)
{
        server *server_ = handle->data;
        bool closed = status < 0;
        int rc = 0;
        if (!closed && (events & UV_READABLE))
                rc = xpm_frame_receive(server_->fd, &server_->in, &closed, &server_->err);
        if (rc == 1)
                rc = obey_all(server_);
        if (rc < 0)
                fail(server_, rc);
        if (server_->rc != 0 || closed)
                leave(server_);
        else if (!server_->leaving && (events & UV_WRITABLE))
                send_out(server_);
        leave_when_deserted(server_);
}

static void on_term(uv_signal_t *handle, int signal)
{
        server *server_ = handle->data;
        (void)signal;
        if (xpm_guardian_is_gone())
                desert(server_);
        else if (server_->pool)
                xpm_pool_kill(server_->pool, NULL, 0);
}

static int run(server *server_)
{
        uv_run(&server_->loop, UV_RUN_DEFAULT);
        xpm_pool_close(server_->pool);
        uv_run(&server_->loop, UV_RUN_DEFAULT);
        xpm_pool_free(server_->pool);
        xpm_text_release(&server_->in);
        xpm_text_release(&server_->out);
        xpm_site_release(&server_->site);
        uv_loop_close(&server_->loop);
        return server_->rc;
}

static int fail_uv(xpm_error *err, const char *what, int code)
{
        return xpm_fail(err, XPM_EIO, "cannot %s: %s", what, uv_strerror(code));
}

static int open_loop(server *server_, xpm_error *err)
{
        int rc = uv_loop_init(&server_->loop);
        if (rc != 0)
                return fail_uv(err, "make an event loop", rc);
        server_->term.data = server_->socket.data = server_;
        rc = uv_signal_init(&server_->loop, &server_->term);
        if (rc == 0 && (rc = uv_signal_start(&server_->term, on_term, SIGTERM)) != 0) {
                uv_close((uv_handle_t *)&server_->term, NULL);
                uv_run(&server_->loop, UV_RUN_DEFAULT);
        }
        if (rc == 0)
                return 0;
        uv_loop_close(&server_->loop);
        return fail_uv(err, "watch for SIGTERM", rc);
}

int xpm_worker_serve(int fd, int slots, int stock, const char *note, xpm_error *err)
{
        server server_ = {.fd = fd, .slots = slots > 0 ? slots : 1, .stock = stock, .note = note};
        int rc = xpm_site_init(&server_.site, environ, err);
        if (rc != 0)
                return xpm_error_exit_status(rc);
        rc = open_loop(&server_, err);
        if (rc != 0) {
                xpm_site_release(&server_.site);
                return xpm_error_exit_status(rc);
        }
        signal(SIGINT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        rc = uv_poll_init(&server_.loop, &server_.socket, fd);
        if (rc != 0) {
                server_.leaving = true;
                fail(&server_, fail_uv(&server_.err, "serve the descriptor given by --fd", rc));
                leave_when_idle(&server_);
        } else
                uv_poll_start(&server_.socket, UV_READABLE, on_socket);
        rc = run(&server_);
        close(fd);
        return rc == 0 ? 0 : xpm_error_exit_status(xpm_fail(err, rc, "%s", server_.err.message));
}
