// Sockets: connect, read, write, and the wait for them. A socket's end is told to client.c's disconnected(), which
// decides what it means; fatal is only what the machine refuses (descriptors, memory).
#define _GNU_SOURCE
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "mqtt.h"
#include "websocket.h"

static int poll_fd;

uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

void start_polling(void) {
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        fail("stdin can not be polled, it is to be a pipe: %s", strerror(errno));
}

static void watch(Connection *c, int operation, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(poll_fd, operation, c->fd, &event)) fail("a socket can not be polled: %s", strerror(errno));
    c->waits_to_write = writing;
}

void begin(Connection *c) {
    struct sockaddr_in broker = {.sin_family = AF_INET, .sin_port = htons(c->endpoint->port)};
    broker.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("no socket for connection %d: %s", c->number, strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->began = now();
    c->state = CONNECTING;
    watch(c, EPOLL_CTL_ADD, true);
    if (connect(c->fd, (struct sockaddr *)&broker, sizeof broker) && errno != EINPROGRESS)
        disconnected(c, strerror(errno));
}

void shut(Connection *c) {
    close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
    c->in.length = c->out.length = c->message.length = c->written = 0;
    c->pinged = 0;
}

void flush(Connection *c) {
    if (c->fd < 0 || c->state == CONNECTING) return;
    while (c->written < c->out.length) {
        ssize_t k = send(c->fd, c->out.bytes + c->written, c->out.length - c->written, MSG_NOSIGNAL);
        if (k < 0 && errno == EAGAIN) {
            if (!c->waits_to_write) watch(c, EPOLL_CTL_MOD, true);
            return;
        }
        if (k < 0) return disconnected(c, strerror(errno));
        c->written += (size_t)k;
    }
    c->out.length = c->written = 0;
    if (c->waits_to_write) watch(c, EPOLL_CTL_MOD, false);
}

static void connected(Connection *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return disconnected(c, strerror(error));
    c->state = c->endpoint->websocket ? UPGRADING : GREETING;
    if (c->endpoint->websocket) request_upgrade(c);
    else greet(c);
    flush(c);
}

static void receive(Connection *c) {
    static Byte chunk[65536];
    ssize_t k = recv(c->fd, chunk, sizeof chunk, 0);
    if (k < 0 && errno == EAGAIN) return;
    if (k < 0) return disconnected(c, strerror(errno));
    if (k == 0) return disconnected(c, "closed by the broker");

    // Only what is left over from last time is ever copied.
    const Byte *bytes = chunk;
    size_t length = (size_t)k;
    if (c->in.length) {
        append_bytes(&c->in, chunk, length);
        bytes = c->in.bytes;
        length = c->in.length;
    }
    size_t used = (c->endpoint->websocket ? take_websocket : take_mqtt)(c, bytes, length);
    if (c->fd < 0) return;
    if (bytes == chunk) append_bytes(&c->in, chunk + used, length - used);
    else consume(&c->in, used);
    flush(c);
}

bool turn(void) {
    struct epoll_event events[512];
    bool input = false;
    int count = epoll_wait(poll_fd, events, 512, 1);
    for (int i = 0; i < count; i++) {
        Connection *c = events[i].data.ptr;
        if (!c) input = true;
        else if (c->fd >= 0 && c->state == CONNECTING) connected(c);
        else if (c->fd >= 0) {
            if (events[i].events & EPOLLOUT) flush(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
    return input;
}
