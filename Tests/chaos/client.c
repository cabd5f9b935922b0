// The clients: a table of steady connections (publishers, subscribers, idle ones) and one of visitors. Before all are
// ready whatever goes wrong is fatal; afterwards it is counted.
#include "client.h"

#include <stdio.h>

#include "json.h"
#include "messages.h"
#include "mqtt.h"
#include "statistics.h"

enum { VISITORS = 2000, AT_ONCE = 100, VISIT_TIMEOUT = 10 };

static Connection *clients, visitors[VISITORS];
static int begun, ready_count;
static bool leaving;

void make_clients(void) {
    clients = calloc((size_t)options.connections, sizeof *clients);
    if (!clients) fail("out of memory");
    int count = options.endpoint_count;
    for (int i = 0; i < options.connections; i++) {
        // Publisher and subscriber of a pair are on different endpoints; all combinations come up in turn.
        int pair = i / 2, first = pair % count;
        int other = count > 1 ? (first + 1 + pair / count % (count - 1)) % count : 0;
        bool paired = pair < options.pairs;
        clients[i] = (Connection){
            .fd = -1,
            .number = i,
            .endpoint = &options.endpoints[paired && i % 2 ? other : paired ? first : i % count],
            .role = !paired ? IDLE : i % 2 ? SUBSCRIBER : PUBLISHER,
            .pair = pair,
            .qos = (paired ? pair : i) % 3,
            .durable = (paired ? pair : i) / 3 % 2,
        };
    }
    for (int i = 0; i < VISITORS; i++) visitors[i] = (Connection){.fd = -1, .number = i, .role = VISITOR, .qos = 1};
}

void client_id(const Connection *c, char id[NAME_LENGTH]) {
    snprintf(id, NAME_LENGTH, c->role == VISITOR ? "chaos-visitor-%d" : "chaos-%d", c->number);
}

void greet(Connection *c) {
    (c->endpoint->version == JSON ? json_connect : mqtt_connect)(c);
}

static void subscribe(Connection *c) {
    char filter[NAME_LENGTH];
    snprintf(filter, sizeof filter, c->role == SUBSCRIBER ? "chaos/%d" : "chaos/idle/%d",
             c->role == SUBSCRIBER ? c->pair : c->number);
    c->state = SUBSCRIBING;
    (c->endpoint->version == JSON ? json_subscribe : mqtt_subscribe)(c, filter);
}

static void became_ready(Connection *c) {
    c->state = READY;
    c->was_ready = true;
    ready_count++;
    if (c->down) count_outage(now() - c->down);
    c->down = 0;
}

void greeted(Connection *c, bool present) {
    if (c->state != GREETING) return unexpected(c, "a second CONNACK");
    if (c->role == VISITOR) {
        count_visit(now() - c->began);
        c->state = READY;
        if (c->endpoint->version == JSON) json_publish(c, "chaos/visit", "hello", 1, 1);
        else mqtt_publish(c, "chaos/visit", "hello", 1, 1, false);
        return;
    }
    if (!present && c->received) memset(c->received, 0, 65536 / 8);
    bool was_ready = c->was_ready;
    if (c->role != PUBLISHER && !(present && was_ready)) return subscribe(c);
    became_ready(c);
    if (c->role == PUBLISHER && was_ready) publish_again(c, present);
}

void subscribed(Connection *c, bool granted) {
    if (c->state != SUBSCRIBING) return unexpected(c, "a second SUBACK");
    if (!granted) return unexpected(c, "a SUBACK that refuses");
    became_ready(c);
}

void acknowledged(Connection *c, Acknowledgement kind, unsigned id, bool fine) {
    if (!fine) unexpected(c, "an acknowledgement that refuses");
    if (c->role == PUBLISHER) return message_acknowledged(c, kind, id);
    if (c->role != VISITOR || kind != TAKEN || c->state != READY) return unexpected(c, "an acknowledgement of nothing");
    if (c->endpoint->version == JSON) json_close(c);
    else mqtt_disconnect(c);
    flush(c);
    if (c->fd >= 0) shut(c);
}

void delivered(Connection *c, const char *payload, size_t length) {
    if (c->role != SUBSCRIBER) return unexpected(c, "a message that was not subscribed to");
    message_delivered(c, payload, length);
}

bool received(Connection *c, unsigned id) {
    if (!c->received) {
        c->received = resized(NULL, 65536 / 8);
        memset(c->received, 0, 65536 / 8);
    }
    Byte bit = (Byte)(1 << id % 8);
    bool is_new = !(c->received[id / 8] & bit);
    c->received[id / 8] |= bit;
    if (!is_new) count(REPEATED);
    return is_new;
}

