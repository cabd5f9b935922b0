// steady: thousands of clients that must not notice anything. It holds connections of every kind to a broker, lets
// pairs of them exchange messages at a steady rate, and finds out what each event that the broker goes through has
// cost: what was disconnected, refused, lost, doubled, out of order, and late. Tests/chaos/run compiles and calls it.
//
//     steady -m PORT… -w PORT… -j PORT… -o FILE [options]
//
//     -m PORT   MQTT 3.1.1 and 5 over TCP; -w over WebSocket; -j the JSON protocol. Each may be given several times
//     -n COUNT  connections (10000); those of no pair are idle with a subscription and PINGREQ
//     -p COUNT  pairs of publisher and subscriber (500); QoS 0, 1, 2 and clean and durable sessions in turn
//     -r RATE   messages a second of all pairs together (2000)
//     -v RATE   visitors a second, which connect, publish once and leave (20)
//     -k SEC    keep-alive (30); a ping is sent in half of it
//     -d SEC    how long to wait at the end for what is under way (10)
//     -R        reconnect whatever is disconnected; without it a pair of which one end is gone is out of play
//     -o FILE   the report, JSON
//
// Says `ready` on standard output when all are connected and traffic has flowed for a second. Then it reads lines:
// `mark NAME` when an event is about to be made, answered by `marked`; `finish`, after which it waits for what is under
// way, leaves, writes the report, and says `finished`. The end of the input without `finish` is
// fatal, as is whatever goes wrong before traffic starts. One thread, one epoll.
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "messages.h"
#include "statistics.h"

static bool finishing;

static void obey(char *line) {
    if (!strncmp(line, "mark ", 5)) {
        mark(line + 5);
        puts("marked");
    } else if (!strcmp(line, "finish")) {
        finishing = true;
    } else {
        fail("not a command: %s", line);
    }
}

static void read_commands(void) {
    static char text[4096];
    static size_t length;
    ssize_t k = read(STDIN_FILENO, text + length, sizeof text - length);
    if (k <= 0) fail("the input ended without `finish`");
    length += (size_t)k;
    for (char *end; (end = memchr(text, '\n', length));) {
        *end++ = 0;
        obey(text);
        length -= (size_t)(end - text);
        memmove(text, end, length);
    }
    if (length == sizeof text) fail("a line that is too long");
}

static void raise_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    raise_limit();
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_polling();
    make_clients();
    make_pairs();

    uint64_t limit = now() + 120 * (uint64_t)SECOND;
    while (!connect_more()) {
        if (now() > limit) fail("not all connections are ready after two minutes");
        if (turn()) read_commands();
    }

    start_running();
    uint64_t time = now(), started = time;
    for (bool said = false; !finishing;) {
        if (!said && time - started > SECOND) said = puts("ready") >= 0;
        publish_due(time);
        visit(time);
        ping(time);
        retry(time);
        if (turn()) read_commands();
        count_stall(now() - time);
        time = now();
    }

    limit = now() + (uint64_t)(options.drain * SECOND);
    while ((undelivered() || unacknowledged() || unreleased() || unanswered() || visiting()) && now() < limit) {
        // What is counted is large: not at every turn.
        for (int i = 0; i < 20; i++) {
            retry(now());
            turn();
        }
    }
    give_up_visits();
    write_report();
    leave_all();
    puts("finished");
}
