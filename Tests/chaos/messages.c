// Publishing at a steady rate, and the check of each delivery against what was sent. The payload is text, so that JSON
// carries it unchanged: pair, sequence number, time of sending in nanoseconds.
#include "messages.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "mqtt.h"
#include "statistics.h"

static Pair *pairs;

void make_pairs(void) {
    pairs = calloc((size_t)options.pairs, sizeof *pairs);
    if (!pairs) fail("out of memory");
    for (int i = 0; i < options.pairs; i++) pairs[i].qos = publisher_of(i)->qos;
}

const Pair *pair_at(int number) {
    return &pairs[number];
}

// Identifiers are 1 to 65535 in turn, so a message's number follows from its identifier and from the last one sent.
static unsigned identifier(uint32_t sequence) {
    return sequence % 65535 + 1;
}

static void send_message(Connection *c, uint32_t sequence, bool again) {
    Pair *pair = &pairs[c->pair];
    Message *message = &pair->messages[sequence];
    char topic[NAME_LENGTH], payload[64];
    snprintf(topic, sizeof topic, "chaos/%d", c->pair);
    snprintf(payload, sizeof payload, "%d %" PRIu32 " %" PRIu64, c->pair, sequence, message->sent);
    if (c->endpoint->version == JSON) json_publish(c, topic, payload, c->qos, identifier(sequence));
    else mqtt_publish(c, topic, payload, c->qos, identifier(sequence), again);
    message->was_written = true;
}

static void publish(int number) {
    Pair *pair = &pairs[number];
    Connection *c = publisher_of(number);
    if (!options.reconnect && !is_whole(number)) return;
    if (pair->count == pair->capacity) {
        pair->capacity = pair->capacity ? pair->capacity * 2 : 256;
        pair->messages = resized(pair->messages, pair->capacity * sizeof *pair->messages);
    }
    uint32_t sequence = pair->count++;
    pair->messages[sequence] = (Message){
        .sent = now(),
        .expects = (Byte)(c->qos == 0 ? 0 : c->qos == 1 || c->endpoint->version == JSON ? TAKEN : RECEIVED),
        .unsent = c->qos == 0 && c->state != READY,
    };
    if (c->state == READY) {
        send_message(c, sequence, false);
        flush(c);
    } else if (c->qos == 0) {
        count(UNSENT);
    }
}

void publish_due(uint64_t time) {
    static uint64_t first, done;
    if (!first) first = time;
    uint64_t due = (uint64_t)((double)(time - first) / SECOND * options.rate);
    for (; done < due; done++) publish((int)(done % (uint64_t)options.pairs));
}

void publish_again(Connection *c, bool present) {
    Pair *pair = &pairs[c->pair];
    for (uint32_t i = pair->settled; i < pair->count; i++) {
        Message *message = &pair->messages[i];
        if (!message->expects) continue;
        if (message->expects == COMPLETED && present) mqtt_release(c, identifier(i));
        else if (message->expects == COMPLETED) message->expects = 0;
        else send_message(c, i, present && message->was_written);
    }
    flush(c);
}

void message_acknowledged(Connection *c, Acknowledgement kind, unsigned id) {
    Pair *pair = &pairs[c->pair];
    uint32_t last = pair->count - 1, back = (identifier(last) + 65535 - id) % 65535;
    if (!pair->count || !id || back > last) return unexpected(c, "an acknowledgement of nothing");
    Message *message = &pair->messages[last - back];
    if (message->expects != kind) return unexpected(c, "an acknowledgement for the second time, or of another kind");
    message->expects = kind == RECEIVED ? COMPLETED : 0;
    if (kind == RECEIVED) mqtt_release(c, id);
    while (pair->settled < pair->count && !pair->messages[pair->settled].expects) pair->settled++;
}

void message_delivered(Connection *c, const char *payload, size_t length) {
    char text[64] = "";
    int number;
    uint32_t sequence;
    uint64_t sent;
    memcpy(text, payload, length < sizeof text ? length : sizeof text - 1);
    Pair *pair = &pairs[c->pair];
    if (sscanf(text, "%d %" SCNu32 " %" SCNu64, &number, &sequence, &sent) != 3 || number != c->pair ||
        sequence >= pair->count || pair->messages[sequence].sent != sent)
        return unexpected(c, "a message that was not sent to it");
    Message *message = &pair->messages[sequence];
    if (message->delivered) return count(DUPLICATED + (Counter)pair->qos);
    message->delivered = now();
    if (sequence < pair->highest) count(OUT_OF_ORDER);
    else pair->highest = sequence + 1;
    count_delivery(message->delivered);
}

uint64_t undelivered(void) {
    uint64_t found = 0;
    for (int i = 0; i < options.pairs; i++)
        for (uint32_t n = 0; n < pairs[i].count; n++)
            found += !pairs[i].messages[n].delivered && !pairs[i].messages[n].unsent;
    return found;
}

uint64_t unacknowledged(void) {
    uint64_t found = 0;
    for (int i = 0; i < options.pairs; i++)
        for (uint32_t n = pairs[i].settled; n < pairs[i].count; n++) found += pairs[i].messages[n].expects != 0;
    return found;
}