void released(Connection *c, unsigned id) {
    Byte bit = (Byte)(1 << id % 8);
    if (!c->received || !(c->received[id / 8] & bit)) return count(REPEATED);
    c->received[id / 8] &= (Byte)~bit;
}

uint64_t unreleased(void) {
    uint64_t found = 0;
    for (int i = 0; i < options.connections; i++)
        for (int byte = 0; clients[i].received && byte < 65536 / 8; byte++)
            found += (uint64_t)__builtin_popcount(clients[i].received[byte]);
    return found;
}

void answered(Connection *c) {
    if (!c->pinged) return unexpected(c, "a second PINGRESP");
    count_ping(now() - c->pinged);
    c->pinged = 0;
}

uint64_t unanswered(void) {
    uint64_t found = 0;
    for (int i = 0; i < options.connections; i++) found += clients[i].pinged != 0;
    return found;
}

static void describe(const Connection *c, const char *what, char text[160]) {
    int version = c->endpoint->version;
    snprintf(text, 160, "%s%s, %s: %.100s", c->role == VISITOR ? "visitor, " : "",
             c->endpoint->websocket ? "WebSocket" : "TCP",
             version == JSON ? "JSON" : version == 5 ? "MQTT 5" : "MQTT 3.1.1", what);
}

void unexpected(Connection *c, const char *what) {
    char text[160];
    describe(c, what, text);
    if (!is_running()) fail("%s", text);
    count_reason(UNEXPECTED, text);
}

void disconnected(Connection *c, const char *reason) {
    char text[160];
    describe(c, reason, text);
    bool was_ready = c->state == READY;
    shut(c);
    if (leaving) return;
    if (!is_running()) fail("%s", text);
    if (c->role == VISITOR) return count_reason(REFUSED, text);
    uint64_t time = now();
    if (was_ready) {
        ready_count--;
        c->down = time;
        count_reason(DISCONNECTED, text);
    }
    // As the usual libraries do: after a second, more or less, and again after another.
    c->retry = time + SECOND / 2 + (uint64_t)(c->number * 7919 % 1000) * MILLISECOND;
}

bool connect_more(void) {
    while (begun < options.connections && begun - ready_count < AT_ONCE) begin(&clients[begun++]);
    return ready_count == options.connections;
}

void visit(uint64_t time) {
    static uint64_t next;
    static int turns;
    for (int i = 0; i < VISITORS; i++)
        if (visitors[i].fd >= 0 && time - visitors[i].began > VISIT_TIMEOUT * (uint64_t)SECOND)
            disconnected(&visitors[i], "not served in ten seconds");
    if (!options.visits) return;
    for (next = next ? next : time; next <= time; next += (uint64_t)(SECOND / options.visits)) {
        Connection *c = &visitors[turns % VISITORS];
        if (c->fd >= 0) continue;
        c->endpoint = &options.endpoints[turns++ % options.endpoint_count];
        begin(c);
    }
}

bool visiting(void) {
    for (int i = 0; i < VISITORS; i++)
        if (visitors[i].fd >= 0) return true;
    return false;
}

void give_up_visits(void) {
    for (int i = 0; i < VISITORS; i++)
        if (visitors[i].fd >= 0) disconnected(&visitors[i], "not served before the end");
}

void ping(uint64_t time) {
    // Each connection has its turn once in half its keep-alive: the table is gone through at an even pace.
    static uint64_t first, done;
    if (!first) first = time;
    double rounds = (double)(time - first) / (0.5 * options.keep_alive * SECOND);
    for (uint64_t due = (uint64_t)(rounds * options.connections); done < due; done++) {
        Connection *c = &clients[done % (uint64_t)options.connections];
        if (c->state != READY || c->pinged) continue;
        c->pinged = time;
        (c->endpoint->version == JSON ? json_ping : mqtt_ping)(c);
        flush(c);
    }
}

void retry(uint64_t time) {
    for (int i = 0; options.reconnect && ready_count < options.connections && i < options.connections; i++)
        if (clients[i].state == CLOSED && clients[i].retry <= time) begin(&clients[i]);
}

bool is_whole(int pair) {
    return clients[2 * pair].state == READY && clients[2 * pair + 1].state == READY;
}

Connection *publisher_of(int pair) {
    return &clients[2 * pair];
}

void leave_all(void) {
    leaving = true;
    for (int i = 0; i < options.connections; i++) {
        Connection *c = &clients[i];
        if (c->state != READY) continue;
        (c->endpoint->version == JSON ? json_close : mqtt_disconnect)(c);
        flush(c);
    }
    for (int i = 0; i < options.connections; i++)
        if (clients[i].fd >= 0) shut(&clients[i]);
}
