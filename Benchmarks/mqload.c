// mqload: a closed-loop load generator for MQTT 3.1.1, over TCP or WebSocket.
//
// One thread, one epoll, no allocation per message: on a small machine the broker is to be measured, not the
// generator. Benchmarks/run compiles and calls it; it can as well be used by hand:
//
//     cc -O2 -o mqload mqload.c options.c usage.c && ./mqload -p 1883 -m pairs -n 10 -q 1 -P "$(pidof -s apusd)"
//
//     -h HOST -p PORT   the broker (127.0.0.1 1883); HOST is an IPv4 address
//     -s PORT           where subscribers connect, if that is another broker's: of two that are bridged (as -p)
//     -m MODE           pairs   publisher i to topic i to subscriber i
//                       fanout  one publisher, -n subscribers of its topic
//                       fanin   -n publishers, one subscriber of their topic
//                       queue   as pairs, but the subscribers leave before the first message; implies -k and -a
//                       drain   the subscribers of an earlier queue come back for what waits for them; implies -k
//                       idle    -n connections that do nothing; memory is reported
//     -n N              pairs, subscribers, publishers or connections (10)
//     -z BYTES          payload, at least 16 (64)
//     -q QOS            of publish and subscription (0)
//     -w WINDOW         messages under way per publisher (64)
//     -r RATE           messages a second of all publishers together; 0: as fast as the window allows (0)
//     -d SECONDS        time measured, after one second of warm-up (5)
//     -P PID            the broker: CPU and memory of it and of all its descendants are reported
//     -W                MQTT over WebSocket (GET /mqtt, subprotocol mqtt)
//     -c COUNT          queue: messages in all, without warm-up, and not for -d; drain: how many are expected
//     -k                persistent sessions (clean session off)
//     -a                window and latency end with the acknowledgement (PUBACK, PUBCOMP), not with the delivery
//     -g                reconnect whatever was disconnected, and go on
//
// Prints one line of key=value. lost: sent, but not delivered two seconds after the end. dup and ooo: repeated, and
// skipped over, by the sequence numbers of each publisher. max_gap_ms: the longest time without any delivery.
// queue counts acknowledgements where the others count deliveries. drain ends two seconds after the last message.
// Exits 1 when the broker can not be reached, refuses, or (in idle) disconnects; fatal: nothing else.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "histogram.h"
#include "options.h"
#include "usage.h"

typedef struct {
    int fd, id;                 // id: which pair, publisher or subscriber this is
    bool publisher, ready;      // ready: connected, and subscribed where it subscribes
    bool waits_to_write, upgraded;
    Buffer in, out, message;    // message: a packet that WebSocket frames have not completed yet
    size_t written;             // of out
    uint32_t next_sequence;     // publisher: to send
    uint32_t expected;          // the next sequence number to be delivered
    uint64_t outstanding;       // publisher: sent and not yet delivered
    uint16_t packet_id;
    uint64_t *sent_at;          // publisher: by packet_id, where acknowledgements are measured
} Connection;

enum { SECOND = 1000000000 };
static Connection *connections;
static int connection_count, publisher_count, ready_count, disconnects, poll_fd;
static uint64_t sent, acknowledged, delivered, duplicates, out_of_order, last_delivery, longest_gap;
static Histogram latencies;
static bool measuring;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

// Writes a packet's fixed header and returns where its body goes.
static Byte *packet(Connection *c, unsigned first, size_t body) {
    Byte header[5];
    size_t n = 0, rest = body;
    header[n++] = (Byte)first;
    do header[n++] = (Byte)((rest & 127) | (rest > 127 ? 128 : 0));
    while (rest >>= 7);
    Byte *p = options.websocket ? websocket_frame(&c->out, 2, n + body) : append(&c->out, n + body);
    memcpy(p, header, n);
    return p + n;
}
static void send_connect(Connection *c) {
    char id[48];
    int length = snprintf(id, sizeof id, "mqload-%c%d-%d", c->publisher ? 'p' : 's', c->id,
                          options.persistent ? 0 : (int)getpid());
    Byte *p = packet(c, 0x10, 12 + (size_t)length);
    p = put_string(p, "MQTT", 4);
    *p++ = 4;
    *p++ = options.persistent ? 0 : 2;
    p = put16(p, 0);  // no keep-alive: an idle connection is to cost nothing
    put_string(p, id, (size_t)length);
}
static size_t topic_of(const Connection *c, char topic[32]) {
    bool shared = options.mode == FANOUT || options.mode == FANIN;
    return (size_t)(shared ? sprintf(topic, "mqload/t") : sprintf(topic, "mqload/%d/t", c->id));
}
static void send_subscribe(Connection *c) {
    char topic[32];
    size_t length = topic_of(c, topic);
    Byte *p = put16(packet(c, 0x82, 5 + length), 1);
    p = put_string(p, topic, length);
    *p = (Byte)options.qos;
}
static void send_publish(Connection *c, uint64_t time) {
    char topic[32];
    size_t length = topic_of(c, topic), payload = (size_t)options.payload;
    Byte *p = packet(c, 0x30 | (unsigned)options.qos << 1, 2 + length + (options.qos ? 2 : 0) + payload);
    p = put_string(p, topic, length);
    if (options.qos) {
        if (!++c->packet_id) c->packet_id = 1;
        p = put16(p, c->packet_id);
        if (options.acknowledged) c->sent_at[c->packet_id] = time;
    }
    uint32_t publisher = (uint32_t)c->id;
    memcpy(p, &time, 8);
    memcpy(p + 8, &c->next_sequence, 4);
    memcpy(p + 12, &publisher, 4);
    memset(p + 16, 'x', payload - 16);
    c->next_sequence++;
    c->outstanding++;
    sent++;
}
static void acknowledge(Connection *c, unsigned first, const Byte *packet_id) {
    memcpy(packet(c, first, 2), packet_id, 2);
}

static void poll_for_writing(Connection *c, bool on) {
    if (c->waits_to_write == on) return;
    c->waits_to_write = on;
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}
static void dropped(Connection *c);
static void flush(Connection *c) {
    while (c->written < c->out.length) {
        ssize_t k = send(c->fd, c->out.bytes + c->written, c->out.length - c->written, MSG_NOSIGNAL);
        if (k < 0 && errno == EAGAIN) return poll_for_writing(c, true);
        if (k < 0) return dropped(c);
        c->written += (size_t)k;
    }
    c->out.length = c->written = 0;
    poll_for_writing(c, false);
}

static void became_ready(Connection *c) {
    if (!c->ready) ready_count++;
    c->ready = true;
}

static void deliver(Connection *c, const Byte *payload) {
    uint64_t sent_at, time = now();
    uint32_t sequence, id;
    memcpy(&sent_at, payload, 8);
    memcpy(&sequence, payload + 8, 4);
    memcpy(&id, payload + 12, 4);
    if (id >= (uint32_t)(options.mode == DRAIN ? options.count : publisher_count))
        fail("a message that no publisher of this run sent");

    delivered++;
    if (measuring) {
        if (!options.acknowledged && options.mode != DRAIN) histogram_add(&latencies, time - sent_at);
        if (time - last_delivery > longest_gap) longest_gap = time - last_delivery;
    }
    last_delivery = time;

    // Every subscriber of a fan-out sees the whole sequence; in the other modes each sequence is seen once.
    Connection *publisher = &connections[id];
    Connection *counter = options.mode == FANOUT || options.mode == DRAIN ? c : publisher;
    if (sequence < counter->expected) {
        duplicates++;
    } else {
        out_of_order += sequence - counter->expected;
        counter->expected = sequence + 1;
    }
    static uint64_t copies;
    bool last_copy = options.mode != FANOUT || ++copies % (uint64_t)options.count == 0;
    if (last_copy && !options.acknowledged && publisher->outstanding) publisher->outstanding--;
}

// The publisher's exchange is over.
static void completed(Connection *c, const Byte *packet_id) {
    if (!options.acknowledged) return;
    acknowledged++;
    c->outstanding--;
    if (measuring) histogram_add(&latencies, now() - c->sent_at[packet_id[0] << 8 | packet_id[1]]);
}

static void received(Connection *c, const Byte *fixed, const Byte *body) {
    switch (fixed[0] >> 4) {
    case 2:  // CONNACK
        if (body[1]) fail("the broker refused a connection with code %d", body[1]);
        if (options.mode == DRAIN && !body[0]) fail("no session waits for subscriber %d", c->id);
        if (c->publisher || options.mode == IDLE || options.mode == DRAIN) became_ready(c);
        else send_subscribe(c);
        break;
    case 9:  // SUBACK
        if (body[2] > 2) fail("the broker refused a subscription with code %d", body[2]);
        became_ready(c);
        break;
    case 3: {  // PUBLISH
        int qos = fixed[0] >> 1 & 3;
        const Byte *packet_id = body + 2 + (body[0] << 8 | body[1]);
        deliver(c, packet_id + (qos ? 2 : 0));
        if (qos) acknowledge(c, qos == 1 ? 0x40 : 0x50, packet_id);
        break;
    }
    case 4: completed(c, body); break;          // PUBACK
    case 5: acknowledge(c, 0x62, body); break;  // PUBREC: PUBREL
    case 6: acknowledge(c, 0x70, body); break;  // PUBREL: PUBCOMP
    case 7: completed(c, body); break;          // PUBCOMP
    }
}

// Takes the whole packets out of bytes and returns how many bytes they were.
static size_t parse_mqtt(Connection *c, const Byte *bytes, size_t length) {
    size_t offset = 0;
    while (length - offset >= 2) {
        size_t body = 0, header = 1;
        for (int shift = 0;; shift += 7) {
            if (offset + header >= length) return offset;
            Byte b = bytes[offset + header++];
            body |= (size_t)(b & 127) << shift;
            if (b < 128) break;
        }
        if (offset + header + body > length) return offset;
        received(c, bytes + offset, bytes + offset + header);
        offset += header + body;
    }
    return offset;
}

static void data_frame(Connection *c, const Byte *payload, size_t length) {
    size_t used = c->message.length ? 0 : parse_mqtt(c, payload, length);
    if (used == length) return;
    memcpy(append(&c->message, length - used), payload + used, length - used);
    consume(&c->message, parse_mqtt(c, c->message.bytes, c->message.length));
}
static size_t parse_websocket(Connection *c, const Byte *bytes, size_t length) {
    size_t offset = 0;
    if (!c->upgraded) {
        const Byte *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (length < 12 || memcmp(bytes, "HTTP/1.1 101", 12)) fail("no upgrade: %.*s", 60, (const char *)bytes);
        offset = (size_t)(end + 4 - bytes);
        c->upgraded = true;
        send_connect(c);
    }
    while (length - offset >= 2) {
        const Byte *p = bytes + offset;
        size_t payload = p[1] & 127, header = payload < 126 ? 2 : payload == 126 ? 4 : 10;
        if (length - offset < header) break;
        if (header > 2) {
            payload = 0;
            for (size_t i = 2; i < header; i++) payload = payload << 8 | p[i];
        }
        if (length - offset < header + payload) break;
        unsigned opcode = p[0] & 15;
        if (opcode <= 2) data_frame(c, p + header, payload);
        if (opcode == 9) memcpy(websocket_frame(&c->out, 10, payload), p + header, payload);
        offset += header + payload;
    }
    return offset;
}
static void read_all(Connection *c) {
    enum { CHUNK = 65536 };
    for (;;) {
        reserve(&c->in, CHUNK);
        ssize_t k = recv(c->fd, c->in.bytes + c->in.length, CHUNK, 0);
        if (k < 0 && errno == EAGAIN) break;
        if (k <= 0) return dropped(c);
        c->in.length += (size_t)k;
        consume(&c->in, (options.websocket ? parse_websocket : parse_mqtt)(c, c->in.bytes, c->in.length));
        if (k < CHUNK) break;
    }
    flush(c);
}

static bool open_connection(Connection *c) {
    int port = c->publisher || !options.subscriber_port ? options.port : options.subscriber_port;
    struct sockaddr_in broker = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, options.host, &broker.sin_addr) != 1) fail("%s is not an IPv4 address", options.host);
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("no socket for connection %d: %s", (int)(c - connections), strerror(errno));
    if (!strncmp(options.host, "127.", 4)) {
        // Many connections would use up the ports of one source address; the loopback network has many addresses.
        struct sockaddr_in source = {.sin_family = AF_INET};
        source.sin_addr.s_addr = htonl(0x7f000002 + (uint32_t)(c - connections) / 20000);
        setsockopt(c->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(c->fd, (struct sockaddr *)&source, sizeof source);
    }
    if (connect(c->fd, (struct sockaddr *)&broker, sizeof broker)) {
        close(c->fd);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    c->in.length = c->message.length = c->out.length = c->written = 0;
    c->waits_to_write = c->upgraded = false;
    if (options.websocket) {
        static const char request[] =
            "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: bXFsb2FkLW1xbG9hZC0xNg==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        memcpy(append(&c->out, sizeof request - 1), request, sizeof request - 1);
    } else {
        send_connect(c);
    }
    flush(c);
    return true;
}
static void dropped(Connection *c) {
    if (!disconnects++ && !options.reconnect)
        fprintf(stderr, "mqload: %s %d was disconnected\n", c->publisher ? "publisher" : "subscriber", c->id);
    close(c->fd);
    c->fd = -1;
    if (c->ready) ready_count--;
    c->ready = false;
    for (int tries = 0; options.reconnect && tries < 1000; tries++) {
        if (open_connection(c)) return;
        usleep(10000);
    }
}

// Lets the publishers send what window and rate allow.
static void publish(uint64_t time) {
    static uint64_t start;
    if (!start) start = time;
    double allowed = (double)(time - start) / 1e9 * (double)options.rate;
    for (int i = 0; i < publisher_count; i++) {
        Connection *c = &connections[i];
        bool any = false;
        while (c->ready && c->outstanding < options.window && c->out.length - c->written < 65536) {
            if (options.rate && (double)sent >= allowed) break;
            if (options.total && sent >= options.total) break;
            send_publish(c, options.rate ? time : now());
            any = true;
            if (options.rate && publisher_count > 1) break;  // in turns
        }
        if (any && !c->waits_to_write) flush(c);
    }
}
// Whether all that were asked for are through.
static bool finished(void) {
    return options.total && (options.mode == QUEUE ? acknowledged : delivered) >= options.total;
}
static void run_until(uint64_t deadline, bool publishing, int ready_enough) {
    struct epoll_event events[512];
    for (;;) {
        uint64_t time = now();
        if (time >= deadline || finished() || (ready_enough && ready_count >= ready_enough)) return;
        if (publishing) publish(time);
        // With a rate the loop spins, so that a message leaves when it is due and not a tick later.
        int count = epoll_wait(poll_fd, events, 512, options.rate && publishing ? 0 : 1);
        for (int i = 0; i < count; i++) {
            Connection *c = events[i].data.ptr;
            if (c->fd >= 0 && events[i].events & EPOLLOUT) flush(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_all(c);
        }
    }
}

static void connect_all(void) {
    enum Mode mode = options.mode;
    publisher_count = mode == IDLE || mode == DRAIN ? 0 : mode == FANOUT ? 1 : options.count;
    connection_count = publisher_count + (mode == FANIN ? 1 : options.count);
    connections = calloc((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++) {
        Connection *c = &connections[i];
        c->publisher = i < publisher_count;
        c->id = c->publisher ? i : i - publisher_count;
        if (c->publisher && options.acknowledged) c->sent_at = calloc(65536, sizeof *c->sent_at);
        if (!open_connection(c)) fail("can not connect to %s:%d: %s", options.host, options.port, strerror(errno));
        if (i % 16 == 15) run_until(now() + SECOND, false, i > 48 ? i - 47 : 1);  // no more than the backlog holds
    }
    run_until(now() + 30ull * SECOND, false, connection_count);
    if (ready_count < connection_count) fail("only %d of %d connections became ready", ready_count, connection_count);
}
// The subscribers leave; their sessions stay.
static void leave(void) {
    for (int i = publisher_count; i < connection_count; i++) {
        Connection *c = &connections[i];
        static const Byte disconnect[] = {0xE0, 0};
        memcpy(options.websocket ? websocket_frame(&c->out, 2, 2) : append(&c->out, 2), disconnect, 2);
        flush(c);
        close(c->fd);
        c->fd = -1;
    }
}
// Receives what waits. Returns the seconds that it took.
static double drain(uint64_t start) {
    uint64_t before;
    do {
        before = delivered;
        run_until(now() + 2ull * SECOND, false, 0);
    } while (delivered > before && !finished());
    return delivered ? (double)(last_delivery - start) / 1e9 : 0;
}
static double percentile_us(double fraction) {
    return (double)histogram_percentile(&latencies, fraction) / 1e3;
}
static double own_cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);

    Usage before = usage_of(options.broker);
    uint64_t start = now();
    measuring = options.mode == DRAIN;
    last_delivery = start;
    connect_all();
    double connecting = (double)(now() - start) / 1e9;
    uint64_t duration = (uint64_t)(options.seconds * 1e9);

    if (options.mode == IDLE) {
        run_until(now() + duration, false, 0);
        Usage after = usage_of(options.broker);
        printf("mode=idle conns=%d connect_s=%.2f conns_per_s=%.0f broker_pss_mb=%.1f kb_per_conn=%.2f "
               "broker_cpu_s=%.2f disconnects=%d procs=%d\n",
               connection_count, connecting, connection_count / connecting, after.pss_mb,
               (after.pss_mb - before.pss_mb) * 1024 / connection_count, after.cpu_seconds - before.cpu_seconds,
               disconnects, after.processes);
        return disconnects != 0;
    }

    double elapsed, own_before = own_cpu_seconds();
    if (options.mode == DRAIN) {
        elapsed = drain(start);
    } else {
        if (options.mode == QUEUE) leave();
        if (!options.total) run_until(now() + SECOND, true, 0);
        before = usage_of(options.broker);
        own_before = own_cpu_seconds();
        measuring = true;
        start = last_delivery = now();
        run_until(options.total ? UINT64_MAX : start + duration, true, 0);
        measuring = false;
        elapsed = (double)(now() - start) / 1e9;
    }
    Usage after = usage_of(options.broker);
    double own = own_cpu_seconds() - own_before, cpu = after.cpu_seconds - before.cpu_seconds;

    uint64_t expected = sent * (options.mode == FANOUT ? (uint64_t)options.count : 1), end = now() + 2ull * SECOND;
    if (options.mode == DRAIN) expected = options.total ? options.total : delivered;
    const uint64_t *through = options.mode == QUEUE ? &acknowledged : &delivered;
    while (options.mode != DRAIN && *through < expected && now() < end) run_until(now() + SECOND / 20, false, 0);
    double measured = (double)(options.mode == DRAIN ? delivered : latencies.total), messages = measured ? measured : 1;
    printf("mode=%s n=%d qos=%d z=%d w=%llu ws=%d rate=%llu msgs_per_s=%.0f p50_us=%.0f p99_us=%.0f p999_us=%.0f "
           "max_gap_ms=%.1f broker_us_per_msg=%.3f broker_cores=%.2f gen_us_per_msg=%.3f lost=%lld dup=%llu ooo=%llu "
           "disconnects=%d broker_pss_mb=%.1f procs=%d count=%llu\n",
           mode_names[options.mode], options.count, options.qos, options.payload, (unsigned long long)options.window,
           options.websocket, (unsigned long long)options.rate, measured / elapsed, percentile_us(.5),
           percentile_us(.99), percentile_us(.999), (double)longest_gap / 1e6, cpu / messages * 1e6, cpu / elapsed,
           own / messages * 1e6, (long long)(expected - *through), (unsigned long long)duplicates,
           (unsigned long long)out_of_order, disconnects, after.pss_mb, after.processes,
           (unsigned long long)*through);
    return 0;
}
